# SPDX-License-Identifier: Apache-2.0 OR MIT
"""GDB's remote protocol for big-endian applications on AArch64.

GDB knows one byte order, and such an application's memory wants the big one. QEMU 7.2, whose board is little-endian,
sends registers in its own order whatever the processor does. So the registers are turned round on their way.
"""

from __future__ import annotations

from hermit_harness.vm.packets import Pipe, packet

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


class Turn(Pipe):
    """Turns the registers in requests and answers."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = b""

    def request(self, piece: bytes) -> bytes:
        return packet(self._request(piece[1:-3])) if piece.startswith(b"$") else piece

    def answer(self, piece: bytes) -> bytes:
        return packet(self._answer(piece[1:-3])) if piece.startswith(b"$") else piece

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
