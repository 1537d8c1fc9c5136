# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl run: boot one application, its console on stdout, everything of ours on stderr."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from hermit_harness import elf, options
from hermit_harness.boot import GUEST_FAILURES, boot
from hermit_harness.cli import accelerator, config, plot, uhyve, vmm
from hermit_harness.cli.accelerator import AUTO
from hermit_harness.cli.app import find_app
from hermit_harness.cli.command_line import command_line
from hermit_harness.cli.evidence import run_directory
from hermit_harness.cli.files import program, readable, writable
from hermit_harness.cli.loader import find_loader, named_target
from hermit_harness.cli.packed import read_packed
from hermit_harness.cli.run_network import RunNetwork
from hermit_harness.cli.summary import as_json, exit_status, properties, summary
from hermit_harness.cli.terminal import ConsoleView
from hermit_harness.ends import end, row_of_kernel
from hermit_harness.fixtures import FixtureImage
from hermit_harness.gdb.running import AttachPoint, DebuggerAccess, RunningGuest, own_socket_path
from hermit_harness.matrix.table import matrix
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import shell_line, standalone_argv, virtiofsd_note
from hermit_harness.vm.gdb_relay import DEFAULT_PORT, listen_tcp
from hermit_harness.vm.host import kvm_problem
from hermit_harness.vm.machines import machine
from hermit_harness.vm.memory import MIB, at_least, memory_bytes, shortage, size_text
from hermit_harness.vm.shared_directory import DEFAULT_TAG, SharedDirectory, parse_shared_directory
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import DEFAULT_TARGETS, cpu_of_arch, target
from hermit_harness.watch.idle import IdleWatcher, InterruptWatcher

FOREVER = 365 * 86400.0
REPORT = "--report"
DESCRIPTION = """\
Boot APP with its console on stdout. Messages of hermitctl go to stderr; stdin
goes to the guest.

  hermitctl run target/x86_64-unknown-hermit/debug/hello   a file
  hermitctl run hello                      what cargo has built here
  hermitctl run hello env=KEY=value -- one two     KERNEL_ARGS -- APP_ARGS
  hermitctl run --machine q35 --mem 64M --dry-run hello    QEMU's command line
  hermitctl run --forward 8080:8080 server                 with a network
  hermitctl run real-hello-0.11.0          a test image: `hermitctl list`

Exit status: the application's own, 0 to 255; 1 panic or crash; 124 --timeout, or
the guest halted forever; 125 QEMU or the harness failed, or the command line was
wrong; 130 Ctrl-C; an odd number from 65 to 119: the loader refused. The last line
on stderr says whose it is, and --json says it in `origin`."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = boot_parser(commands, "run", "boot one application", DESCRIPTION)
    options.add_to(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object on stdout, console included, instead of the console"
    )
    parser.add_argument(
        REPORT,
        nargs="?",
        metavar="FILE",
        help="write a page about the run, for a browser: index.html in the artifacts directory, or the file of"
        f" {REPORT}=FILE",
    )
    parser.add_argument("-v", dest="verbose", action="store_true", default=argparse.SUPPRESS, help="--verbose")
    add_positionals(parser)
    parser.set_defaults(function=command)


def boot_parser(commands: Any, name: str, summary: str, description: str) -> argparse.ArgumentParser:
    """The parser of a command that boots an application, for its options and add_words()."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=description,
        allow_abbrev=False,
        usage=f"hermitctl {name} [OPTIONS] [APP] [KERNEL_ARGS] [-- APP_ARGS]",
    )
    # Guest ports that are forwarded but not probed, and the command whose variables count.
    parser.set_defaults(silent=(), reads=name, of_cargo=False, log_last=False, least_memory=0, isle_problem="")
    return parser


def add_positionals(parser: argparse.ArgumentParser) -> None:
    """Add the positional arguments of such a command."""
    parser.add_argument("--dry-run", action="store_true", help="print the QEMU command line and do nothing")
    parser.add_argument(
        "app",
        nargs="?",
        metavar="APP",
        help=f"a file, the name or directory of a cargo build, or a test image (default: {options.DEFAULT_APP}) [APP=]",
    )
    parser.add_argument(
        "kernel_words",
        nargs=argparse.REMAINDER,
        metavar="KERNEL_ARGS",
        help="arguments for the kernel; after --: for the application",
    )


