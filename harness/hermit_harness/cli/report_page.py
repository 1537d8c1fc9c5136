# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl run --report: the page of one run, or of the boots of --per-test."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hermit_harness.postmortem.frames import relative
from hermit_harness.report.page import run_directory, write
from hermit_harness.report.page.document import NAME
from hermit_harness.verdict.outcome import Outcome


def row(name: str, outcome: Outcome) -> dict[str, Any]:
    """Return what the page shows of one boot, from the directory that it left."""
    passed = outcome.verdict == "pass"
    boot = run_directory.read(outcome.artifacts, not passed) if outcome.artifacts else {}
    word, time = "passed" if passed else "failed", outcome.timings.get("end", 0.0)
    return {"test": name, "outcome": word, "reason": outcome.cause, "seconds": round(time, 4), "run": boot}


def write_page(asked: str, title: str, last: Outcome, rows: Sequence[dict[str, Any]]) -> None:
    """Write the page and say where: the file that is asked for, else one in the last boot's directory."""
    if not asked and not last.artifacts:
        print("hermitctl: no report: there is no artifacts directory", file=sys.stderr)
        return
    try:
        path = write.of_boots(title, rows, Path(asked) if asked else (last.artifacts or Path()) / NAME)
    except OSError as error:
        print(f"hermitctl: no report: {error}", file=sys.stderr)
        return
    print(f"hermitctl: report: {relative(str(path))}", file=sys.stderr)
