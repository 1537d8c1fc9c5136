# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The second try of a red cell: it shows whether the failure repeats, and hides none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.report import plugin
from hermit_harness.testing import failure_text
from hermit_harness.verdict.outcome import Outcome


def boot_again(
    first: Outcome, expected: str, boot: Callable[[], Outcome] | None, record: Callable[[str, object], None]
) -> Outcome:
    """Boot a red cell once more, and record how both tries ended. Without `boot` there is no second try.

    Return the second outcome if it is the expected one and infrastructure failed at the first try. Otherwise fail.
    """
    if boot is None:
        pytest.fail(failure_text(first, expected), pytrace=False)
    second = boot()
    record(plugin.FIRST, str(first))
    record(plugin.AGAIN, str(second))
    if first.verdict == "infra" and second.matches(expected):
        return second
    pytest.fail(failure_text(first, expected) + f"\nat the second try: {second}", pytrace=False)
