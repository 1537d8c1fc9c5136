# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl ps and stop: the guests of this user that `hermitctl run` runs."""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from hermit_harness.gdb.running import RunningGuest, running_guests

END_SECONDS = 20
PS = """\
List this user's guests of `hermitctl run` and `make run`, one per line.

  hermitctl ps
  hermitctl ps --json

Exit status: 0."""
STOP = """\
End guests: `hermitctl run` receives SIGTERM and ends with status 143.

  hermitctl stop PID
  hermitctl stop --all

Exit status: 0; 125 if there is no such guest."""


def add(commands: Any) -> None:
    """Register the commands."""
    parser = commands.add_parser("ps", help="list the running guests", description=PS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=ps_command)
    parser = commands.add_parser("stop", help="end running guests", description=STOP)
    parser.add_argument("pid", nargs="*", type=int, metavar="PID", help="PID of `hermitctl run`")
    parser.add_argument("--all", action="store_true", help="end every guest of this user")
    parser.set_defaults(function=stop_command)


def ps_command(arguments: argparse.Namespace) -> int:
    """Print the guests."""
    guests = list(running_guests())
    if arguments.json:
        print(json.dumps([asdict(guest) for guest in guests], indent=2))
    elif guests:
        print("\n".join(map(str, guests)))
    return 0


def selected(guests: list[RunningGuest], pids: list[int], everything: bool) -> list[RunningGuest]:
    """Return the guests to end. ValueError if none is named, or one does not run."""
    if everything:
        return guests
    if not pids:
        raise ValueError("name the guest by the PID that `hermitctl ps` shows, or --all")
    known = {guest.pid: guest for guest in guests}
    if missing := [pid for pid in pids if pid not in known]:
        raise ValueError(f"{missing[0]} is no guest that runs; `hermitctl ps` shows those")
    return [known[pid] for pid in dict.fromkeys(pids)]


def stop_command(arguments: argparse.Namespace) -> int:
    """End guests and wait for their ends."""
    for guest in selected(list(running_guests()), arguments.pid, arguments.all):
        _end(guest.pid)
    return 0


def _end(pid: int) -> None:
    """Send SIGTERM, and wait until the process has ended."""
    with suppress(ProcessLookupError):
        pidfd = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGTERM)
            if not select.select([pidfd], [], [], END_SECONDS)[0]:
                raise ValueError(f"{pid} has not ended in {END_SECONDS} s; `kill -KILL {pid}` ends it")
        finally:
            os.close(pidfd)
