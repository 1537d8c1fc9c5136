# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boot one guest and say how it ended."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.artifacts import Artifacts, repro_script
from hermit_harness.ends import End, end
from hermit_harness.postmortem.report import Report, examine, missing_feature, why
from hermit_harness.status import class_word
from hermit_harness.verdict.decide import Judgement, decide
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import cpu_of, machine_of, shell_line
from hermit_harness.vm.process import LaunchError, Process, launch
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.virtiofsd import Daemon
from hermit_harness.watch.boot_log import Marks
from hermit_harness.watch.run_facts import Facts, How
from hermit_harness.watch.supervisor import Session, VirtiofsdWatcher, Watcher

FOLD_NOTE = "warnings of QEMU about CPU features that TCG does not have"
ENDED = "QEMU had ended, so no processor could be looked at"
STOP_THERE = "`make debug` with BREAK=rust_begin_unwind (in C: panic) stops where it panics"
AGAIN_SECONDS = 30.0
DIED = ("crash", "hang", "panic", "timeout", "wrong-exit")


@dataclass(frozen=True)
class Around:
    """What is around a guest, for boot()."""

    console: Callable[[bytes], None] | None
    stdin_fd: int | None
    within: Sequence[str]
    watchers: Sequence[Watcher]


def boot(
    spec: RunSpec,
    artifacts: Path | None = None,
    console: Callable[[bytes], None] | None = None,
    stdin_fd: int | None = None,
    within: Sequence[str] = (),
    watchers: Sequence[Watcher] = (),
) -> Outcome:
    """Run `spec` to its end and return its outcome; never raises for what a guest or QEMU does (ValueError for a
    wrong spec).

    `artifacts`: folder that gets argv, console.log, qmp.jsonl, repro.sh, and the post-mortem when the outcome is not
    what spec.expect says.
    `console` is called with the guest's bytes as they arrive. `stdin_fd` is read while the guest runs and sent to its
    serial port. `within` is launch()'s; `watchers` look after the run along with us.
    """
    row = end(spec.end)
    machine_of(spec)
    folder = Artifacts(artifacts)
    try:
        with ExitStack() as stack:
            outcome = _boot(spec, row, folder, Around(console, stdin_fd, within, watchers), stack)
    except (ValueError, BrokenPipeError):
        raise
    except Exception as error:  # the harness's own fault is a verdict, too
        folder.write("harness-bug.txt", traceback.format_exc())
        cause = f"{type(error).__name__}: {error}"
        outcome = Outcome(
            "harness-bug", None, "harness", row.id, cause, traceback.format_exc(), "the harness", b"", None, ()
        )
    finally:
        folder.close()
    folder.write("outcome.txt", f"{outcome}\n{outcome.cause}\n{outcome.hint}\n")
    return replace(outcome, artifacts=artifacts)


def _boot(spec: RunSpec, row: End, folder: Artifacts, around: Around, stack: ExitStack) -> Outcome:
    marks = Marks.of(spec)
    try:
        daemon = stack.enter_context(Daemon(spec.share)) if spec.share else None
        process = launch(spec, around.within, daemon.ours if daemon else None)
    except LaunchError as error:
        return _outcome(
            spec, decide(Facts(How.LAUNCH, marks, detail=str(error)), row, spec.debug_exit, spec.expect), None, b"", ()
        )
    folder.write("argv", shell_line(process.argv) + "\n")
    try:
        watchers = (*around.watchers, *((VirtiofsdWatcher(daemon),) if daemon else ()))
        session = Session(spec, process, marks, around.console, folder.qmp, watchers)
        facts = session.run(around.stdin_fd)
        for watcher in watchers:
            watcher.ended(facts)
        judged = decide(facts, row, spec.debug_exit, spec.expect)
        outcome = _outcome(spec, judged, facts, session.record.bytes(), process.argv)
        served = outcome.verdict == "timeout" and facts.serves  # nothing died
        if not outcome.matches(spec.expect) and not served:
            outcome = _post_mortem(spec, outcome, facts, process, session, folder, around.within)
    finally:
        process.kill()
    folder.write("console.log", outcome.console)
    folder.write("stderr.txt", "\n".join((*facts.own_stderr, f"({facts.folded} TCG feature warnings folded)", "")))
    folder.write("repro.sh", repro_script(spec, str(outcome)), executable=True)
    return outcome


