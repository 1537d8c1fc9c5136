# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl debug: GDB in front of an application, or of the loader, in one boot and one command."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hermit_harness import options
from hermit_harness.cli import run
from hermit_harness.cli.run_network import Online
from hermit_harness.fixtures import Image, images
from hermit_harness.gdb import load_address, program, reverse, script, session, symbols, vscode
from hermit_harness.gdb.running import LONGEST
from hermit_harness.gdb.script import Plan
from hermit_harness.matrix import expand
from hermit_harness.matrix import specs as cells
from hermit_harness.paths import GDBCMDS
from hermit_harness.vm import gdb_relay
from hermit_harness.vm.argv import helper_note, plain_argv, shell_line
from hermit_harness.vm.process import LaunchError, Process
from hermit_harness.vm.qmp import Qmp
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

DESCRIPTION = """\
Boot APP to its first instruction, or to --break, and show GDB's prompt there,
with the symbols of application and loader at the addresses where both are. The
guest's console goes to stdout.

  hermitctl debug hello
  hermitctl debug --break hermit::boot_processor_main hello
  hermitctl debug --break main --command bt --batch hello      for scripts
  hermitctl debug --reverse hello                              from its end, back
  hermitctl debug --port 1234 hello                            for another client

Exit status: GDB's own; an odd number from 65 to 119: the loader refused; 125:
the application was not reached, or something is missing."""
SWITCHES = ("--dry-run", "--print")
NOT_REACHED, WRONG = 3, 4  # of gdbcmds/session.py
FAILED = 125


def add(commands: Any) -> None:
    """Register the command."""
    parser = run.booting(commands, "debug", "boot one application to a GDB prompt", DESCRIPTION)
    options.add_to(parser, options=options.DEBUG_OPTIONS)
    options.add_to(parser)
    parser.add_argument("--print", action="store_true", help="print a .gdbinit that does the same by itself")
    run.add_words(parser)
    parser.set_defaults(function=command)


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """As run.split."""
    return run.split(words, options.OPTIONS + options.DEBUG_OPTIONS, SWITCHES)


def boot_of(a: argparse.Namespace) -> tuple[RunSpec, Image | None]:
    """What is booted: a cell as the tests boot it, or an application as `hermitctl run` does."""
    if not a.cell:
        spec, image, _ = run.make_spec(a)
        return spec, image
    options.check_choices(vars(a))
    cell = expand.find(a.cell)
    spec = cells.spec(cell)
    if not spec.loader.is_file():
        raise ValueError(f"{spec.loader} is not built: `make test CELL={cell.id}` builds it")
    return spec, images(target(cell.target).arch)[cell.image]


def make_plan(a: argparse.Namespace, spec: RunSpec, image: Image | None) -> tuple[RunSpec, Plan]:
    """What is known about a boot, and the boot as it is done; ValueError with a sentence for what cannot be."""
    if spec.app is None:
        raise ValueError(f"{image.id if image else spec.loader} starts without a loader: there is nothing to find")
    app, facts = spec.app, symbols.read_elf(spec.app)
    found = symbols.find(app, facts, Path(a.symbols) if a.symbols else None)
    if found.note:
        print(f"hermitctl: {found.note}", file=sys.stderr)
    if a.get_breaks and not found.functions:
        raise ValueError(f"--break {a.get_breaks[0]}: {found.path} has no symbols by which that could be found")
    loader = load_address.loader_symbols(spec.loader)
    spec, moved = load_address.pinned(spec, target(spec.target).cpu)
    sources = script.sources_of(image) if image and image.kernel else ()
    plan = Plan(facts.arch, spec.target, spec.machine, app, facts, found, loader, moved, sources=sources)
    if loader is None:
        if a.stop_at == "loader":
            raise ValueError(f"{spec.loader} has no symbols: build it by `make loader`")
        print("hermitctl: no symbols of this loader: one boot more, to read its log", file=sys.stderr)
        plan = replace(plan, start=load_address.told_by_a_boot(spec)[0])
    if spec.target == "x86_64-linux":  # what QEMU does not start by itself
        if not cells.LINUX_STARTER.is_file():
            raise ValueError(f"{cells.LINUX_STARTER} is not built, which starts this target: `make fixtures`")
        spec = cells.played(spec, cells.LINUX_STARTER, "good")
    return spec, plan


def plain(spec: RunSpec, port: int) -> str:
    """QEMU's command line for a person: stopped before the first instruction, reachable from this machine alone."""
    return helper_note(spec) + shell_line([*plain_argv(spec), "-S", "-gdb", f"tcp:127.0.0.1:{port}"])