def split_words(
    words: list[str],
    rows: tuple[options.Option, ...] = options.OPTIONS,
    switches: tuple[str, ...] = ("--json", "--dry-run", "-v", REPORT),
) -> tuple[list[str], list[str]]:
    """Split the command line at the first `--`: hermitctl's options and kernel arguments, then the application's.

    Options may also follow APP, because kernel arguments have one dash and options two. If only options precede the
    `--`, APP is the first word after it: cargo starts its runner like this.
    """
    cut = words.index("--") if "--" in words else len(words)
    head, tail = uhyve.translated(words[1:cut], rows), words[cut + 1 :]
    with_value = {f"--{o.flag}" for o in rows if o.kind != "yes"}
    known = with_value | {f"--{o.flag}" for o in rows} | {*switches, "--help", "-h"}
    our_words: list[str] = []
    kernel_words: list[str] = []
    while head:
        word = head.pop(0)
        if word.partition("=")[0] not in known:
            kernel_words.append(word)
            continue
        our_words.append(f"{word}=" if word == REPORT else word)  # what follows is not its value
        if word in with_value and head:
            our_words.append(head.pop(0))
    return [words[0], *our_words, *kernel_words], tail


def end_row(facts: elf.ElfFacts | None, image: FixtureImage | None) -> str:
    """The row of ends.toml for a file: its fixture's, else by the kernel's version and entry version in its notes."""
    if image:
        return image.end
    if not facts:
        return row_of_kernel("", None, 4)
    return row_of_kernel(cpu_of_arch(facts.arch), facts.kernel, facts.entry_version)


def _number(text: str, name: str, minimum: int) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"--{name} wants a number, not {text!r}") from None
    if not minimum <= number < FOREVER:
        raise ValueError(f"--{name} {text}: {minimum} is the least")
    return number


def shared_directory_of(arguments: argparse.Namespace, image: FixtureImage | None) -> SharedDirectory | None:
    """The directory that is asked for; an empty one for an application that is known to want one."""
    if not arguments.share and image and "files" in image.needs:
        print(
            f"hermitctl: /{DEFAULT_TAG} is an empty directory, gone after the run; --share DIR shows another",
            file=sys.stderr,
        )
        arguments.share = f":{DEFAULT_TAG}"
    program(arguments.virtiofsd, "virtiofsd")
    return parse_shared_directory(arguments.share, arguments.virtiofsd) if arguments.share else None


def find_words(arguments: argparse.Namespace) -> None:
    """Set `app`, and whether cargo has called: then the application is the first word after `--`."""
    app = arguments.app or os.environ.get("HERMIT_APP")
    if not app and arguments.app_words:
        app, *arguments.app_words = arguments.app_words
        arguments.of_cargo = "CARGO_MANIFEST_DIR" in os.environ
    arguments.app = app or options.DEFAULT_APP


def make_spec(arguments: argparse.Namespace) -> tuple[RunSpec, FixtureImage | None, elf.ElfFacts | None]:
    """From the parsed options to a RunSpec; ValueError with a sentence for what cannot be."""
    options.check_choices(vars(arguments))
    target_name = named_target(arguments)
    find_words(arguments)
    path, image = find_app(arguments.app, target(target_name).arch if target_name else "")
    facts = elf.read(path)
    arch = (facts.arch if facts else "") or (image.arch if image else "") or "x86_64"
    target_row = target(target_name or DEFAULT_TARGETS[arch])
    machine_row = machine(arguments.machine or target_row.machine, target_row.cpu)
    is_liar = image is not None and image.kind == "liar"
    timeout = _number(arguments.timeout, "timeout", 0) or FOREVER
    cpus = int(_number(arguments.smp, "smp", 1))
    packed = read_packed(path, arguments, cpus)
    row = arguments.end or end_row(facts, image)
    end(row)
    writable(arguments.capture, "capture")
    writable(arguments.plot, "plot")
    if arguments.artifacts.startswith("~"):
        raise ValueError(f"--artifacts {arguments.artifacts}: the shell has not expanded ~, so write the whole path")
    spec = RunSpec(
        loader=path if is_liar else find_loader(arguments.loader or target_row.name, arguments.profile, target_row),
        app=None if is_liar else path,
        machine=machine_row.name,
        accel=arguments.accel if arguments.accel not in ("", AUTO) else "tcg",
        cpu=arguments.cpu,
        smp=packed.cpus if packed and not arguments.settings["smp"].origin else cpus,
        memory=size_text(arguments.mem, "--mem")
        if arguments.mem
        else at_least(machine_row.memory, arguments.least_memory),
        append=command_line(arguments, image, packed),
        debug_exit=not arguments.no_debug_exit and "debug-exit" in machine_row.provides,
        extra=tuple(arguments.qemu_arg),
        stdin=None,
        end=row,
        cpu_seconds=timeout,
        wall_seconds=timeout,
        isolate=arguments.isolate,
        qemu=program(arguments.qemu, "qemu"),
        modules=tuple(readable(m, "module") for m in arguments.module),
        # A person who runs what is meant to fail wants to see why it did.
        expect=image.expect if image and image.expect not in GUEST_FAILURES else "exit 0",
        target=target_row.name,
        way=arguments.way,
        allow_unknown=arguments.allow_unknown,
        share=shared_directory_of(arguments, image),
        continues_on_fault=arguments.on_fault == "continue",
    )
    if arguments.mem and (problem := shortage(spec)):  # the default depends on the network
        raise ValueError(problem)
    warn_below_minimum(spec, image)
    return spec, image, facts


