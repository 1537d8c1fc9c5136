# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boot one guest and say how it ended."""

from __future__ import annotations

import shlex
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.artifacts import Artifacts, repro_script
from hermit_harness.ends import End, end
from hermit_harness.postmortem import frames
from hermit_harness.postmortem.report import PostMortem, RaisedAt, examine, explain_cause, missing_feature
from hermit_harness.status import class_word
from hermit_harness.timeline import memory, run_file
from hermit_harness.verdict import file_format
from hermit_harness.verdict.decide import Judgement, decide
from hermit_harness.verdict.outcome import APP_PANIC, KERNEL_PANIC, STATUS_UNKNOWN, Outcome
from hermit_harness.vm.argv import cpu_of, is_firmware_mute, machine_of, shell_line
from hermit_harness.vm.machines import MUTE_FIRMWARE
from hermit_harness.vm.process import LaunchError, Process, launch
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.virtiofsd import Virtiofsd
from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.fault_watcher import FaultWatcher
from hermit_harness.watch.faults import Fault
from hermit_harness.watch.held import StoredState
from hermit_harness.watch.run_facts import EndReason, RunFacts
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.virtiofsd_watcher import VirtiofsdWatcher
from hermit_harness.watch.watcher import Watcher

FEATURE_WARNINGS_NOTE = "warnings of QEMU about CPU features that TCG does not have"
QEMU_ENDED = "QEMU had ended, so no processor could be looked at"
PANIC_HINT = "`make debug` with BREAK=rust_begin_unwind (in C: panic) stops where it panics"
SECOND_BOOT_SECONDS = 30.0
FORMAT_RULES = ("app-unknown-format", "elf-header-beyond-file")
GUEST_FAILURES = ("crash", "hang", "panic", "timeout", "wrong-exit")


@dataclass(frozen=True)
class GuestIo:
    """What is around a guest, for boot()."""

    console: Callable[[bytes], None] | None
    stdin_fd: int | None
    namespace_command: Sequence[str]
    watchers: Sequence[Watcher]


def boot(
    spec: RunSpec,
    artifacts: Path | None = None,
    console: Callable[[bytes], None] | None = None,
    stdin_fd: int | None = None,
    namespace_command: Sequence[str] = (),
    watchers: Sequence[Watcher] = (),
    command: str = "",
) -> Outcome:
    """Run `spec` to its end and return its outcome; never raises for what a guest or QEMU does (ValueError for a
    wrong spec).

    `artifacts`: directory that gets the files of docs/run-files.md, and the post-mortem when the outcome is not what
    spec.expect says. `command` repeats the run; without it repro.sh does.
    `console` is called with the guest's bytes as they arrive. `stdin_fd` is read while the guest runs and sent to its
    serial port. `within` is launch()'s; `watchers` look after the run along with us.
    """
    row = end(spec.end)
    if spec.allow_unknown or spec.expect == "exit unknown":
        row = replace(row, allows_unknown=True)
    machine_of(spec)
    directory = Artifacts(artifacts)
    try:
        with ExitStack() as stack:
            outcome = _boot(spec, row, directory, GuestIo(console, stdin_fd, namespace_command, watchers), stack)
    except (ValueError, BrokenPipeError):
        raise
    except Exception as error:  # the harness's own fault is a verdict, too
        directory.write("harness-bug.txt", traceback.format_exc())
        cause = f"{type(error).__name__}: {error}"
        outcome = Outcome(
            "harness-bug", None, "harness", row.id, cause, traceback.format_exc(), "the harness", b"", None, ()
        )
    finally:
        directory.close()
    directory.write("outcome.txt", f"{outcome}\n{outcome.cause}\n{outcome.hint}\n")
    command = command or (f"sh {shlex.quote(str(artifacts / 'repro.sh'))}" if artifacts else "")
    if artifacts:
        directory.write_json(run_file.NAME, run_file.content(spec, outcome, directory.started_at, command))
        directory.write_json(memory.NAME, memory.content(spec, outcome))
        directory.write_trace()
    notes = (*outcome.notes, *filter(None, (directory.problem,)))
    return replace(outcome, artifacts=artifacts, notes=notes)


