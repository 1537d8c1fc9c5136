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
from hermit_harness.gdb.running import Running
from hermit_harness.gdb.script import Plan
from hermit_harness.paths import GDBCMDS

DESCRIPTION = """\
Stop a guest that `hermitctl run` (or `make run`) runs in another terminal, and
show GDB's prompt where it stands. It goes on when GDB detaches, quits or dies.

  hermitctl attach
  hermitctl attach --batch --command bt

Exit status: GDB's own; 125: there is nothing to attach to."""
FAILED = 125
OPTIONS = tuple(o for o in options.DEBUG_OPTIONS if o.name in ("COMMAND", "BATCH", "SYMBOLS"))


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "attach",
        help="GDB in front of a guest that runs",
        description=DESCRIPTION,
    )
    options.add_to(parser, options=OPTIONS)
    parser.add_argument("pid", nargs="?", type=int, metavar="PID", help="which `hermitctl run`, where several run")
    parser.set_defaults(function=command)


def which(running: list[Running], pid: int | None) -> Running:
    """The guest that is meant; a terminal is asked where it is not clear. ValueError lists what there is."""
    if not running:
        raise ValueError("no `hermitctl run` of this user is running; `hermitctl debug APP` starts a guest with GDB")
    listed = "\n".join(f"  {one}" for one in running)
    if pid is None and len(running) > 1 and sys.stdin.isatty():
        answer = input(f"{listed}\nWhich one? [{running[-1].pid}] ").strip()
        pid = int(answer) if answer.isdecimal() else running[-1].pid
    found = [one for one in running if pid in (None, one.pid)]
    if len(found) != 1:
        raise ValueError(f"{'say which' if pid is None else f'{pid} is none of them'}:\n{listed}")
    return found[0]


def plan_of(running: Running, given: str) -> Plan:
    """What is known of a guest that runs. The loader has gone once the application was reached."""
    app, loader = Path(running.app), Path(running.loader)
    facts = symbols.read_elf(app)
    found = symbols.find(app, facts, Path(given) if given else None)
    if found.note:
        print(f"hermitctl: {found.note}", file=sys.stderr)
    theirs = load_address.loader_symbols(loader) if running.start is None else None
    return Plan(facts.arch, running.target, running.machine, app, facts, found, theirs, start=running.start)


def become(words: list[str], environment: dict[str, str]) -> NoReturn:
    """GDB in the place of this program."""
    sys.stdout.flush()
    os.execvpe(words[0], words, {**os.environ, **environment})


def command(a: argparse.Namespace) -> int:
    """Choose, and become GDB."""
    try:
        guest = which(list(running.every()), a.pid)
        plan = plan_of(guest, a.symbols)
        gdb = program.first(program.choose(plan.arch), plan.arch)
    except ValueError as error:
        print(f"hermitctl: {error}", file=sys.stderr)
        return FAILED
    remote = running.reachable(running.socket_of(guest.pid))
    more = {"stop": "here", "breaks": [], "commands": a.command, "batch": a.batch, "kill": False}
    environment = script.for_session(plan, remote, **more)
    become(session.gdb_argv(gdb, GDBCMDS / "session.py", a.batch), {**gdb.environment, **environment})
