# SPDX-License-Identifier: Apache-2.0 OR MIT
"""GDB's remote protocol for big-endian applications on AArch64.

GDB knows one byte order, and such an application's memory wants the big one. QEMU 7.2, whose board is little-endian,
sends registers in its own order whatever the processor does. So the registers are turned round on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

# Bytes of each register in the packets `g` and `G`: x0 to x30, sp, pc, cpsr; v0 to v31, fpsr, fpcr.
SIZES = (*[8] * 33, 4, *[16] * 32, 4, 4)


def _turned(value: bytes) -> bytes:
    """Hexadecimal digits of one register, its bytes the other way round."""
    return bytes.fromhex(value.decode())[::-1].hex().encode() if len(value) % 2 == 0 and b"x" not in value else value


def _all_turned(values: bytes) -> bytes:
    turned, at = [], 0
    for size in SIZES:
        turned.append(_turned(values[at : at + 2 * size]))
        at += 2 * size
    return b"".join(turned) + values[at:]


def _packets(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Each whole packet, and each byte between packets, with whether it is whole; the rest comes last."""
    at = 0
    while at < len(data):
        if data[at : at + 1] != b"$":
            yield data[at : at + 1], True
            at += 1
            continue
        end = data.find(b"#", at)
        if end < 0 or end + 3 > len(data):
            yield data[at:], False
            return
        yield data[at : end + 3], True
        at = end + 3


class Turn:
    """One connection, both ways. What is not whole yet is kept until it is."""

    def __init__(self) -> None:
        self._asked = b""
        self._parts = {"stub": b"", "client": b""}

    def to_stub(self, data: bytes) -> bytes:
        return self._through("stub", data, self._request)

    def to_client(self, data: bytes) -> bytes:
        return self._through("client", data, self._answer)

    def _through(self, way: str, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
        out, whole = b"", True
        for piece, whole in _packets(self._parts[way] + data):
            self._parts[way] = b"" if whole else piece
            if not whole:
                break
            if piece.startswith(b"$"):
                body = change(piece[1:-3])
                piece = b"$%s#%02x" % (body, sum(body) % 256)
            out += piece
        return out

    def _request(self, body: bytes) -> bytes:
        self._asked = body[:1]
        if self._asked == b"G":
            return b"G" + _all_turned(body[1:])
        if self._asked == b"P":
            number, _, value = body.partition(b"=")
            return number + b"=" + _turned(value)
        return body

    def _answer(self, body: bytes) -> bytes:
        asked, self._asked = self._asked, b""
        if asked not in (b"g", b"p") or body[:1] == b"E" or body == b"":
            return body
        return _all_turned(body) if asked == b"g" else _turned(body)