def _boot(spec: RunSpec, row: End, directory: Artifacts, guest_io: GuestIo, stack: ExitStack) -> Outcome:
    boot_log = BootLog.of(spec)
    try:
        daemon = stack.enter_context(Virtiofsd(spec.share)) if spec.share else None
        process = launch(spec, guest_io.namespace_command, daemon.qemu_socket if daemon else None)
    except LaunchError as error:
        return _outcome(
            spec,
            decide(RunFacts(EndReason.LAUNCH_FAILED, boot_log, detail=str(error)), row, spec.debug_exit, spec.expect),
            None,
            b"",
            (),
        )
    directory.start(process.started)
    directory.write("argv", shell_line(process.argv) + "\n")
    try:
        faults = FaultWatcher(spec.continues_on_fault)
        watchers = (*guest_io.watchers, *((VirtiofsdWatcher(daemon),) if daemon else ()))
        watchers += (faults,)

        def console(data: bytes) -> None:
            directory.console(data, supervisor.read_at)
            if guest_io.console:
                guest_io.console(data)

        supervisor = Supervisor(spec, process, boot_log, console, directory.qmp, watchers)
        facts = supervisor.run(guest_io.stdin_fd)
        for watcher in watchers:
            watcher.on_end(facts)
        judged = decide(facts, row, spec.debug_exit, spec.expect)
        if judged.cause.startswith(STATUS_UNKNOWN) and is_firmware_mute(spec):
            judged = replace(judged, hint=MUTE_FIRMWARE)
        if judged.verdict == "refused" and judged.rule in FORMAT_RULES and (what := _format_of(spec.app)):
            judged = replace(judged, hint=what)
        outcome = _outcome(spec, judged, facts, supervisor.console.bytes(), process.argv)
        if spec.continues_on_fault:
            passed = tuple(f"the kernel reported a {fault.summary}; the run went on" for fault, _ in faults.faults)
            outcome = replace(outcome, notes=(*outcome.notes, *passed))
        is_server = outcome.verdict == "timeout" and facts.open_ports  # nothing died
        in_firmware = outcome.verdict in ("hang", "timeout") and boot_log.in_firmware  # nothing of ours to look at
        if not outcome.matches(spec.expect) and not is_server and not in_firmware:
            outcome = _post_mortem(
                spec, outcome, facts, process, supervisor, directory, guest_io.namespace_command, faults.faults
            )
    finally:
        process.kill()
    directory.write("console.log", outcome.console)
    directory.write(
        "stderr.txt", "\n".join((*facts.relevant_stderr, f"({facts.feature_warnings} TCG feature warnings folded)", ""))
    )
    directory.write("repro.sh", repro_script(spec, str(outcome)), executable=True)
    return outcome


def _format_of(app: Path | None) -> str:
    if app is None:
        return ""
    with app.open("rb") as file:
        return file_format.of_bytes(file.read(file_format.HEAD_BYTES))


def _outcome(
    spec: RunSpec, judged: Judgement, facts: RunFacts | None, console: bytes, argv: tuple[str, ...]
) -> Outcome:
    refused = judged.verdict == "refused" and judged.status is not None
    return Outcome(
        verdict=judged.verdict,
        status=judged.status,
        origin=judged.origin,
        rule=judged.rule,
        cause=judged.cause,
        hint=judged.hint,
        blame=judged.blame,
        console=console,
        qemu_status=facts.qemu_status if facts else None,
        argv=argv,
        timings=facts.timings if facts else {},
        status_class=class_word(judged.status or 0) if refused else "",
        notes=_notes(facts) if facts else (),
        kernel=(facts.boot_log.kernel_version or "") if facts else "",
        instructions=facts.instructions if facts else None,
        interrupted=facts is not None and facts.reason is EndReason.INTERRUPTED,
    )


def is_feature_warnings_note(note: str) -> bool:
    """Whether a note of an outcome only counts folded warnings."""
    return note.endswith(FEATURE_WARNINGS_NOTE)


def _notes(facts: RunFacts) -> tuple[str, ...]:
    notes = []
    if facts.feature_warnings:
        notes.append(f"{facts.feature_warnings} {FEATURE_WARNINGS_NOTE}")
    late_refusal = facts.boot_log.late_refusal
    if late_refusal:
        notes.append(
            f"a refusal line ({late_refusal.number} {late_refusal.rule}) came after the hand-over and was not believed"
        )
    return tuple(notes + facts.relevant_stderr[:20])


