# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What may be missing from a green run: skips with a reason from a closed list, and known defects with a day on which
they lapse.
"""

from __future__ import annotations

import datetime
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from hermit_harness.matrix.table import HARNESS, MatrixError, Table


@dataclass(frozen=True)
class Reason:
    """One entry of the closed list: its first word in a skip's text, what may be skipped for it, and how often."""

    id: str
    why: str
    tests: tuple[str, ...]  # patterns over cell ids and test names
    max: int


@dataclass(frozen=True)
class Erratum:
    """A defect of a kernel or of QEMU, not ours: cells that show `symptom` are skipped for it until it lapses. Of each
    pattern of `instead` a test must pass: they try in another way what the defect keeps from being tried."""

    id: str
    what: str
    applies: str
    cells: tuple[str, ...]
    symptom: str  # pattern over what the cell ended with
    expires: datetime.date
    instead: tuple[str, ...] = ()


@dataclass(frozen=True)
class EndedTest:
    """One test as it ended. `cell` is empty for a test that is not a cell.

    `again` is how a red cell ended at its second try, "" if there was none. It passes only if infrastructure failed at
    the first try; `reason` is then that failure. `artifacts` is the directory of its last boot within the report's, or
    "".
    """

    test: str
    cell: str
    outcome: str  # passed, failed, skipped
    reason: str
    seconds: float
    again: str = ""
    artifacts: str = ""


def _read(path: Path, key: str) -> list[dict[str, object]]:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    if set(data) - {key}:
        raise MatrixError(f"{path.name}: only [[{key}]] is allowed here")
    entries = data.get(key, [])
    names = [entry.get("id") for entry in entries]
    if len(names) != len(set(names)):
        raise MatrixError(f"{path.name}: an id is there twice")
    return list(entries)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise MatrixError(f"a list of patterns is wanted, not {value!r}")
    return tuple(str(item) for item in value)


def read_reasons(path: Path) -> tuple[Reason, ...]:
    return tuple(
        Reason(str(entry["id"]), str(entry["why"]), _texts(entry["tests"]), int(str(entry["max"])))
        for entry in _read(path, "reason")
    )


def read_errata(path: Path) -> tuple[Erratum, ...]:
    found: list[Erratum] = []
    for entry in _read(path, "erratum"):
        expires = entry["expires"]
        if not isinstance(expires, datetime.date):
            raise MatrixError(f"{path.name}: {entry['id']}: expires must be a date")
        found.append(
            Erratum(
                str(entry["id"]),
                str(entry["what"]),
                str(entry["applies"]),
                _texts(entry["cells"]),
                str(entry["symptom"]),
                expires,
                _texts(entry["instead"]) if "instead" in entry else (),
            )
        )
    return tuple(found)


@cache
def reasons() -> tuple[Reason, ...]:
    return read_reasons(HARNESS / "skips.toml")


@cache
def errata() -> tuple[Erratum, ...]:
    return read_errata(HARNESS / "errata.toml")


def erratum_for(cell: str, ended: str, known: Iterable[Erratum] | None = None) -> Erratum | None:
    """The known defect that explains how a cell ended, if one does."""
    for entry in errata() if known is None else known:
        if any(fnmatchcase(cell, pattern) for pattern in entry.cells) and fnmatchcase(ended, entry.symptom):
            return entry
    return None


def expired(today: datetime.date, known: Iterable[Erratum]) -> list[str]:
    """Return messages for expired errata: check again, then fix or extend them by hand."""
    return [f"erratum {entry.id} lapsed on {entry.expires}: {entry.what}" for entry in known if entry.expires < today]


def _skip_faults(ran: Iterable[EndedTest], allowed: Iterable[Reason], max_skips: int) -> list[str]:
    by_id = {reason.id: reason for reason in allowed}
    faults: list[str] = []
    counts: Counter[str] = Counter()
    for test in ran:
        if test.outcome != "skipped":
            continue
        word = test.reason.split(":", 1)[0].strip()
        reason = by_id.get(word)
        if reason is None:
            faults.append(f"{test.cell or test.test} was skipped for a reason that is not in skips.toml: {test.reason}")
            continue
        if not any(fnmatchcase(test.cell or test.test, pattern) for pattern in reason.tests):
            faults.append(f"{test.cell or test.test} must not be skipped for {word}")
        counts[word] += 1
    faults += [
        f"{counts[reason.id]} skips for {reason.id}, at most {reason.max} are allowed"
        for reason in by_id.values()
        if counts[reason.id] > reason.max
    ]
    if sum(counts.values()) > max_skips:
        faults.append(f"{sum(counts.values())} skips in all, at most {max_skips} are allowed")
    return faults


def not_passed(table: Table, ran: Iterable[EndedTest]) -> list[str]:
    """Return a message for each must-run cell that did not pass."""
    passed = {test.cell for test in ran if test.cell and test.outcome == "passed"}
    return [
        f"must-run cell {pattern} did not pass"
        for pattern in table.must_run
        if not any(fnmatchcase(cell, pattern) for cell in passed)
    ]


def judge(
    table: Table, ran: Iterable[EndedTest], allowed: Iterable[Reason], known: Sequence[Erratum], today: datetime.date
) -> list[str]:
    """Return why a complete run without failures is still not green; empty if it is."""
    results = list(ran)
    faults = expired(today, known) + _skip_faults(results, allowed, table.max_skips)
    passed = {test.cell for test in results if test.cell and test.outcome == "passed"}
    if len(passed) < table.min_cells:
        faults.append(f"{len(passed)} cells passed, at least {table.min_cells} must")
    faults += not_passed(table, results)
    tests = {test.test for test in results if test.outcome == "passed"}
    faults += [
        f"erratum {entry.id}: no test of {pattern} passed, which replaces it"
        for entry in known
        for pattern in entry.instead
        if not any(fnmatchcase(test, pattern) for test in tests)
    ]
    return faults
