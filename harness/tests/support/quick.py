# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What `make check` runs: the cells that must run, the loader's host tests, and the short tests of the harness."""

from __future__ import annotations

from collections.abc import Collection

SELF_TESTS = frozenset({"harness", "lint", "meta", "readme"})  # directories of tests of the harness itself
HOST_TESTS = "boot/test_host_tests.py::test_all"


def is_quick(test: str, cell: str, must_run: Collection[str], long: Collection[str]) -> bool:
    """Return whether `make check` runs a test. `cell` is empty for a test without one; `long` names the long tests."""
    if cell:
        return cell in must_run
    return test == HOST_TESTS or (test.split("/")[0] in SELF_TESTS and test not in long)
