# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Filter packets of the GDB remote protocol ("Debugging with GDB", appendix E) between a debugger and QEMU's stub."""

from __future__ import annotations

from collections.abc import Callable, Iterator

RESUME_PACKETS = (b"$c", b"$C", b"$s", b"$S", b"$vCont;", b"$bc", b"$bs")
STOP_PACKETS = (b"$T", b"$S", b"$W", b"$X")
INTERRUPT = b"\x03"


def encode_packet(body: bytes) -> bytes:
    """Return the packet with this body."""
    return b"$%s#%02x" % (body, sum(body) % 256)


def _split_stream(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield each packet and each byte between packets, with whether it is complete; an incomplete rest comes last.

    A `#` in a body is escaped, so the first `#` ends the body.
    """
    position = 0
    while position < len(data):
        if data[position : position + 1] != b"$":
            yield data[position : position + 1], True
            position += 1
            continue
        end = data.find(b"#", position)
        if end < 0 or end + 3 > len(data):
            yield data[position:], False
            return
        yield data[position : end + 3], True
        position = end + 3


class PacketFilter:
    """Filters both directions of one connection and buffers incomplete packets.

    A piece is a packet or a byte between packets. Subclasses override request() and answer().
    """

    def __init__(self) -> None:
        self._incomplete = {"stub": b"", "client": b""}

    def request(self, piece: bytes) -> bytes:
        """Return what the stub receives for a piece from the debugger."""
        return piece

    def answer(self, piece: bytes) -> bytes:
        """Return what the debugger receives for a piece from the stub."""
        return piece

    def to_stub(self, data: bytes) -> bytes:
        return self._filtered("stub", data, self.request)

    def to_client(self, data: bytes) -> bytes:
        return self._filtered("client", data, self.answer)

    def _filtered(self, direction: str, data: bytes, transform: Callable[[bytes], bytes]) -> bytes:
        output, complete = b"", True
        for piece, complete in _split_stream(self._incomplete[direction] + data):
            self._incomplete[direction] = b"" if complete else piece
            if not complete:
                break
            output += transform(piece)
        return output


class InterruptQueue(PacketFilter):
    """Delays an interrupt until the guest runs.

    GDB may send an interrupt between "Continuing." and the guest's start, for example while it steps over a breakpoint.
    QEMU's stub ignores an interrupt while the machine is paused. GDB would then wait for ever, and give up the
    connection after a second Ctrl-C.
    """

    def __init__(self) -> None:
        super().__init__()
        self._running = self._interrupt_pending = False

    def request(self, piece: bytes) -> bytes:
        if piece == INTERRUPT and not self._running:
            self._interrupt_pending = True
            return b""
        if not piece.startswith(RESUME_PACKETS):
            return piece
        pending, self._running, self._interrupt_pending = self._interrupt_pending, True, False
        return piece + (INTERRUPT if pending else b"")

    def answer(self, piece: bytes) -> bytes:
        self._running = self._running and not piece.startswith(STOP_PACKETS)
        return piece


# --- big-endian applications on AArch64 ---

# Bytes of each register in the packets `g` and `G`: x0 to x30, sp, pc, cpsr; v0 to v31, fpsr, fpcr.
AARCH64_REGISTER_SIZES = (*[8] * 33, 4, *[16] * 32, 4, 4)


def _byte_swapped(value: bytes) -> bytes:
    """Reverse the byte order of one register in hexadecimal digits."""
    return bytes.fromhex(value.decode())[::-1].hex().encode() if len(value) % 2 == 0 and b"x" not in value else value


def _all_byte_swapped(values: bytes) -> bytes:
    swapped, offset = [], 0
    for size in AARCH64_REGISTER_SIZES:
        swapped.append(_byte_swapped(values[offset : offset + 2 * size]))
        offset += 2 * size
    return b"".join(swapped) + values[offset:]


class RegisterByteSwap(PacketFilter):
    """Reverses the byte order of registers in requests and answers."""

    def __init__(self) -> None:
        super().__init__()
        self._last_command = b""

    def request(self, piece: bytes) -> bytes:
        return encode_packet(self._swap_request(piece[1:-3])) if piece.startswith(b"$") else piece

    def answer(self, piece: bytes) -> bytes:
        return encode_packet(self._swap_reply(piece[1:-3])) if piece.startswith(b"$") else piece

    def _swap_request(self, body: bytes) -> bytes:
        self._last_command = body[:1]
        if self._last_command == b"G":
            return b"G" + _all_byte_swapped(body[1:])
        if self._last_command == b"P":
            number, _, value = body.partition(b"=")
            return number + b"=" + _byte_swapped(value)
        return body

    def _swap_reply(self, body: bytes) -> bytes:
        command, self._last_command = self._last_command, b""
        if command not in (b"g", b"p") or body[:1] == b"E" or body == b"":
            return body
        return _all_byte_swapped(body) if command == b"g" else _byte_swapped(body)
