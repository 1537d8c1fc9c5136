# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What `hermitctl run` says when a run is over: the lines on stderr, the JSON object, the exit status."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from hermit_harness.boot import is_feature_warnings_note
from hermit_harness.cli.terminal import columns, has_colours
from hermit_harness.postmortem.frames import relative
from hermit_harness.timeline.run_file import target_of
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

ANSI = re.compile("\x1b[^m]*m")
DEADLINE, HARNESS_FAILED, NO_NUMBER, INTERRUPTED = 124, 125, 1, 130


def exit_status(outcome: Outcome) -> int:
    """The exit status of `run`: the application's own (its low eight bits), the loader's, 124, 125, or 130.

    A guest that failed without a number of its own (crash, panic, disagreeing statuses) gives 1.
    """
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.verdict in ("hang", "timeout"):
        return DEADLINE
    if outcome.verdict in ("infra", "harness-bug"):
        return HARNESS_FAILED
    if outcome.status is not None:
        number = outcome.status & 0xFF
        return NO_NUMBER if outcome.verdict == "panic" and number == 0 else number
    return 0 if outcome.verdict == "pass" else NO_NUMBER


def coloured(text: str, good: bool) -> str:
    """`text` green or red on a terminal; plain elsewhere and with NO_COLOR."""
    return f"\x1b[{32 if good else 31}m{text}\x1b[0m" if has_colours(2) else text


def last_line(spec: RunSpec, outcome: Outcome, name: str, kernel: str, width: float) -> str:
    """The verdict, then what was run where, as far as it fits into `width` columns: the verdict is never cut."""
    times = outcome.timings
    is_precise = outcome.origin in ("app", "loader") and outcome.verdict in ("pass", "wrong-exit", "refused")
    what = str(outcome) if is_precise else outcome.verdict
    verdict = coloured(what, outcome.verdict == "pass")
    verdict += f" after {times['end'] * 1000:.0f} ms" if "end" in times else ", never ran"
    invisible = len(verdict) - len(ANSI.sub("", verdict))
    where = f"{spec.machine}, {spec.accel}"
    loader = target_of(spec)
    on = f"{loader} on {where}" if loader != "none" else f"without loader on {where}"
    version = f", Hermit {kernel}" if kernel else ""
    choices = ((name + version, on), (name, on), (name, where), (where,), ())
    lines = (" · ".join((verdict, *parts)) for parts in choices)
    return next((line for line in lines if len(line) - invisible <= width), verdict)


def _microvm_hint(spec: RunSpec, outcome: Outcome) -> str:
    """Kernels that were built for other machines fail on microvm, each at another place before the application. A
    panic may have a remedy.
    """
    in_kernel = "kernel_line" in outcome.timings and "application_line" not in outcome.timings
    if spec.machine.startswith("microvm") and in_kernel and outcome.verdict in ("panic", "crash", "hang"):
        known = outcome.verdict == "panic" and outcome.hint
        return "" if known else "microvm has no PCI: build without the kernel's feature pci, or leave out --machine"
    return ""


def summary(spec: RunSpec, outcome: Outcome, name: str, kernel: str, verbose: bool = False) -> str:
    """Notes, cause and hint where something went wrong, and the last line that says it all."""
    good = outcome.verdict == "pass"
    folds = good or outcome.verdict in ("refused", "panic")  # QEMU's words about the CPU have nothing to do with it
    lines = ["hermitctl: interrupted"] if outcome.interrupted else []
    lines += [f"hermitctl: {note}" for note in outcome.notes if not (folds and is_feature_warnings_note(note))]
    if not good:
        lines.append(f"hermitctl: {outcome.cause}")
        lines += [f"hermitctl: hint: {hint}" for hint in (_microvm_hint(spec, outcome), outcome.hint) if hint]
        lines += outcome.postmortem.splitlines()
        lines += [f"hermitctl: details in {relative(str(outcome.artifacts))}"] if outcome.artifacts else []
    elif outcome.hint:
        lines.append(f"hermitctl: {outcome.hint}")
    if verbose and "kernel_line" in outcome.timings:
        lines.append(f"hermitctl: kernel's first line after {outcome.timings['kernel_line'] * 1000:.0f} ms")
    width = columns(2)
    lines = [row for line in lines for row in wrapped(line, width)]
    return "\n".join((*lines, last_line(spec, outcome, name, kernel, width), ""))


def wrapped(line: str, width: float) -> list[str]:
    """Return a sentence of ours as lines of a terminal, broken between words."""
    if len(line) <= width or not line.startswith("hermitctl: "):
        return [line]
    return textwrap.wrap(line, int(width), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def as_json(spec: RunSpec, outcome: Outcome, name: str, kernel: str) -> dict[str, Any]:
    """The object of --json. `console` is text with what is not UTF-8 as \\xNN."""
    return {
        "app": name,
        "kernel": kernel,
        "target": target_of(spec),
        "machine": spec.machine,
        "accelerator": spec.accel,
        "verdict": outcome.verdict,
        "status": outcome.status,
        "origin": outcome.origin,
        "rule": outcome.rule,
        "class": outcome.status_class,
        "summary": str(outcome),
        "cause": outcome.cause,
        "hint": outcome.hint,
        "blame": outcome.blame,
        "exit_status": exit_status(outcome),
        "qemu_status": outcome.qemu_status,
        "timings": outcome.timings,
        "notes": list(outcome.notes),
        "argv": list(outcome.argv),
        "artifacts": str(outcome.artifacts) if outcome.artifacts else None,
        "console": outcome.console.decode("utf-8", "backslashreplace"),
    }


def properties(spec: RunSpec, outcome: Outcome) -> dict[str, str]:
    """Verdict, place and timings of a run, as text, for a report of tests. Times are in milliseconds."""
    times = {f"{name}_ms": f"{seconds * 1000:.0f}" for name, seconds in outcome.timings.items()}
    where = {"target": target_of(spec), "machine": spec.machine, "accelerator": spec.accel}
    return {"verdict": str(outcome), **where, **times}
