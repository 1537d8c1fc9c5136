# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl debug: GDB in front of an application, or of the loader, in one boot and one command."""

from __future__ import annotations

import argparse
import fcntl
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hermit_harness import options
from hermit_harness.cli import run
from hermit_harness.cli.run_network import RunNetwork
from hermit_harness.cli.terminal import to_stdout
from hermit_harness.fixtures import FixtureImage, images
from hermit_harness.gdb import load_address, program, reverse, script, session, symbols, vscode
from hermit_harness.gdb.running import MAX_SOCKET_PATH
from hermit_harness.gdb.script import DebugPlan
from hermit_harness.matrix import expand
from hermit_harness.matrix import specs as cells
from hermit_harness.paths import GDBCMDS
from hermit_harness.vm import gdb_relay
from hermit_harness.vm.argv import shell_line, standalone_argv, virtiofsd_note
from hermit_harness.vm.gdb_relay import Endpoint
from hermit_harness.vm.process import Process
from hermit_harness.vm.qmp import Qmp
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

DESCRIPTION = """\
Boot APP, stop at its first instruction or at --break, and show a GDB prompt. GDB
has the symbols of application and loader, at the addresses where both run. The
guest's console is on stdout.

  hermitctl debug hello
  hermitctl debug --break boot_processor_main hello
  hermitctl debug --break main --command bt --batch hello      for scripts
  hermitctl debug --reverse hello                              back from its end
  hermitctl debug --port 1234 hello                            for another client

Exit status: GDB's own; an odd number from 65 to 119: the loader refused; 125:
the application was not reached, or something is missing."""
SWITCHES = ("--dry-run", "--print")
GDB_NOT_REACHED, GDB_WRONG_LOCATION = 3, 4  # of gdbcmds/session.py
FAILED = 125


def add(commands: Any) -> None:
    """Register the command."""
    parser = run.boot_parser(commands, "debug", "boot one application to a GDB prompt", DESCRIPTION)
    options.add_to(parser, options=options.DEBUG_OPTIONS)
    options.add_to(parser)
    parser.add_argument("--print", action="store_true", help="print a .gdbinit for the same session")
    run.add_positionals(parser)
    parser.set_defaults(function=command)


RESULTS = ("junit", "per-test")  # options of `run` for the results of tests


def split_words(words: list[str]) -> tuple[list[str], list[str]]:
    """As run.split."""
    return run.split_words(words, options.OPTIONS + options.DEBUG_OPTIONS, SWITCHES)


def spec_of(arguments: argparse.Namespace) -> tuple[RunSpec, FixtureImage | None]:
    """What is booted: a cell as the tests boot it, or an application as `hermitctl run` does."""
    if not arguments.cell:
        spec, image, _ = run.make_spec(arguments)
        return spec, image
    options.check_choices(vars(arguments))
    cell = expand.find(arguments.cell)
    spec = cells.spec(cell)
    if not spec.loader.is_file():
        raise ValueError(f"{spec.loader} is not built: `make test CELL={cell.id}` builds it")
    return spec, images(target(cell.target).arch)[cell.image]


def make_plan(arguments: argparse.Namespace, spec: RunSpec, image: FixtureImage | None) -> tuple[RunSpec, DebugPlan]:
    """What is known about a boot, and the boot as it is done; ValueError with a sentence for what cannot be."""
    if spec.app is None:
        raise ValueError(f"{image.id if image else spec.loader} starts without a loader: there is nothing to find")
    app, facts = spec.app, symbols.read_elf(spec.app)
    found = symbols.find(app, facts, Path(arguments.symbols) if arguments.symbols else None)
    if found.note:
        print(f"hermitctl: {found.note}", file=sys.stderr)
    if arguments.get_breaks and not found.has_functions:
        raise ValueError(f"--break {arguments.get_breaks[0]}: {found.path} has no symbols by which that could be found")
    loader = load_address.loader_symbols(spec.loader)
    spec, loader_offset = load_address.with_known_base(spec, target(spec.target).cpu)
    sources = script.source_commands(image) if image and image.kernel else ()
    plan = DebugPlan(facts.arch, spec.target, spec.machine, app, facts, found, loader, loader_offset, sources=sources)
    if loader is None:
        if arguments.stop_at == "loader":
            raise ValueError(f"{spec.loader} has no symbols: build it by `make loader`")
        print("hermitctl: no symbols of this loader: one boot more, to read its log", file=sys.stderr)
        plan = replace(plan, start=load_address.range_from_boot(spec)[0])
    if spec.target == "x86_64-linux":  # QEMU has no loader for this protocol
        if not cells.LINUX_SIMULATOR.is_file():
            raise ValueError(f"{cells.LINUX_SIMULATOR} is not built, which starts this target: `make fixtures`")
        spec = cells.with_simulator(spec, cells.LINUX_SIMULATOR, "good")
    return spec, plan