def _second_boot(spec: RunSpec, first_log: BootLog, namespace_command: Sequence[str]) -> PostMortem:
    """Boot again without the exit device and examine the halted guest, after a panic that ended QEMU.

    A boot with a network or a shared directory is not repeated, because a second boot has effects outside.
    """
    if spec.share or spec.net.kind != "none":
        return PostMortem(problem=f"{QEMU_ENDED}; a boot with a network or a directory is not repeated for that")
    spec = replace(spec, debug_exit=False, wall_seconds=min(spec.wall_seconds, SECOND_BOOT_SECONDS), stream=None)
    boot_log = BootLog.of(spec)
    try:
        process = launch(spec, namespace_command)
    except LaunchError as error:
        return PostMortem(problem=f"{QEMU_ENDED}; {error}")
    try:
        supervisor = Supervisor(spec, process, boot_log, keep_machine=True)
        facts = supervisor.run()
        if boot_log.panic != first_log.panic:
            return PostMortem(problem=f"{QEMU_ENDED}; it did not panic so in a second boot, without what does that")
        if facts.reason not in (
            EndReason.HALTED,
            EndReason.RESET,
        ):  # power off and triple fault follow each other: either may win
            return PostMortem(problem=f"{QEMU_ENDED}; nor after a second boot ({facts.reason.value})")
        start = boot_log.load_range[0] if boot_log.load_range else None
        return examine(spec, process, supervisor.qmp, start, facts.registers, crashed=False)
    finally:
        process.kill()


def _post_mortem(
    spec: RunSpec,
    outcome: Outcome,
    facts: RunFacts,
    process: Process,
    supervisor: Supervisor,
    directory: Artifacts,
    namespace_command: Sequence[str],
    faults: Sequence[tuple[Fault, StoredState]],
) -> Outcome:
    """Examine the machine and return the outcome with a cause that names the location and a missing CPU feature."""
    load_start = facts.boot_log.load_range[0] if facts.boot_log.load_range else None
    can_be_examined = process.status is None and not supervisor.qmp.closed and facts.reason is not EndReason.NOT_STARTED
    if can_be_examined and directory.directory:
        raised = RaisedAt.of(*faults[-1]) if facts.fault else None
        report = examine(spec, process, supervisor.qmp, load_start, facts.registers, outcome.verdict == "crash", raised)
    elif directory.directory and outcome.verdict == "panic" and facts.boot_log.panic is not None:
        report = _second_boot(spec, facts.boot_log, namespace_command)
    else:
        problem = QEMU_ENDED if not can_be_examined else ""
        report = PostMortem(registers=facts.registers, problem=problem)
    directory.write("registers.txt", report.registers or f"({report.problem})\n")
    directory.write("backtrace.txt", report.backtrace())
    cause, blame = outcome.cause, outcome.blame
    if cause.startswith(KERNEL_PANIC) and frames.is_panic_of_application(report.gdb.get("cpus", [])):
        cause, blame = f"{APP_PANIC}{cause.removeprefix(KERNEL_PANIC)}", "the application"
    if outcome.verdict in GUEST_FAILURES:
        console = outcome.console[-65536:].decode("utf-8", "backslashreplace")
        crashed = outcome.verdict == "crash"
        feature = missing_feature(spec, cpu_of(spec), console, report, load_start, crashed)
        reason = explain_cause(spec, outcome.verdict, report, facts.boot_log.load_range, facts.fault)
        is_same = facts.fault or facts.reason is EndReason.TRAPPED
        cause = "" if is_same and reason else cause  # without a line
        # The kernel's own message precedes the location.
        guest_reported = outcome.verdict in ("panic", "wrong-exit")
        parts = (cause, reason, feature) if guest_reported else (reason, feature, cause)
        cause = "; ".join(filter(None, parts))
    panicked = outcome.verdict == "panic" and not report.gdb.get("cpus")
    hint = outcome.hint or PANIC_HINT if panicked else outcome.hint
    # Who interrupts a guest asks where it is; a failure names the application's line.
    shown = report.backtrace() if outcome.interrupted else report.screen()
    source = frames.source(report.gdb.get("cpus", []))
    regions = tuple((row["start"], row["end"], row["what"]) for row in report.gdb.get("regions", []))
    return replace(outcome, cause=cause, blame=blame, postmortem=shown, hint=hint, source=source, regions=regions)
