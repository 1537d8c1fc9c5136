# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl demo: a unikernel that echoes typed lines. It needs neither privileges nor set-up."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any, BinaryIO

from hermit_harness.cli.app import find_app
from hermit_harness.matrix.servers import USER, ServerGuest, prepare_server
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.paths import REPORT
from hermit_harness.vm.process import LaunchError

ECHO = "real-echo-0.11.0-rtl8139"
PORT = 8080
DESCRIPTION = """\
Boot a unikernel that echoes what you type over its network. It needs neither
privileges nor set-up.

  hermitctl demo
  echo hello | hermitctl demo

Exit status: 0; 125 if it did not start."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "demo", help="talk to an application that sends back what you type", description=DESCRIPTION
    )
    parser.set_defaults(function=command)


def show(text: str) -> None:
    """A line for the audience."""
    print(text, file=sys.stderr, flush=True)


def command(arguments: argparse.Namespace) -> int:
    """Return 0 on success."""
    try:
        find_app(ECHO)
        with NetworkNamespace() as namespace:
            server = prepare_server(namespace, USER, "echo", Path(REPORT) / "demo", ports=(f"tcp:{PORT}",))
            with server.guest as guest:
                server.wait_until_listening(PORT)
                address = server.monitor.address
                show(f"A unikernel listens at {address}, port {PORT}. Type a line and get it back; end with Ctrl-D.")
                lines = _talk(server, sys.stdin.buffer, sys.stdout.buffer)
                guest.stop()
            show(f"{lines} lines; what went over the wire: tcpdump -n -r {shlex.quote(str(server.capture))}")
    except (ValueError, LaunchError, AssertionError, OSError) as error:
        show(f"hermitctl: {error}")
        return 125
    return 0


def _talk(server: ServerGuest, source: BinaryIO, sink: BinaryIO) -> int:
    """Send each line and show what comes back; how many."""
    lines = 0
    with server.connect(PORT) as client:
        for line in source:
            client.sendall(line)
            echoed = b""
            while len(echoed) < len(line):
                more = client.recv(65536)
                if not more:
                    raise OSError("the guest closed the connection")
                echoed += more
            sink.write(echoed)
            sink.flush()
            lines += 1
    return lines
