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
from dataclasses import dataclass
from pathlib import Path

from hermit_harness.matrix.table import HARNESS
from hermit_harness.report.text import table

MARKER = "pytest.mark.requirement"


@dataclass(frozen=True)
class Requirement:
    """One requirement. `state` is "" if tests verify it; otherwise it says why none does."""

    id: str
    text: str
    state: str = ""


def every_requirement(path: Path | None = None) -> list[Requirement]:
    """Return all requirements in the order of the file."""
    data = tomllib.loads((path or HARNESS / "tests" / "meta" / "requirements.toml").read_text(encoding="utf-8"))
    found = [Requirement(key, text) for key, text in data["requirements"].items()]
    for issue, rows in data.get("open", {}).items():
        found += [Requirement(key, text, f"open: {issue}") for key, text in rows.items()]
    for key, row in data.get("impossible", {}).items():
        found.append(Requirement(key, row["text"], f"impossible here: {row['evidence']}"))
    return found


def requirements(path: Path | None = None) -> dict[str, str]:
    """Return the sentence of each requirement that tests verify, by its id."""
    return {row.id: row.text for row in every_requirement(path) if not row.state}


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


def tests_by_requirement(directory: Path | None = None) -> dict[str, list[str]]:
    """Return the tests that name each id, as path::function relative to the directory of tests."""
    top = directory or HARNESS / "tests"
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
    rows, tests = every_requirement(), tests_by_requirement()
    lines = []
    for row in rows:
        first, *more = [row.state] if row.state else tests.get(row.id) or ["-- no test --"]
        lines += [(row.id, row.text, first), *[("", "", test) for test in more]]
    print("\n".join(table(("id", "requirement", "tests"), lines)))
    missing = untested(requirements(), tests)
    still_open = sum(row.state.startswith("open") for row in rows)
    verified = sum(not row.state for row in rows) - len(missing)
    print(
        f"\n{len(rows)} requirements: {verified} with a test, {still_open} open, "
        f"{len(rows) - verified - still_open - len(missing)} impossible here"
        + (f"; without a test: {', '.join(missing)}" if missing else "")
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
