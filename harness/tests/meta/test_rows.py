# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of promises and the tests that show them."""

from __future__ import annotations

from hermit_harness.report import rows


def test_every_row_has_a_test() -> None:
    """A row without a test is listed, and this fails."""
    assert rows.untested(rows.rows(), rows.tests_by_row()) == []


def test_no_test_names_a_row_that_is_not_there() -> None:
    """A typing error in an id would let a row look tested."""
    assert sorted(set(rows.tests_by_row()) - set(rows.rows())) == []


def test_names_and_docstrings_are_read() -> None:
    found = rows.named(
        'def test_l07_line():\n    pass\n\ndef test_b():\n    """L-12, N-30: x."""\n\ndef help():\n    """L-99"""\n'
    )
    assert found == {"test_l07_line": {"L-07"}, "test_b": {"L-12", "N-30"}}


def test_a_row_without_a_test_is_found() -> None:
    assert rows.untested(["L-01", "L-02"], {"L-01": ["x"]}) == ["L-02"]
