# SPDX-License-Identifier: Apache-2.0 OR MIT
"""results.jsonl: the plan of a test run and the result of each test, written while the run lasts.

One JSON object per line: first the plan, then a result as each test ends, at last the end. A run that was killed has no
end, and its last line may be cut off. Times are in seconds.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.paths import ROOT

NAME = "results.jsonl"
PLAN = "plan.json"  # beside it, from the process that collects to the one that records
RESUMED = "resumed.jsonl"  # beside it, a copy of the results of the run that is resumed
FORMAT = 1


class ResultsError(ValueError):
    """A file of results that cannot be used; the text says which and why."""


@dataclass(frozen=True)
class Plan:
    """What a run is to do: `tests` of the `collected` tests of the whole tree, whose names have this digest.

    `shard` is I/N, or "" for a run of all. `complete` is false if only some tests were asked for.
    """

    commit: str
    shard: str
    complete: bool
    collected: int
    digest: str
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Results:
    """A file of results. `status` is pytest's exit status, None if the run did not reach its end."""

    path: Path
    plan: Plan
    tests: tuple[EndedTest, ...]
    status: int | None


def directory(config: Any) -> Path:
    """Return the directory of pytest's JUnit file, which gets the results, too."""
    return Path(config.option.xmlpath).absolute().parent


def digest(names: Iterable[str]) -> str:
    """Return the SHA-256 digest of the names, in any order."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def current_commit() -> str:
    """Return the commit of the checkout, with "+" if files differ from it; "" if there is none."""
    words = ("git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip()


class Recorder:
    """Writes a file of results. Each line reaches the file at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="utf-8")
        self._count = 0

    def plan(self, plan: Plan) -> None:
        self._write({"format": FORMAT, "plan": asdict(plan)})

    def test(self, test: EndedTest) -> None:
        self._count += 1
        self._write(asdict(test))

    def end(self, status: int) -> None:
        self._write({"end": status, "results": self._count})
        self._file.close()

    def _write(self, record: dict[str, object]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()


def plan_of(record: dict[str, Any]) -> Plan:
    """Return the plan in a record. Raise TypeError or KeyError if it is none."""
    return Plan(**{**record, "tests": tuple(record["tests"])})


def read(path: Path) -> Results:
    """Read a file of results, also one that was cut off. A test with several results has the last one.

    Raise ResultsError if the file is missing, is of another format or has no plan.
    """
    records = list(_records(path))
    if not records or "plan" not in records[0]:
        raise ResultsError(f"{path} has no plan: the run ended before its tests were collected")
    if records[0].get("format") != FORMAT:
        raise ResultsError(f"{path} has format {records[0].get('format')}, not {FORMAT}")
    try:
        plan = plan_of(records[0]["plan"])
        tests = {record["test"]: EndedTest(**record) for record in records[1:] if "test" in record}
    except (TypeError, KeyError) as error:
        raise ResultsError(f"{path} is not a file of results: {error}") from error
    end = next((record for record in records[1:] if "end" in record), None)
    return Results(path, plan, tuple(tests.values()), end["end"] if end else None)


def resumed(where: Path, plan: Plan) -> list[EndedTest]:
    """Return the results in a directory that a resumed run with this plan keeps: of the tests that did not fail.

    Raise ResultsError if the run that was ended had another plan.
    """
    before = read(where / RESUMED)
    if before.plan != plan:
        raise ResultsError("--resume: the run that was ended was of another commit, shard or selection of tests")
    return [test for test in before.tests if test.outcome != "failed"]


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):  # no newline follows: cut off
                return
            raise ResultsError(f"{path}:{number} is not JSON: {error.msg}") from error


def merge(shards: Sequence[Results]) -> tuple[list[EndedTest], list[str]]:
    """Return the results of all shards, and in sentences what makes them less than one complete run."""
    first = shards[0]
    faults: list[str] = []
    by_number: dict[str, Results] = {}
    merged: dict[str, EndedTest] = {}
    for shard in shards:
        name = f"shard {shard.plan.shard or 'without a number'} ({shard.path})"
        if shard.plan.shard in by_number:
            faults.append(f"{name} is there twice: also {by_number[shard.plan.shard].path}")
            continue
        by_number[shard.plan.shard] = shard
        faults += _shard_faults(name, shard, first)
        for test in shard.tests:
            if test.test in merged:
                faults.append(f"{name} ran {test.test}, which another shard ran, too")
            merged[test.test] = test
    faults += _missing_shards(by_number)
    return list(merged.values()), faults


def whole_plan(shards: Sequence[Results]) -> Plan:
    """Return the plan of the run that these shards were divided from."""
    tests = tuple(test for shard in shards for test in shard.plan.tests)
    return replace(shards[0].plan, shard="", tests=tests)


def _shard_faults(name: str, shard: Results, first: Results) -> Iterator[str]:
    if shard.plan.complete != first.plan.complete:
        yield f"one of {name} and {first.path} ran only a selection of its tests"
    if shard.plan.commit != first.plan.commit:
        yield f"{name} is of commit {shard.plan.commit}, {first.path} of {first.plan.commit}"
    elif shard.plan.digest != first.plan.digest:
        yield f"{name} collected {shard.plan.collected} tests, not the {first.plan.collected} of {first.path}"
    ran = {test.test for test in shard.tests}
    lost = [test for test in shard.plan.tests if test not in ran]
    if shard.status is None:
        yield f"{name} was ended after {len(ran)} of {len(shard.plan.tests)} tests"
    elif shard.status and not any(test.outcome == "failed" for test in shard.tests):
        yield f"{name} ended with {shard.status} although no test failed: see its output"
    if lost:
        yield f"{name} has no result of {len(lost)} tests: {', '.join(lost[:3])}{' …' if lost[3:] else ''}"


def _missing_shards(by_number: dict[str, Results]) -> Iterator[str]:
    counts = {shard.rpartition("/")[2] for shard in by_number}
    if len(counts) != 1 or not counts <= {str(number) for number in range(1, 100000)}:
        yield f"these are not shards of one run: {', '.join(sorted(by_number))}"
        return
    count = int(counts.pop())
    for number in range(1, count + 1):
        if f"{number}/{count}" not in by_number:
            yield f"shard {number}/{count} is missing"
