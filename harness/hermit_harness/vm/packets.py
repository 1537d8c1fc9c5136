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