def qemu_command_line(spec: RunSpec, endpoint: Endpoint) -> str:
    """QEMU's command line for a person: stopped before the first instruction, reachable from this machine alone."""
    return virtiofsd_note(spec) + shell_line([*standalone_argv(spec), "-S", "-gdb", endpoint.qemu_device])


def endpoint_of(text: str) -> Endpoint:
    """Where --port says that a client connects."""
    if text.startswith("unix:"):
        return Endpoint(path=Path(text.removeprefix("unix:")).absolute())
    return Endpoint(port=options.port_number(text, "port") or gdb_relay.DEFAULT_PORT)


def command(arguments: argparse.Namespace) -> int:
    """Plan, start, and say how it ended."""
    arguments.get_breaks = vars(arguments)["break"]
    arguments.port = arguments.port or arguments.gdb_port
    endpoint = endpoint_of(arguments.port)
    for flag in RESULTS:
        if vars(arguments)[flag.replace("-", "_")]:
            print(f"hermitctl: --{flag} has no effect here: only `hermitctl run` writes results", file=sys.stderr)
    spec, image = spec_of(arguments)
    with RunNetwork(arguments, spec, image) as network:
        # No monitor reads copies of the guest's frames here, and unread copies would block the guest.
        unwatched = replace(network.spec, net=replace(network.spec.net, watched=False))
        spec, plan = make_plan(arguments, unwatched, image)
        if arguments.dry_run:
            print(qemu_command_line(spec, endpoint))
            return 0
        if arguments.print:
            qemu = qemu_command_line(spec, endpoint)
            print(script.standalone_script(plan, endpoint, arguments.get_breaks, qemu), end="")
            return 0
        if arguments.write:
            return write_files(spec, plan, arguments, endpoint)
        debug = partial(wait_for_client, endpoint=endpoint) if arguments.port else debug_with_gdb
        if arguments.reverse:
            return debug_recording(spec, plan, arguments, network.network.namespace_command, debug)
        return debug(spec, plan, arguments, network.network.namespace_command)


def debug_recording(
    spec: RunSpec,
    plan: DebugPlan,
    arguments: argparse.Namespace,
    namespace_command: Sequence[str],
    debug: Callable[..., int],
) -> int:
    """Record the run, then a session at the end of its replay."""
    with tempfile.TemporaryDirectory(prefix="hermit-recording-") as directory:
        recording = reverse.record(spec, Path(directory), to_stdout)
        if not recording.last_instruction:
            raise ValueError("the guest ended QEMU itself, so its end cannot be stopped at: debug it forwards")
        print(
            f"hermitctl: recorded {recording.last_instruction} instructions ({recording.ending}); "
            "GDB stopped at the last one: reverse-stepi, reverse-continue",
            file=sys.stderr,
        )
        arguments.stop_at = "here"
        plan = replace(plan, start=recording.start)
        return debug(recording.replay, plan, arguments, namespace_command, recording.replay_to_end)


def debug_with_gdb(
    spec: RunSpec,
    plan: DebugPlan,
    arguments: argparse.Namespace,
    namespace_command: Sequence[str],
    prepare: Callable[[Process, Qmp], None] | None = None,
) -> int:
    """A session with a GDB of ours. What a replay prints has been seen."""
    gdbs = program.find_all(plan.arch)
    temp_directory = tempfile.gettempdir()
    is_usable = (
        len(temp_directory) + 20 <= MAX_SOCKET_PATH and temp_directory.isprintable() and ":" not in temp_directory
    )
    directory = Path(tempfile.mkdtemp(prefix="hermit-", dir=temp_directory if is_usable else "/tmp"))
    environment = script.session_environment(
        plan,
        str(directory / "gdb"),
        stop=arguments.stop_at,
        breaks=arguments.get_breaks,
        commands=arguments.command,
        batch=arguments.batch,
        kill=True,
        # A recording is at its end, where the fault is in the past.
        faults="" if prepare else "few" if spec.accel == "kvm" else "all",
    )
    commands = [
        (session.gdb_argv(gdb, GDBCMDS / "session.py", arguments.batch), {**gdb.environment, **environment})
        for gdb in gdbs
    ]
    end = session.DebugSession(
        spec,
        gdb_relay.listen_unix(directory / "gdb"),
        directory,
        commands,
        (lambda data: None) if prepare else to_stdout,
        prepare,
    ).run(namespace_command)
    return report_end(end)


