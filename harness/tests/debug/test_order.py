# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Registers of big-endian applications are byte-swapped, however the stream is split."""

from __future__ import annotations

import pytest

from hermit_harness.vm import gdb_rsp
from hermit_harness.vm.gdb_rsp import RegisterByteSwap


def packet(body: str) -> bytes:
    return gdb_rsp.encode_packet(body.encode())


X0, X1 = "0102030405060708", "1112131415161718"
EXCHANGES = [
    ("g", X0 + X1, "0807060504030201" + "1817161514131211"),
    ("p21", "01020304", "04030201"),
    ("p5", "xxxxxxxxxxxxxxxx", "xxxxxxxxxxxxxxxx"),  # an unavailable register
    ("g", "E14", "E14"),
    ("m1000,8", X0, X0),
    ("?", "T05thread:p01.01;", "T05thread:p01.01;"),
]


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize(("asked", "said", "wanted"), EXCHANGES, ids=[f"{a}-{s[:4]}" for a, s, _ in EXCHANGES])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_answers(asked: str, said: str, wanted: str, size: int) -> None:
    """Only registers change, and the checksum with them."""
    turn, answer = RegisterByteSwap(), b"+" + packet(said)
    assert turn.to_stub(b"+" + packet(asked) + b"\x03") == b"+" + packet(asked) + b"\x03"
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]
    assert b"".join(map(turn.to_client, pieces)) == b"+" + packet(wanted)
    assert turn.to_client(packet(X0)) == packet(X0)  # an answer without a request


def test_requests() -> None:
    turn = RegisterByteSwap()
    assert turn.to_stub(packet(f"P0={X0}")) == packet("P0=0807060504030201")
    assert turn.to_stub(packet(f"G{X0}{X1}")) == packet("G0807060504030201" + "1817161514131211")
    assert turn.to_stub(packet(f"M1000,8:{X0}")) == packet(f"M1000,8:{X0}")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_ctrl_c_waits_for_the_guest(size: int) -> None:
    """Ctrl-C is sent with the next request that resumes the guest; inside a packet it is data."""
    pipe = gdb_rsp.InterruptQueue()

    def sent(data: bytes) -> bytes:
        return b"".join(pipe.to_stub(data[at : at + size]) for at in range(0, len(data), size))

    asked = packet("m1000,8") + packet("X1000,1:\x03")
    assert sent(asked + b"\x03+" + asked) == asked + b"+" + asked
    assert sent(packet("vCont?") + packet("vCont;c:p1.-1")) == packet("vCont?") + packet("vCont;c:p1.-1") + b"\x03"
    assert sent(b"\x03") == b"\x03", "the guest runs"
    assert pipe.to_client(b"+" + packet("T02thread:p01.01;")) == b"+" + packet("T02thread:p01.01;")
    assert sent(b"\x03\x03") == b""
    assert sent(packet("bc")) == packet("bc") + b"\x03", "one stop suffices"
