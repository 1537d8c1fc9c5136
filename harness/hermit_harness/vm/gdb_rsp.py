# SPDX-License-Identifier: Apache-2.0 OR MIT
"""GDB's remote protocol ("Debugging with GDB", appendix E) on its way between a debugger and QEMU's stub, packet by
packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator

RESUMES = (b"$c", b"$C", b"$s", b"$S", b"$vCont;", b"$bc", b"$bs")
STOPS = (b"$T", b"$S", b"$W", b"$X")
INTERRUPT = b"\x03"


def packet(body: bytes) -> bytes:
    """The packet with this body."""
    return b"$%s#%02x" % (body, sum(body) % 256)


def _pieces(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Each whole packet, and each byte between packets, with whether it is whole; the rest comes last. A `#` within a
    body is escaped, so the first one ends it."""
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


class Pipe:
    """One connection, both ways; what is not whole yet is kept until it is. A piece is a packet, or a byte between
    packets. This one changes nothing; others override request() and answer()."""

    def __init__(self) -> None:
        self._parts = {"stub": b"", "client": b""}

    def request(self, piece: bytes) -> bytes:
        """What goes to the stub for a piece from the debugger."""
        return piece

    def answer(self, piece: bytes) -> bytes:
        """What goes to the debugger for a piece from the stub."""
        return piece

    def to_stub(self, data: bytes) -> bytes:
        return self._through("stub", data, self.request)

    def to_client(self, data: bytes) -> bytes:
        return self._through("client", data, self.answer)

    def _through(self, way: str, data: bytes, change: Callable[[bytes], bytes]) -> bytes:
        out, whole = b"", True
        for piece, whole in _pieces(self._parts[way] + data):
            self._parts[way] = b"" if whole else piece
            if not whole:
                break
            out += change(piece)
        return out


class Interrupt(Pipe):
    """Ctrl-C is never lost. GDB takes one between its "Continuing." and the guest's start, while it steps over a
    breakpoint say, and sends it to a stub that stands; QEMU's does not hear it then, GDB waits for ever, and a second
    Ctrl-C makes it give up the connection. So it is kept here until the guest runs."""

    def __init__(self) -> None:
        super().__init__()
        self._runs = self._late = False

    def request(self, piece: bytes) -> bytes:
        if piece == INTERRUPT and not self._runs:
            self._late = True
            return b""
        if not piece.startswith(RESUMES):
            return piece
        late, self._runs, self._late = self._late, True, False
        return piece + (INTERRUPT if late else b"")

    def answer(self, piece: bytes) -> bytes:
        self._runs = self._runs and not piece.startswith(STOPS)
        return piece


# --- big-endian applications on AArch64 ---

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
