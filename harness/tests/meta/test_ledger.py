# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A run without failures passes only if nothing is missing from it."""

from __future__ import annotations

import ast
import dataclasses
import datetime
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from hermit_harness.matrix import ledger
from hermit_harness.matrix.ledger import EndedTest, Erratum, Reason
from hermit_harness.matrix.table import HARNESS, MatrixError, matrix

TODAY = datetime.date(2026, 11, 21)
TABLE = dataclasses.replace(matrix(), min_cells=1, max_skips=1, must_run=("t/pc/tcg/hello",))
GOOD = EndedTest("boot/test_cells.py::test_boots", "t/pc/tcg/hello", "passed", "", 0.1)
SLOW = Reason("kvm-slow", "slow here", ("t/*/kvm/*",), 1)


def skip(cell: str, reason: str) -> EndedTest:
    return EndedTest("boot/test_cells.py::test_boots", cell, "skipped", reason, 0.0)


def judge(*ran: EndedTest, known: tuple[Erratum, ...] = ()) -> list[str]:
    return ledger.judge(TABLE, ran, [SLOW], known, TODAY)


def test_complete_run_passes() -> None:
    assert judge(GOOD) == []
    assert judge(GOOD, skip("t/pc/kvm/hello", "kvm-slow: 5 s")) == []


@pytest.mark.requirement("P-05")
@pytest.mark.parametrize(
    ("ran", "complaint"),
    [
        ([], "0 cells passed, at least 1 must"),
        ([skip("t/pc/tcg/hello", "kvm-slow: x")], "must-run cell t/pc/tcg/hello did not pass"),
        ([GOOD, skip("t/pc/kvm/a", "no time")], "a reason that is not in skips.toml: no time"),
        ([GOOD, skip("t/pc/tcg/a", "kvm-slow: x")], "t/pc/tcg/a must not be skipped for kvm-slow"),
        ([GOOD, skip("t/a/kvm/a", "kvm-slow: x"), skip("t/b/kvm/a", "kvm-slow: x")], "2 skips for kvm-slow, at most 1"),
        ([GOOD, skip("t/a/kvm/a", "kvm-slow: x"), skip("t/b/kvm/a", "kvm-slow: x")], "2 skips in all, at most 1"),
    ],
)
def test_incomplete_run_fails(ran: list[EndedTest], complaint: str) -> None:
    """Too few cells, a skipped must-run cell, a skip without a listed reason, too many skips."""
    assert any(complaint in line for line in judge(*ran))


def test_erratum_expires() -> None:
    old = Erratum("x1", "dies of XGETBV", "a KVM", ("t/*/kvm/*",), "crash: *", datetime.date(2026, 11, 20))
    assert judge(GOOD, known=(old,)) == ["erratum x1 lapsed on 2026-11-20: dies of XGETBV"]
    assert judge(GOOD, known=(dataclasses.replace(old, expires=TODAY),)) == []


@pytest.mark.requirement("N-19")
def test_replacement_of_a_defect_must_pass() -> None:
    """If the kernel has no driver, a test with a bare application drives the device."""
    known = Erratum("x1", "no driver", "a kernel", ("net/a",), "app exit 1", TODAY, ("boot/*::test_boots",))
    assert judge(GOOD, known=(known,)) == []
    lost = dataclasses.replace(known, instead=("net/*::test_driven*",))
    assert judge(GOOD, known=(lost,)) == ["erratum x1: no test of net/*::test_driven* passed, which replaces it"]


def test_erratum_explains_its_own_symptom_only() -> None:
    known = Erratum("x1", "", "", ("t/*/kvm/*",), "crash: *", TODAY)
    assert ledger.erratum_for("t/pc/kvm/a", "crash: exception 6", [known]) == known
    assert ledger.erratum_for("t/pc/kvm/a", "app exit 1", [known]) is None
    assert ledger.erratum_for("t/pc/tcg/a", "crash: exception 6", [known]) is None


def test_the_files_of_this_tree_are_well_formed() -> None:
    assert all(reason.why and reason.max > 0 for reason in ledger.reasons())
    assert all(erratum.what and erratum.applies for erratum in ledger.errata())


PATTERNS = sorted(
    {pattern for reason in ledger.reasons() for pattern in reason.tests}
    | {pattern for erratum in ledger.errata() for pattern in (*erratum.cells, *erratum.instead)}
)


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if "::" in pattern])
def test_each_pattern_matches_a_defined_test(pattern: str) -> None:
    """A test that is renamed needs its new name in skips.toml and errata.toml."""
    file, _, function = pattern.partition("::")
    tree = ast.parse((HARNESS / "tests" / file).read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    # The part after "[" matches parameters, which depend on the built fixtures, and so may a pattern's leading star.
    assert function.startswith("*") or any(fnmatchcase(name, function.partition("[")[0]) for name in names)


def test_duplicate_id_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "skips.toml"
    file.write_text('[[reason]]\nid = "a"\nwhy = "b"\ntests = ["*"]\nmax = 1\n' * 2)
    with pytest.raises(MatrixError, match="an id is there twice"):
        ledger.read_reasons(file)
