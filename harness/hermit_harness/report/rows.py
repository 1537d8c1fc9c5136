# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which promise is shown by which test: rows.toml against the names and docstrings of the tests.

A test names a row by its id (L-07) in its docstring, or by l07 between underscores in its name.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

from hermit_harness.matrix.table import HARNESS
from hermit_harness.report.text import table

_ID = re.compile(r"\b([A-Z]{1,2})-(\d{2})\b")
_NAME = re.compile(r"(?:^|_)([lnrwmp])(\d{2})(?=_|$)")


def rows(path: Path | None = None) -> dict[str, str]:
    """Id -> what it promises, in the order of the file."""
    data = tomllib.loads((path or HARNESS / "tests" / "meta" / "rows.toml").read_text(encoding="utf-8"))
    return {str(key): str(value) for key, value in data["rows"].items()}


def named(source: str) -> dict[str, set[str]]:
    """Test function -> ids that it names, for one file's text."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        ids = {f"{kind}-{number}" for kind, number in _ID.findall(ast.get_docstring(node) or "")}
        ids |= {f"{kind.upper()}-{number}" for kind, number in _NAME.findall(node.name)}
        if ids:
            found[node.name] = ids
    return found


def tests_by_row(folder: Path | None = None) -> dict[str, list[str]]:
    """Id -> tests that name it, as path::function below the tests' folder."""
    top = folder or HARNESS / "tests"
    by_row: dict[str, list[str]] = {}
    for path in sorted(top.rglob("test_*.py")):
        for test, ids in named(path.read_text(encoding="utf-8")).items():
            for row in ids:
                by_row.setdefault(row, []).append(f"{path.relative_to(top)}::{test}")
    return by_row


def untested(known: Iterable[str], by_row: dict[str, list[str]]) -> list[str]:
    return [row for row in known if row not in by_row]


def main() -> int:
    """Print the table; exit status 1 when a row has no test."""
    known, by_row = rows(), tests_by_row()
    lines = []
    for row, text in known.items():
        tests = by_row.get(row) or ["-- no test names it --"]
        lines += [(row, text, tests[0]), *[("", "", test) for test in tests[1:]]]
    print("\n".join(table(("row", "promise", "tests"), lines)))
    missing = untested(known, by_row)
    print(
        f"\n{len(known)} rows, {len(known) - len(missing)} named by a test"
        + (f"; without: {', '.join(missing)}" if missing else "")
    )
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