def wait_for_client(
    spec: RunSpec,
    plan: DebugPlan,
    arguments: argparse.Namespace,
    namespace_command: Sequence[str],
    prepare: Callable[[Process, Qmp], None] | None = None,
    *,
    endpoint: Endpoint,
) -> int:
    """A machine that waits for another client."""
    with client_files(spec, plan, endpoint) if endpoint.path else nullcontext():
        listener = endpoint.listen()
        where = endpoint.path or "{}:{}".format(*listener.getsockname())

        def is_ready(process: Process, qmp: Qmp) -> None:
            if prepare:
                prepare(process, qmp)
            place = "last" if prepare else "first"
            print(
                f"hermitctl: listening for GDB on {where}; the machine is stopped at its {place} instruction",
                file=sys.stderr,
            )

        console = (lambda data: None) if prepare else to_stdout
        return report_end(session.DebugSession(spec, listener, None, (), console, is_ready).run(namespace_command))


@contextmanager
def client_files(spec: RunSpec, plan: DebugPlan, endpoint: Endpoint) -> Iterator[None]:
    """Beside a socket, the commands by which its clients load the symbols. All are removed at the end.

    A lock shows that the owner lives. ValueError if another session has this socket.
    """
    assert endpoint.path is not None
    if plan.start is None and plan.lowest_address is not None:
        plan = replace(plan, start=load_address.range_from_boot(spec)[0])
    names = [Path(f"{endpoint.path}{suffix}") for suffix in (vscode.GDB_SUFFIX, vscode.LLDB_SUFFIX)]
    try:
        with ExitStack() as stack:
            for name, commands in zip(names, (script.symbol_commands(plan), script.lldb_commands(plan)), strict=True):
                file = stack.enter_context(name.open("a", encoding="utf-8", errors="surrogateescape"))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                stack.callback(name.unlink, missing_ok=True)
                file.truncate(0)
                file.write("\n".join((*commands, "")))
                file.flush()
            endpoint.path.unlink(missing_ok=True)  # of a session that was killed
            stack.callback(endpoint.path.unlink, missing_ok=True)
            yield
    except BlockingIOError:
        raise ValueError(f"--port {endpoint.word}: another session listens there") from None
    except FileNotFoundError as error:
        raise ValueError(f"--port {endpoint.word}: there is no directory {Path(error.filename).parent}") from None


def write_files(spec: RunSpec, plan: DebugPlan, arguments: argparse.Namespace, endpoint: Endpoint) -> int:
    """Files for other clients. The editor's ones use a socket, so that it attaches to no other guest."""
    directory = Path(arguments.write).resolve()
    socket = endpoint if endpoint.path else vscode.socket_endpoint(directory, plan.app)
    words = ["--reverse"] if arguments.reverse else []
    words += ["--symbols", str(Path(arguments.symbols).resolve())] if arguments.symbols else []
    if arguments.cell:
        words += ["--cell", arguments.cell]
    else:
        words += [*options.to_words(vars(arguments)), str(plan.app.resolve()), *arguments.kernel_words]
        words += ["--", *arguments.app_words] if arguments.app_words else []
    gdb = shutil.which(program.first_working(program.find_all(plan.arch), plan.arch).words[0]) or "gdb"
    breaks = arguments.get_breaks
    editor = vscode.Editor(
        plan.app, plan.symbols.path, socket, breaks, gdb, words, arguments.reverse, spec.accel == "kvm"
    )
    by_hand = endpoint if arguments.port else socket
    gdbinit = script.standalone_script(plan, by_hand, breaks, qemu_command_line(spec, by_hand))
    for path, is_written in vscode.write(directory, vscode.files(editor, gdbinit)).items():
        print(path if is_written else f"hermitctl: {path} is not hermitctl's: it stays as it is", flush=True)
    return 0


def report_end(end: session.SessionEnd) -> int:
    """Say what the person cannot know from GDB; the exit status."""
    refusal = end.boot_log.refusal
    if refusal and refusal.believed:
        refusal_text = f"{refusal.number} {refusal.rule}: {refusal.sentence}"
        print(f"hermitctl: the loader refused: {refusal_text}", file=sys.stderr)
        return refusal.number
    if not end.gdb_connected:
        raise ValueError("GDB ended before it had connected")
    for line in end.stderr if end.gdb_status == GDB_NOT_REACHED else ():
        print(line, file=sys.stderr)
    return FAILED if end.gdb_status in (GDB_NOT_REACHED, GDB_WRONG_LOCATION) else end.gdb_status or 0
