# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Collect the data of the page: results, the directories of boots, the last runs. Write the page."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.report import results
from hermit_harness.report.page import history, run_directory
from hermit_harness.report.page.document import NAME, document

FORMAT = 1
BOOTS = 10_000  # of tests that passed; a browser opens a page of that many


def of_tests(runs: Sequence[results.Results], output: Path, faults: Iterable[str] = ()) -> Path:
    """Write the page of a test run into a directory, which may have a history. `runs` are its parts: the whole run, or
    shards, each with the directories of its boots beside its results. `faults`: why it is red although no test failed.

    Raise OSError if the page cannot be written.
    """
    before = history.kept(output)
    letters = [{test.test: test.outcome[0] for test in run.tests} for run in before]
    passed = itertools.count()
    tests = [
        _test(test, run.path.parent, test.outcome != "passed" or next(passed) < BOOTS)
        | _before([known.get(test.test, "-") for known in letters])
        for run in runs
        for test in run.tests
    ]
    data = {
        "format": FORMAT,
        "title": "Hermit loader tests",
        "commit": runs[0].plan.commit,
        "shard": runs[0].plan.shard if len(runs) == 1 else "",
        "complete": all(run.plan.complete for run in runs),
        "when": _now(),
        "faults": list(faults),
        "before": [history.row(run) for run in before],
        "tests": tests,
    }
    return _write(output / NAME, data)


def of_boots(title: str, boots: Sequence[dict[str, Any]], file: Path) -> Path:
    """Write the page of boots, each as a row of the page's tests. Raise OSError if it cannot be written."""
    data = {"format": FORMAT, "title": title, "when": _now(), "faults": [], "before": [], "tests": list(boots)}
    return _write(file, data)


def _test(test: EndedTest, report: Path, with_boot: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"test": test.test, "outcome": test.outcome, "seconds": round(test.seconds, 4)}
    if test.cell:
        found["cell"] = test.cell
    if test.reason:
        found["reason"] = test.reason
    if with_boot and test.artifacts and (boot := run_directory.read(report / test.artifacts, test.outcome == "failed")):
        found["run"] = boot
    if test.again:
        found["again"] = test.again
        found["second"] = run_directory.read(report / test.artifacts / "again", failed=True)
    return found


def _before(letters: list[str]) -> dict[str, str]:
    return {"before": "".join(letters)} if any(letter != "-" for letter in letters) else {}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _write(file: Path, data: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.new")  # a page that is open is replaced as a whole
    fresh.write_text(document(data), encoding="utf-8")
    return fresh.replace(file)
