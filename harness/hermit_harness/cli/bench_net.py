# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl bench-net: how fast a guest that serves HTTP is there, and how fast it serves."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hermit_harness.matrix.servers import ATTACHMENTS, TAP, Attachment, ServerGuest, prepare_server
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.paths import REPORT
from hermit_harness.vm.process import LaunchError

PORT = 9975
REQUEST = b"GET / HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n"
CLIENTS = 8  # of the 12 that the guest's server lets wait
REPORT_FILE = REPORT / "bench-net.txt"
DESCRIPTION = """\
Measure a guest that serves HTTP, on a tap and on QEMU's user network: the time
from QEMU's start to the first answered request, and the requests per second. Each
request is a separate connection, because the guest's server closes it. Guest and
clients share this machine, in a separate namespace. Compare only figures of one
run.

  hermitctl bench-net
  hermitctl bench-net --runs 10 --seconds 2

Exit status: 0; 125 if something did not start."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("bench-net", help="time a guest that serves HTTP", description=DESCRIPTION)
    parser.add_argument("--runs", type=int, default=5, help="boots per network (default: 5)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of requests in the last boot (default: 5)")
    parser.set_defaults(function=command)


def request_page(server: ServerGuest) -> None:
    """One request; OSError unless the page comes."""
    with server.connect(PORT) as client:
        client.sendall(REQUEST)
        answer = b""
        while more := client.recv(65536):
            answer += more
    if not answer.startswith(b"HTTP/1.1 200 OK\r\n"):
        raise OSError(f"the guest answered {answer[:60]!r}")


def rate(server: ServerGuest, seconds: float, clients: int) -> float:
    """Requests a second, `at_once` clients that ask one after another."""
    start = time.monotonic()

    def client() -> int:
        number = 0
        while time.monotonic() < start + seconds:
            request_page(server)
            number += 1
        return number

    with ThreadPoolExecutor(clients) as pool:
        numbers = [future.result() for future in [pool.submit(client) for _ in range(clients)]]
    return sum(numbers) / (time.monotonic() - start)


def measure(attachment: Attachment, runs: int, seconds: float) -> str:
    """One line of figures."""
    firsts, rates = [], ""
    for number in range(runs):
        with NetworkNamespace() as namespace:
            server = prepare_server(
                namespace,
                attachment,
                "http",
                REPORT / "bench-net" / attachment.id,
                ports=(f"tcp:{PORT}",),
                capture=False,
            )
            with server.guest as guest:
                server.wait_until_listening(PORT)
                request_page(server)
                firsts.append(1000 * (time.monotonic() - guest.started))
                if number == runs - 1:
                    one, many = rate(server, seconds, 1), rate(server, seconds, CLIENTS)
                    rates = f"{one:.0f} requests/s one after another, {many:.0f} with {CLIENTS} clients"
                guest.stop()
    middle = statistics.median(firsts)
    return f"tcg {attachment.id:12} first answer best {min(firsts):.0f} ms, median {middle:.0f} ms of {runs}; {rates}"


def command(arguments: argparse.Namespace) -> int:
    """0 when both could be measured, else 125."""
    lines = []
    try:
        for attachment in (TAP, next(way for way in ATTACHMENTS if way.id == "user-virtio")):
            lines.append(measure(attachment, max(1, arguments.runs), arguments.seconds))
            print(lines[-1], flush=True)
    except (ValueError, LaunchError, AssertionError, OSError) as error:
        print(f"hermitctl: {error}", file=sys.stderr)
        return 125
    REPORT_FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0
