# SPDX-License-Identifier: Apache-2.0 OR MIT
"""QEMU's monitor and the relay of its GDB stub: a selector's report that is out of date blocks neither."""

from __future__ import annotations

import socket

from hermit_harness.vm import gdb_relay
from hermit_harness.vm.qmp import Qmp


def test_report_that_is_out_of_date() -> None:
    """A command may have read what a selector reported before. What remains to be read is nothing, not the end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        qmp = Qmp(ours)
        qmp.receive()
        assert not qmp.closed and not qmp.events
        assert gdb_relay._received(ours) is None
        theirs.sendall(b'{"event": "STOP"}\n')
        qmp.receive()
        assert [event["event"] for event in qmp.events] == ["STOP"]
        theirs.close()
        assert gdb_relay._received(ours) == b""
        qmp.receive()
        assert qmp.closed
