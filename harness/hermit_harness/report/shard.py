# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Select a shard's tests, and those that a run that was ended still owes; leave the plan for results.jsonl.

Every process of pytest-xdist collects and selects for itself, so the selection depends on files that do not change
meanwhile. The first process leaves the plan in a file, because the controlling process does not collect.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from typing import Any

import pytest

from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.matrix.table import HARNESS
from hermit_harness.paths import REPORT
from hermit_harness.report import results
from hermit_harness.report.plugin import is_complete, short_id

DURATIONS = HARNESS / "durations.json"  # test: seconds, of the tests that take long
SHORT_SECONDS = 0.1  # of each other test
MIN_SECONDS = 0.5  # of a test in DURATIONS


def parse(text: str) -> tuple[int, int]:
    """Return I and N of "I/N". Raise ValueError with the reason."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"a shard is I/N with I from 1 to N, such as 2/4, not {text!r}")
    return int(match[1]), int(match[2])


def add_options(parser: pytest.Parser) -> None:
    """Register the options for shards and for resuming."""
    parser.addoption("--hermit-shard", metavar="I/N", default="", help="only this shard of the tests")
    parser.addoption("--resume", action="store_true", help="only tests without a result of the run that was ended")


def configure(config: pytest.Config) -> None:
    """Check the options, and keep the results of the run that is resumed. For the first process alone."""
    (results.directory(config) / results.PLAN).unlink(missing_ok=True)
    try:
        if config.option.hermit_shard:
            parse(config.option.hermit_shard)
        if config.option.resume:
            directory = results.directory(config)
            (directory / results.RESUMED).write_bytes(results.read(directory / results.NAME).path.read_bytes())
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the shard's tests, leave the plan, and drop the tests that the resumed run has done."""
    collected = [short_id(item.nodeid) for item in items]
    if config.option.hermit_shard:
        _keep(config, items, _shard(items, *parse(config.option.hermit_shard)))
    is_first = getattr(config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0"
    if not is_first and not config.option.resume:
        return
    directory = results.directory(config)
    plan = results.Plan(
        results.current_commit(),
        config.option.hermit_shard,
        is_complete(config),
        len(collected),
        results.digest(collected),
        tuple(short_id(item.nodeid) for item in items),
    )
    if is_first:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / results.PLAN).write_text(json.dumps(asdict(plan)), encoding="utf-8")
    if config.option.resume:
        try:
            done = {test.test for test in results.resumed(directory, plan)}
        except results.ResultsError as error:
            raise pytest.UsageError(str(error)) from error
        _keep(config, items, [item for item in items if short_id(item.nodeid) not in done])


def _keep(config: pytest.Config, items: list[pytest.Item], kept: list[Any]) -> None:
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


def _shard(items: list[pytest.Item], index: int, count: int) -> list[Any]:
    from pytest_split.algorithms import LeastDurationAlgorithm

    known = durations()
    seconds = {item.nodeid: known.get(short_id(item.nodeid), SHORT_SECONDS) for item in items}
    return list(LeastDurationAlgorithm()(count, items, seconds)[index - 1].selected)


@cache
def durations() -> dict[str, float]:
    """Return the recorded times of the tests that take long, in seconds."""
    return dict(json.loads(DURATIONS.read_text(encoding="utf-8"))) if DURATIONS.is_file() else {}


def record_durations(tests: Iterable[EndedTest]) -> str:
    """Return the content of DURATIONS for these results."""
    long = {test.test: round(test.seconds, 1) for test in tests if test.seconds >= MIN_SECONDS}
    return json.dumps(long, indent=0, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    last = results.read(REPORT / results.NAME)
    if not last.plan.complete or last.status is None:
        sys.exit(f"{last.path} is not of a complete run")
    DURATIONS.write_text(record_durations(last.tests), encoding="utf-8")
    print(DURATIONS)
