# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A red cell is run again once, and the report shows both tries."""

from __future__ import annotations

import pytest

from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.report import plugin, text
from hermit_harness.verdict.outcome import Outcome
from tests.support.again import boot_again

GOOD = Outcome("pass", 0, "app", "bare", "", "", "", b"", 3, ())
HANG = Outcome("hang", None, "none", "bare", "nothing printed", "", "", b"", None, ())
NO_QEMU = Outcome("infra", None, "harness", "bare", "QEMU did not start", "", "", b"", None, ())


@pytest.mark.requirement("P-05")
@pytest.mark.parametrize(
    ("first", "second", "passes"),
    [(NO_QEMU, GOOD, True), (NO_QEMU, NO_QEMU, False), (HANG, GOOD, False), (HANG, HANG, False)],
    ids=["infrastructure", "infrastructure-twice", "flaky", "red"],
)
def test_only_infrastructure_may_pass_again(first: Outcome, second: Outcome, passes: bool) -> None:
    """A guest that fails once is red, whatever the second try shows; both tries are recorded."""
    tries: dict[str, object] = {}
    try:
        ended = boot_again(first, "exit 0", lambda: second, tries.__setitem__)
        assert (ended, passes) == (second, True)
    except pytest.fail.Exception as failure:
        assert not passes
        assert str(failure).startswith(f"{first}; expected exit 0")
        assert str(failure).endswith(f"at the second try: {second}")
    assert tries == {plugin.FIRST: str(first), plugin.AGAIN: str(second)}


@pytest.mark.requirement("P-05")
def test_both_tries_are_shown() -> None:
    """The report has both ends of each cell that was run again, also of one that passed."""
    report = pytest.TestReport(
        *("boot/test_cells.py::a", ("", 0, ""), {}, "passed", None, "call"),
        user_properties=[(plugin.CELL, "t/pc/tcg/a"), (plugin.FIRST, str(NO_QEMU)), (plugin.AGAIN, str(GOOD))],
    )
    passed = plugin.result_of(report, 0.5)
    failed = EndedTest("b", "t/pc/tcg/b", "failed", "hang: nothing printed; expected exit 0", 1.0, "app exit 0")
    assert text.second_tries([passed, failed, EndedTest("c", "", "failed", "x", 1.0)]) == [
        "passed t/pc/tcg/a: first infra: QEMU did not start; then app exit 0",
        "failed t/pc/tcg/b: first hang: nothing printed; expected exit 0; then app exit 0",
    ]
