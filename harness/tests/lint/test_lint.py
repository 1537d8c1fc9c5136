# SPDX-License-Identifier: Apache-2.0 OR MIT
"""House rules that no compiler and no linter knows: nothing too long to read, nothing fixed that two runs share."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT

PYTHON = sorted((ROOT / "harness").rglob("*.py"))
C = sorted(path for top in ("loader", "fixtures") for path in (ROOT / top).rglob("*.[ch]"))
SHELL = sorted(path for top in ("ci", "fixtures", "netsetup") for path in (ROOT / top).rglob("*.sh"))
FIXED_PORT = re.compile(r"tcp:[\w.]*:\d{3,5}\b")


def name(path: object) -> str:
    return str(path.relative_to(ROOT)) if isinstance(path, Path) else str(path)


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_python(path: Path) -> None:
    """No shell=True, bare except or fixed port; functions under 60 lines, files under 450. (Sleeps: tests/harness.)"""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") < 450
    for call in calls(tree):
        assert not any(word.arg == "shell" and ast.unparse(word.value) == "True" for word in call.keywords), call.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is too long"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"line {node.lineno}: bare except"
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.parent.name != "lint":
            assert not FIXED_PORT.search(node.value), f"line {node.lineno}: a fixed port"


def c_functions(text: str) -> Iterator[tuple[int, int]]:
    """First line and number of lines of each function body, as this tree formats them: braces in column one."""
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            yield start, number - start
            start = 0


@pytest.mark.parametrize("path", C, ids=name)
def test_c(path: Path) -> None:
    """Functions under 60 lines, files under 500."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") < 500
    for start, length in c_functions(text):
        assert length < 60, f"line {start}: {length} lines"


@pytest.mark.parametrize("path", SHELL, ids=name)
def test_shell(path: Path) -> None:
    """No sleep in scripts either."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        assert not re.match(r"\s*sleep\b", line), f"line {number}: wait for an event instead"
