# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of requirements and the tests that verify them."""

from __future__ import annotations

from collections import Counter

from hermit_harness.report import requirements


def test_every_requirement_has_a_test() -> None:
    assert requirements.untested(requirements.requirements(), requirements.tests_by_requirement()) == []


def test_every_marker_names_a_known_requirement() -> None:
    """A typing error in an id would otherwise go unnoticed.

    A test may name an open requirement, of which it verifies a part.
    """
    known = {row.id for row in requirements.every_requirement()}
    assert sorted(set(requirements.tests_by_requirement()) - known) == []


def test_every_requirement_has_one_state() -> None:
    """Each requirement is verified, open with its issue, or impossible with the evidence."""
    rows = requirements.every_requirement()
    count = Counter(row.id.partition("-")[0] for row in rows)
    assert count == {"L": 46, "C": 44, "CX": 21, "R": 18, "RX": 4, "W": 39, "M": 30, "N": 31, "P": 12}
    assert len({row.id for row in rows}) == len(rows)
    assert all(row.text and row.state != "open: " for row in rows)


def test_markers_are_read_from_source() -> None:
    found = requirements.marked(
        '@pytest.mark.requirement("L-07")\ndef test_a():\n    pass\n\n'
        '@pytest.mark.requirement("L-12", "N-30")\n@pytest.mark.slow\ndef test_b():\n    """L-98."""\n\n'
        '@pytest.mark.requirement("L-99")\ndef helper():\n    pass\n\ndef test_c():\n    pass\n'
    )
    assert found == {"test_a": {"L-07"}, "test_b": {"L-12", "N-30"}}


def test_untested_requirement_is_found() -> None:
    assert requirements.untested(["L-01", "L-02"], {"L-01": ["x"]}) == ["L-02"]
