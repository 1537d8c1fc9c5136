# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What `hermitctl run` says when a run is over: the lines on stderr, the JSON object, the exit status."""

from __future__ import annotations

import os
import sys
from typing import Any

from hermit_harness.boot import is_feature_warnings_note
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target_of_file

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
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty():
        return text
    return f"\x1b[{32 if good else 31}m{text}\x1b[0m"


def target_of(spec: RunSpec) -> str:
    """The loader's target by its file name, else by what was asked for; "none" for a guest that is started directly."""
    of_file = target_of_file(spec.loader.name)
    return (of_file.name if of_file else spec.target) if spec.app else "none"


def _times(outcome: Outcome) -> str:
    times = outcome.timings
    first = f"kernel's first line after {times['kernel_line'] * 1000:.0f} ms, " if "kernel_line" in times else ""
    return f"{first}end after {times['end'] * 1000:.0f} ms" if "end" in times else "never ran"


def _microvm_hint(spec: RunSpec, outcome: Outcome) -> str:
    """What kernels that were built for other machines stumble over on microvm, each at another place."""
    if spec.machine.startswith("microvm") and outcome.verdict in ("panic", "crash", "hang"):
        return (
            "microvm has no PCI and no ACPI: build without the kernel's features pci and acpi, or leave out --machine"
        )
    return ""


def summary(spec: RunSpec, outcome: Outcome, name: str, kernel: str) -> str:
    """Notes, cause and hint where something went wrong, and the last line that says it all."""
    good = outcome.verdict == "pass"
    folds = good or outcome.verdict == "refused"  # QEMU's words about the CPU have nothing to do with it
    lines = ["hermitctl: interrupted"] if outcome.interrupted else []
    lines += [f"hermitctl: {note}" for note in outcome.notes if not (folds and is_feature_warnings_note(note))]
    if not good:
        lines.append(f"hermitctl: {outcome.cause}")
        lines += [f"hermitctl: hint: {hint}" for hint in (_microvm_hint(spec, outcome), outcome.hint) if hint]
        lines += outcome.postmortem.splitlines()
        lines += [f"hermitctl: details in {outcome.artifacts}"] if outcome.artifacts else []
    elif outcome.hint:
        lines.append(f"hermitctl: {outcome.hint}")
    what = (
        str(outcome)
        if outcome.origin in ("app", "loader") and outcome.verdict in ("pass", "wrong-exit", "refused")
        else outcome.verdict
    )
    where = f"kernel {kernel or 'unknown'}, target {target_of(spec)}, machine {spec.machine}, accelerator {spec.accel}"
    lines.append(f"hermitctl: {name}, {where}: {coloured(what, good)}; {_times(outcome)}")
    return "\n".join(lines) + "\n"


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