def number(text: str, name: str) -> int:
    """A port; 0 where none is given."""
    if text and not (text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError(f"--{name} wants a number from 1 to 65535, not {text!r}")
    return int(text or 0)


def command(a: argparse.Namespace) -> int:
    """Plan, start, and say how it ended."""
    a.get_breaks = vars(a)["break"]
    try:
        spec, image = boot_of(a)
        port = number(a.port, "port") or gdb_relay.PORT
        with Online(a, spec, image) as online:
            # Nobody looks at the guest's frames here, and who does not read them would stop it.
            unwatched = replace(online.spec, net=replace(online.spec.net, watched=False))
            spec, plan = make_plan(a, unwatched, image)
            if a.dry_run:
                print(plain(spec, port))
                return 0
            if a.print:
                print(script.by_hand(plan, f":{port}", a.get_breaks, plain(spec, port)), end="")
                return 0
            if a.write:
                return write(spec, plan, a, port)
            if a.port:
                return for_others(spec, port, online.plan.within)
            return (backwards if a.reverse else with_gdb)(spec, plan, a, online.plan.within)
    except (ValueError, LaunchError) as error:
        print(f"hermitctl: {error}", file=sys.stderr)
        return FAILED


def backwards(spec: RunSpec, plan: Plan, a: argparse.Namespace, within: Sequence[str]) -> int:
    """Record the run, then a session at the end of its replay."""
    with tempfile.TemporaryDirectory(prefix="hermit-recording-") as folder:
        recording = reverse.record(spec, Path(folder), run.to_stdout)
        if not recording.last:
            raise ValueError("the guest ended QEMU itself, so its end cannot be stopped at: debug it forwards")
        print(
            f"hermitctl: recorded {recording.last} instructions ({recording.how}); GDB stands at the last one: "
            "reverse-stepi, reverse-continue",
            file=sys.stderr,
        )
        a.command = [*(f"hbreak {place}" for place in a.get_breaks), *a.command]
        a.get_breaks, a.stop_at = [], "here"
        plan = replace(plan, start=recording.start)
        return with_gdb(recording.replay, plan, a, within, recording.to_the_end)


def with_gdb(
    spec: RunSpec,
    plan: Plan,
    a: argparse.Namespace,
    within: Sequence[str],
    prepare: Callable[[Process, Qmp], None] | None = None,
) -> int:
    """A session with a GDB of ours. What a replay prints has been seen."""
    gdbs = program.choose(plan.arch)
    usual = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="hermit-", dir=usual if len(usual) + 20 <= LONGEST else "/tmp"))
    environment = script.for_session(
        plan,
        str(folder / "gdb"),
        stop=a.stop_at,
        breaks=a.get_breaks,
        commands=a.command,
        batch=a.batch,
        kill=True,
    )
    started = [
        (session.gdb_argv(gdb, GDBCMDS / "session.py", a.batch), {**gdb.environment, **environment}) for gdb in gdbs
    ]
    ending = session.Session(
        spec,
        gdb_relay.listen_unix(folder / "gdb"),
        folder,
        started,
        (lambda data: None) if prepare else run.to_stdout,
        prepare,
    ).run(within)
    return told(ending)


def for_others(spec: RunSpec, port: int, within: Sequence[str]) -> int:
    """A machine that waits for another client."""
    listener = gdb_relay.listen_tcp(port)
    where = "{}:{}".format(*listener.getsockname())
    print(f"hermitctl: listening for GDB on {where}; the machine is stopped at its first instruction", file=sys.stderr)
    return told(session.Session(spec, listener, None, (), run.to_stdout).run(within))


def write(spec: RunSpec, plan: Plan, a: argparse.Namespace, port: int) -> int:
    """Files for other clients."""
    folder = Path(a.write).resolve()
    words = ["--port", str(port)]
    if a.cell:
        words += ["--cell", a.cell]
    else:
        words += [*options.again(vars(a)), str(plan.app.resolve()), *a.kernel_words]
        words += ["--", *a.app_words] if a.app_words else []
    gdb = shutil.which(program.first(program.choose(plan.arch), plan.arch).words[0]) or "gdb"
    content = vscode.files(plan, port, a.get_breaks, plain(spec, port), gdb, words, folder)
    vscode.write(folder, content)
    for name in content:
        print(folder / name)
    return 0


def told(ending: session.Ending) -> int:
    """Say what the person cannot know from GDB; the exit status."""
    refusal = ending.marks.refusal
    if refusal and refusal.believed:
        said = f"{refusal.number} {refusal.rule}: {refusal.sentence}"
        print(f"hermitctl: the loader refused: {said}", file=sys.stderr)
        return refusal.number
    if not ending.connected:
        raise ValueError("GDB ended before it had connected")
    for line in ending.stderr if ending.gdb == NOT_REACHED else ():
        print(line, file=sys.stderr)
    return FAILED if ending.gdb in (NOT_REACHED, WRONG) else ending.gdb or 0