def warn_below_minimum(spec: RunSpec, image: FixtureImage | None) -> None:
    """Print a line if an image of the checkout is known to need more memory."""
    known = matrix().min_memory.get(spec.target, {}).get(image.id if image else "")
    if known and memory_bytes(spec.memory) < known.boots_with * MIB:
        least = f"{known.boots_with}M is the least with which {spec.target} is known to boot it"
        print(
            f"hermitctl: --mem {spec.memory} may be too little for {image.id if image else ''}: {least}",
            file=sys.stderr,
        )


@contextlib.contextmanager
def debugger_access(spec: RunSpec, port: int) -> Iterator[DebuggerAccess]:
    """What lets debuggers in: a socket that `hermitctl attach` finds, and `port` or the next free one if it is not
    0."""
    extra_listeners = [listen_tcp(port)] if port else []
    app, loader = str((spec.app or spec.loader).resolve()), str(spec.loader.resolve())
    running = RunningGuest(os.getpid(), app, loader, spec.target, spec.machine, str(own_socket_path()))
    try:
        access: DebuggerAccess = AttachPoint(running, extra_listeners)
    except OSError as error:
        print(f"hermitctl: `hermitctl attach` will not find this guest: {error}", file=sys.stderr)
        access = DebuggerAccess(extra_listeners)
    for listener in extra_listeners:
        print("hermitctl: GDB may connect to {}:{}".format(*listener.getsockname()), file=sys.stderr)
    try:
        yield access
    finally:
        access.close()


@dataclass(frozen=True)
class Finished:
    """A run that is over, and what its summary says of it."""

    spec: RunSpec
    outcome: Outcome
    name: str
    kernel: str


def repeat_command(arguments: argparse.Namespace) -> str:
    """Return the command line that repeats a run in the same directory, whatever variables and files are set there."""
    words = ["hermitctl", "run", *options.to_words(vars(arguments)), str(arguments.app), *arguments.kernel_words]
    return shlex.join([*words, *(["--", *arguments.app_words] if arguments.app_words else [])])


def boot_here(
    spec: RunSpec,
    network: RunNetwork,
    arguments: argparse.Namespace,
    of_the_tree: bool,
    console: Callable[[bytes], None] | None,
) -> tuple[RunSpec, Outcome]:
    """Boot with artifacts and a way in for debuggers. Return the boot that was the last: auto may have needed two."""
    if spec.accel == "kvm" and (problem := kvm_problem()):
        raise ValueError(f"--accel kvm: {problem}")
    port = options.port_number(arguments.gdb_port, "gdb-port") or (DEFAULT_PORT if arguments.debug else 0)
    with (
        run_directory(arguments.artifacts, spec.app or spec.loader, of_the_tree) as directory,
        debugger_access(spec, port) as access,
    ):
        if arguments.verbose:
            sys.stderr.write(f"{virtiofsd_note(spec)}{shell_line(standalone_argv(spec))}\n")
            print(f"hermitctl: artifacts: {directory or 'none'}", file=sys.stderr, flush=True)
            config.report(arguments.settings)
        typed = accelerator.InputWatcher()
        watchers = (*network.watchers, access, InterruptWatcher(), typed)
        if sys.stderr.isatty():
            watchers += (IdleWatcher(lambda text: print(f"hermitctl: {text}", file=sys.stderr), network.activity),)
        around = (network.network.namespace_command, watchers, repeat_command(arguments))
        outcome = boot(spec, directory, console, 0, *around)
        if arguments.accel == AUTO and accelerator.failed_in_kvm(spec, outcome):
            accelerator.remember(spec, f"it ended such a run: {outcome.cause}")
            if not typed.received:
                print(f"hermitctl: {outcome.cause}; --accel auto boots it once more, with TCG", file=sys.stderr)
                spec = replace(spec, accel="tcg")
                outcome = boot(spec, directory, console, 0, around[0], network.watchers, around[2])
        return spec, outcome


