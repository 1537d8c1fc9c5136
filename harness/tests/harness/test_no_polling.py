# SPDX-License-Identifier: Apache-2.0 OR MIT
"""No code in harness/ waits for a time: no sleep, no polling with an interval.

Each wait is for an event, with a deadline. Popen as a context manager has none: tests use background().
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT

SOURCES = sorted(path for path in (ROOT / "harness").rglob("*.py"))
SLEEPS = {"sleep", "usleep", "nanosleep", "sched_wait"}
# Calls with a time argument, and its position. A literal time inside a loop is an interval.
WAITS = {"select": 3, "poll": 0, "wait": 0, "join": 0}


def offences(text: str) -> Iterator[str]:
    """Return each place where this source waits for a time."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node) in SLEEPS:
            yield f"line {node.lineno}: {_name(node)}"
        if isinstance(node, ast.ImportFrom) and any(alias.name in SLEEPS for alias in node.names):
            yield f"line {node.lineno}: imports a sleep"
        if isinstance(node, ast.While | ast.For):
            yield from _intervals(node)
        call = node.context_expr if isinstance(node, ast.withitem) else None
        if isinstance(call, ast.Call) and _name(call) == "Popen":
            yield f"line {call.lineno}: `with Popen` waits for ever when its block fails"


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _intervals(loop: ast.While | ast.For) -> Iterator[str]:
    for node in ast.walk(loop):
        if not isinstance(node, ast.Call) or _name(node) not in WAITS:
            continue
        times = [word.value for word in node.keywords if word.arg == "timeout"]
        index = WAITS[_name(node)]
        if index == 3 and len(node.args) == 1:
            index = 0  # select(timeout) of a selector
        times += node.args[index : index + 1]
        literal = any(isinstance(t, ast.Constant) and isinstance(t.value, int | float) and t.value > 0 for t in times)
        if isinstance(loop, ast.For) and _name(node) in ("wait", "join"):
            literal = False  # several ends one after the other, each with its deadline
        bare_poll = _name(node) == "poll" and not node.args and isinstance(loop, ast.While)
        if literal or bare_poll:
            yield f"line {node.lineno}: {_name(node)} with a fixed interval in a loop"


@pytest.mark.requirement("P-11")
@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)) if isinstance(path, Path) else None
)
def test_waits_on_events(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(1)",
        "from time import sleep",
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)",
        "while child.poll() is None:\n    pass",
        "while True:\n    select.select([a], [], [], 0.1)",
        "while True:\n    event.wait(0.1)",
        "for _ in range(9):\n    selector.select(timeout=0.5)",
        "with subprocess.Popen(argv) as child:\n    assert child.stdout",
    ],
)
def test_the_rule_catches(text: str) -> None:
    assert list(offences(text))


@pytest.mark.parametrize(
    "text", ["while True:\n    selector.select(until - now)", "select.select([a], [], [], 5)", "','.join(x)"]
)
def test_the_rule_lets_pass(text: str) -> None:
    assert not list(offences(text))
