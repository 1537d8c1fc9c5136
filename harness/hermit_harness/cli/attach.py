# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl attach: GDB in front of a guest that `hermitctl run` runs already."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from hermit_harness import options
from hermit_harness.gdb import load_address, program, running, script, session, symbols
from hermit_harness.gdb.running import RunningGuest
from hermit_harness.gdb.script import DebugPlan
from hermit_harness.paths import GDBCMDS
from hermit_harness.vm import gdb_relay

DESCRIPTION = """\
Stop a guest that `hermitctl run` (or `make run`) runs in another terminal, and
show a GDB prompt in this one. The guest continues when GDB detaches or ends.

  hermitctl attach
  hermitctl attach --batch --command bt

Exit status: that of GDB; 125 if no guest runs."""
FAILED = 125
ANSWER_SECONDS = 4.0  # less than a command to QEMU's monitor may take
OPTIONS = tuple(o for o in options.DEBUG_OPTIONS if o.name in ("COMMAND", "BATCH", "SYMBOLS"))


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "attach",
        help="attach GDB to a running guest",
        description=DESCRIPTION,
    )
    options.add_to(parser, options=OPTIONS)
    parser.add_argument("pid", nargs="?", type=int, metavar="PID", help="PID of `hermitctl run`, if several run")
    parser.set_defaults(function=command)


def select_guest(guests: list[RunningGuest], pid: int | None) -> RunningGuest:
    """The guest that is meant; a terminal is asked where it is not clear. ValueError lists what there is."""
    if not guests:
        raise ValueError("no `hermitctl run` of this user is running; `hermitctl debug APP` starts a guest with GDB")
    listed = "\n".join(f"  {one}" for one in guests)
    if pid is None and len(guests) > 1 and sys.stdin.isatty():
        answer = input(f"{listed}\nWhich one? [{guests[-1].pid}] ").strip()
        pid = int(answer) if answer.isdecimal() else guests[-1].pid
    found = [one for one in guests if pid in (None, one.pid)]
    if len(found) != 1:
        raise ValueError(f"{'say which' if pid is None else f'{pid} is none of them'}:\n{listed}")
    return found[0]


def plan_of(guest: RunningGuest, given: str) -> DebugPlan:
    """What is known of a guest that runs. The loader has gone once the application was reached."""
    app, loader = Path(guest.app), Path(guest.loader)
    facts = symbols.read_elf(app)
    found = symbols.find(app, facts, Path(given) if given else None)
    if found.note:
        print(f"hermitctl: {found.note}", file=sys.stderr)
    loader_symbols = load_address.loader_symbols(loader) if guest.start is None else None
    return DebugPlan(facts.arch, guest.target, guest.machine, app, facts, found, loader_symbols, start=guest.start)


def check_answer(guest: RunningGuest, socket: str) -> None:
    """ValueError with the reason if no debugger can attach to the guest now."""
    try:
        answer = gdb_relay.answer_of(Path(socket), ANSWER_SECONDS)
    except OSError as error:
        raise ValueError(f"{guest}: it has just ended ({error.strerror})") from None
    if answer is False:
        raise ValueError(f"{guest}: a debugger is attached already; quit that one first")
    if answer is None:
        raise ValueError(
            f"{guest}: no answer within {ANSWER_SECONDS:g} s. If Ctrl-Z or SIGSTOP has stopped the run or its QEMU, "
            "continue it with `fg` or `kill -CONT`"
        )


def exec_gdb(argv: list[str], environment: dict[str, str]) -> NoReturn:
    """GDB in the place of this program."""
    sys.stdout.flush()
    os.execvpe(argv[0], argv, {**os.environ, **environment})


def command(arguments: argparse.Namespace) -> int:
    """Choose, and become GDB."""
    guest = select_guest(list(running.running_guests()), arguments.pid)
    plan = plan_of(guest, arguments.symbols)
    gdb = program.first_working(program.find_all(plan.arch), plan.arch)
    remote = running.short_path(Path(guest.gdb_socket))
    check_answer(guest, remote)
    fields = {
        "stop": "here",
        "breaks": [],
        "commands": arguments.command,
        "batch": arguments.batch,
        "kill": False,
        "faults": "",
    }
    environment = script.session_environment(plan, remote, **fields)
    exec_gdb(session.gdb_argv(gdb, GDBCMDS / "session.py", arguments.batch), {**gdb.environment, **environment})