def with_accelerator(spec: RunSpec, arguments: argparse.Namespace) -> RunSpec:
    """Return the boot with the accelerator that is asked for, or that --accel auto selects."""
    if arguments.accel != AUTO:
        return spec
    accel, reason = accelerator.choose(spec, may_boot=not arguments.dry_run)
    if arguments.verbose and not arguments.dry_run:
        print(f"hermitctl: --accel auto: {accel}" + (f", because of KVM: {reason}" if reason else ""), file=sys.stderr)
    return replace(spec, accel=accel)


def run_in_qemu(
    spec: RunSpec, image: FixtureImage | None, arguments: argparse.Namespace, view: ConsoleView | None
) -> tuple[RunSpec, Outcome] | None:
    """Boot in QEMU; with --dry-run print the command line and return None."""
    with RunNetwork(arguments, spec, image) as network:
        spec = with_accelerator(network.spec, arguments)
        if problem := shortage(spec):
            raise ValueError(problem)
        if arguments.dry_run:
            print(virtiofsd_note(spec) + shell_line(standalone_argv(spec)))
            if arguments.verbose:
                config.report(arguments.settings)
            return None
        return boot_here(spec, network, arguments, image is not None, view)


def run_once(arguments: argparse.Namespace, view: ConsoleView | None) -> Finished | None:
    """Boot once; with --dry-run print the command line and return None."""
    vmm.select(arguments)
    spec, image, facts = make_spec(arguments)
    is_qemu = arguments.vmm == vmm.QEMU
    booted = run_in_qemu(spec, image, arguments, view) if is_qemu else vmm.boot(spec, arguments, view)
    if booted is None:
        return None
    spec, outcome = booted
    if arguments.plot:
        plot.write(arguments.plot, outcome.artifacts)
    name = image.id if image else (spec.app or spec.loader).name
    kernel = (facts.kernel if facts else None) or outcome.kernel or (image.kernel if image else "")
    return Finished(spec, outcome, name, kernel)


def is_quiet_run(arguments: argparse.Namespace) -> bool:
    """Return whether only the application's output is wanted: on request, and as cargo's runner without -v."""
    return bool(arguments.quiet or arguments.of_cargo) and not arguments.verbose and not arguments.json


def command(arguments: argparse.Namespace) -> int:
    """Boot, stream, report."""
    arguments.accel = arguments.accel or AUTO
    find_words(arguments)
    writable(arguments.report or "", "report")
    if arguments.per_test and not arguments.dry_run:
        return each_test(arguments)
    is_quiet = is_quiet_run(arguments)
    view = None if arguments.json else ConsoleView(is_quiet, arguments.of_cargo, arguments.log_last)
    finished = run_once(arguments, view)
    if finished is None:
        return 0
    outcome, good = finished.outcome, finished.outcome.verdict == "pass"
    if arguments.json:
        print(json.dumps(as_json(finished.spec, outcome, finished.name, finished.kernel)))
    ends_with_newline = arguments.json or not outcome.console or outcome.console.endswith(b"\n")
    sys.stderr.write("" if ends_with_newline or (is_quiet and good) else "\n")
    if view:
        view.end(good)
    if arguments.report is not None:
        from hermit_harness.cli import report_page  # few runs need it

        report_page.write_page(arguments.report, finished.name, outcome, [report_page.row(finished.name, outcome)])
    if not (is_quiet and good):
        sys.stderr.write(summary(finished.spec, outcome, finished.name, finished.kernel, arguments.verbose))
    if arguments.junit:
        from hermit_harness.cli import per_test  # XML takes time to import, and few runs need it

        rows = per_test.of_run(finished.name, outcome)
        per_test.write_junit(arguments.junit, finished.name, rows, outcome.console, properties(finished.spec, outcome))
    return exit_status(outcome)


def each_test(arguments: argparse.Namespace) -> int:
    """Boot once for each test of a test program."""
    from hermit_harness.cli import per_test, report_page

    words, done, boots = list(arguments.app_words), list[Finished](), list[dict[str, Any]]()

    def boot_with(app_words: list[str]) -> Outcome:
        arguments.app_words = app_words
        finished = run_once(arguments, None)
        assert finished
        done.append(finished)
        if arguments.report is not None:
            boots.append(report_page.row(shlex.join(app_words), finished.outcome))  # before its directory is removed
        return finished.outcome

    results = per_test.run_each(boot_with, words)
    if arguments.junit:
        last = done[-1]
        per_test.write_junit(arguments.junit, last.name, results, b"", properties(last.spec, last.outcome))
    if boots:
        report_page.write_page(arguments.report, done[-1].name, done[-1].outcome, boots)
    return per_test.report(results)