def _outcome(spec: RunSpec, judged: Judgement, facts: Facts | None, console: bytes, argv: tuple[str, ...]) -> Outcome:
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
        kernel=(facts.marks.kernel or "") if facts else "",
    )


def is_fold_note(note: str) -> bool:
    """Whether a note of an outcome only counts folded warnings."""
    return note.endswith(FOLD_NOTE)


def _notes(facts: Facts) -> tuple[str, ...]:
    notes = []
    if facts.folded:
        notes.append(f"{facts.folded} {FOLD_NOTE}")
    forged = facts.marks.forged
    if forged:
        notes.append(f"a refusal line ({forged.number} {forged.rule}) came after the hand-over and was not believed")
    return tuple(notes + facts.own_stderr[:20])


def _once_more(spec: RunSpec, panicked: Marks, within: Sequence[str]) -> Report:
    """A kernel that panics has ended QEMU (isa-debug-exit and semihosting do at once, before 9.0 without any choice):
    the same boot without what does that, and a look at where it stands then. Not where others notice a second boot."""
    if spec.share or spec.net.kind != "none":
        return Report(problem=f"{ENDED}; a boot with a network or a folder is not repeated for that")
    spec = replace(spec, debug_exit=False, wall_seconds=min(spec.wall_seconds, AGAIN_SECONDS))
    marks = Marks.of(spec)
    try:
        process = launch(spec, within)
    except LaunchError as error:
        return Report(problem=f"{ENDED}; {error}")
    try:
        session = Session(spec, process, marks, stays=True)
        facts = session.run()
        if marks.panic != panicked.panic:
            return Report(problem=f"{ENDED}; it did not panic so in a second boot, without what does that")
        if facts.how not in (How.HALTED, How.RESET):  # power off and triple fault follow each other: either may win
            return Report(problem=f"{ENDED}; nor after a second boot ({facts.how.value})")
        start = marks.load_range[0] if marks.load_range else None
        return examine(spec, process, session.qmp, start, facts.registers, crashed=False)
    finally:
        process.kill()


def _post_mortem(
    spec: RunSpec,
    outcome: Outcome,
    facts: Facts,
    process: Process,
    session: Session,
    folder: Artifacts,
    within: Sequence[str],
) -> Outcome:
    """Look at what is left of the machine; the outcome with a cause that says where and for want of what it ended."""
    load_start = facts.marks.load_range[0] if facts.marks.load_range else None
    stands = process.status is None and not session.qmp.closed and facts.how is not How.NEVER
    if stands and folder.folder:
        report = examine(spec, process, session.qmp, load_start, facts.registers, outcome.verdict == "crash")
    elif folder.folder and outcome.verdict == "panic":
        report = _once_more(spec, facts.marks, within)
    else:
        problem = ENDED if not stands else ""
        report = Report(registers=facts.registers, problem=problem)
    folder.write("registers.txt", report.registers or f"({report.problem})\n")
    folder.write("backtrace.txt", report.backtrace())
    cause = outcome.cause
    if outcome.verdict in DIED:
        console = outcome.console[-65536:].decode("utf-8", "backslashreplace")
        crashed = outcome.verdict == "crash"
        feature = missing_feature(spec, cpu_of(spec), console, report, load_start, crashed)
        reason = why(spec, outcome.verdict, report, facts.marks.load_range)
        # What a kernel said of itself comes before the place where it stands now.
        told = outcome.verdict in ("panic", "wrong-exit")
        parts = (cause, reason, feature) if told else (reason, feature, cause)
        cause = "; ".join(filter(None, parts))
    panicked = outcome.verdict == "panic" and not report.gdb.get("cpus")
    return replace(outcome, cause=cause, postmortem=report.short(), hint=STOP_THERE if panicked else outcome.hint)
