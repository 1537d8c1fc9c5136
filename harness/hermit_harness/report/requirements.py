# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Map each requirement of requirements.toml to the tests that verify it.

A test names its requirements with @pytest.mark.requirement("L-07", "P-09"). The map is read from the source, so that
it needs neither a collection nor fixtures.
"""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from hermit_harness.matrix.table import HARNESS
from hermit_harness.report.text import table

MARKER = "pytest.mark.requirement"


def requirements(path: Path | None = None) -> dict[str, str]:
    """Return each requirement's sentence by its id, in the order of the file."""
    data = tomllib.loads((path or HARNESS / "tests" / "meta" / "requirements.toml").read_text(encoding="utf-8"))
    return {str(key): str(value) for key, value in data["requirements"].items()}


def marked(source: str) -> dict[str, set[str]]:
    """Return the ids that each test function of one file names."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        ids = {str(ast.literal_eval(argument)) for call in _markers(node) for argument in call.args}
        if ids:
            found[node.name] = ids
    return found


def _markers(function: ast.FunctionDef) -> Iterable[ast.Call]:
    calls = (decorator for decorator in function.decorator_list if isinstance(decorator, ast.Call))
    return (call for call in calls if ast.unparse(call.func) == MARKER)


def tests_by_requirement(folder: Path | None = None) -> dict[str, list[str]]:
    """Return the tests that name each id, as path::function relative to the folder of tests."""
    top = folder or HARNESS / "tests"
    tests: dict[str, list[str]] = {}
    for path in sorted(top.rglob("test_*.py")):
        for test, ids in marked(path.read_text(encoding="utf-8")).items():
            for requirement in ids:
                tests.setdefault(requirement, []).append(f"{path.relative_to(top)}::{test}")
    return tests


def untested(known: Iterable[str], tests: dict[str, list[str]]) -> list[str]:
    """Return the known ids that no test names."""
    return [requirement for requirement in known if requirement not in tests]


def main() -> int:
    """Print the table; return 1 if a requirement has no test."""
    known, tests = requirements(), tests_by_requirement()
    lines = []
    for requirement, text in known.items():
        first, *more = tests.get(requirement) or ["-- no test --"]
        lines += [(requirement, text, first), *[("", "", test) for test in more]]
    print("\n".join(table(("id", "requirement", "tests"), lines)))
    missing = untested(known, tests)
    print(
        f"\n{len(known)} requirements, {len(known) - len(missing)} with a test"
        + (f"; without: {', '.join(missing)}" if missing else "")
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
