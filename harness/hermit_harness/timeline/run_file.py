# SPDX-License-Identifier: Apache-2.0 OR MIT
"""run.json: what a run booted, how it ended, and its phases. docs/run-files.md describes the fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target_of_file

NAME = "run.json"
FORMAT = 1
# The phases in order, each with the times at which it can begin: the first that is known counts.
PHASES = {
    "firmware": ("cont",),
    "loader": ("loader_line",),
    "kernel": ("loading", "kernel_line"),
    "application": ("application_line",),
}


def target_of(spec: RunSpec) -> str:
    """The loader's target by its file name, else by what was asked for; "none" for a guest that is started directly."""
    of_file = target_of_file(spec.loader.name)
    return (of_file.name if of_file else spec.target) if spec.app else "none"


def phases(timings: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the phases that a run reached, one after the other without gaps, in seconds since QEMU's exec.

    A phase without a line of its own is part of the one before it.
    """
    starts: list[tuple[str, float]] = []
    for name, marks in PHASES.items():
        start = next((timings[mark] for mark in marks if mark in timings), None)
        if start is None or (starts and start < starts[-1][1]):
            continue
        if starts and start == starts[-1][1] and starts[-1][0] == "kernel" and "loading" not in timings:
            starts.pop()  # a guest without loader whose first line is the application's
        starts.append((name, start))
    ends = [*starts, ("", max(timings.get("end", 0.0), starts[-1][1] if starts else 0.0))]
    return [
        {"name": name, "start": round(start, 6), "end": round(end, 6)} for (name, start), (_, end) in pairwise(ends)
    ]


def source_of(text: str) -> dict[str, Any] | None:
    """Return FILE:LINE as an object, None for ""."""
    file, _, line = text.rpartition(":")
    return {"file": file, "line": int(line)} if file and line.isdecimal() else None


def started(run: Mapping[str, Any]) -> float:
    """Return the time of QEMU's exec in seconds since 1970."""
    return datetime.fromisoformat(run["started"]).timestamp()


def content(spec: RunSpec, outcome: Outcome, started: float, command: str) -> dict[str, Any]:
    """Return the object. `started` is the time of QEMU's exec in seconds since 1970, `command` repeats the run."""
    return {
        "format": FORMAT,
        "verdict": outcome.verdict,
        "expected": spec.expect,
        "as_expected": outcome.matches(spec.expect),
        "summary": str(outcome),
        "status": outcome.status,
        "origin": outcome.origin,
        "rule": outcome.rule,
        "cause": outcome.cause,
        "hint": outcome.hint,
        "blame": outcome.blame,
        "source": source_of(outcome.source),
        "backtrace": outcome.postmortem or None,
        "notes": list(outcome.notes),
        "application": str(spec.app) if spec.app else None,
        "loader": str(spec.loader),
        "kernel": outcome.kernel or None,
        "target": target_of(spec),
        "machine": spec.machine,
        "accelerator": spec.accel,
        "memory": spec.memory,
        "cpus": spec.smp,
        "command_line": spec.append,
        "capture": str(spec.net.capture) if spec.net.capture else None,
        "command": command,
        "started": datetime.fromtimestamp(started, UTC).isoformat(),
        "seconds": round(outcome.timings.get("end", 0.0), 6),
        "cpu_seconds": round(outcome.timings.get("cpu", 0.0), 6),
        "instructions": outcome.instructions,
        "phases": phases(outcome.timings),
    }
