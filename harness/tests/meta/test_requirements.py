# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of requirements and the tests that verify them."""

from __future__ import annotations

from hermit_harness.report import requirements


def test_every_requirement_has_a_test() -> None:
    assert requirements.untested(requirements.requirements(), requirements.tests_by_requirement()) == []


def test_every_marker_names_a_known_requirement() -> None:
    """A typing error in an id would otherwise go unnoticed."""
    assert sorted(set(requirements.tests_by_requirement()) - set(requirements.requirements())) == []


def test_markers_are_read_from_source() -> None:
    found = requirements.marked(
        '@pytest.mark.requirement("L-07")\ndef test_a():\n    pass\n\n'
        '@pytest.mark.requirement("L-12", "N-30")\n@pytest.mark.slow\ndef test_b():\n    """L-98."""\n\n'
        '@pytest.mark.requirement("L-99")\ndef helper():\n    pass\n\ndef test_c():\n    pass\n'
    )
    assert found == {"test_a": {"L-07"}, "test_b": {"L-12", "N-30"}}


def test_untested_requirement_is_found() -> None:
    assert requirements.untested(["L-01", "L-02"], {"L-01": ["x"]}) == ["L-02"]
