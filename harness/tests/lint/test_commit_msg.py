# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The commit-msg hook accepts the form that CONTRIBUTING.md asks for, and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT


def check(directory: Path, message: str) -> subprocess.CompletedProcess[str]:
    file = directory / "message"
    file.write_text(message, encoding="utf-8")
    return subprocess.run([ROOT / "ci/commit-msg", file], capture_output=True, text=True, check=False, timeout=20)


@pytest.mark.parametrize(
    "message",
    [
        "loader: check the segment count\n\nA file with 65536 segments overflowed the sum.\n",
        "style: format C\n\nOne style.\n# a comment of git\n",
        "fixup! loader: check\n",
        "Merge branch 'main'\n",
        "ci: add a hook\n\nBody.\n# ------------------------ >8 ------------------------\ndiff\n",
    ],
)
def test_accepted(tmp_path: Path, message: str) -> None:
    """An area, an imperative, and a body; git's own subjects as they are."""
    done = check(tmp_path, message)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Check the segment count\n\nBody.\n", "area: imperative"),
        ("kernel: check\n\nBody.\n", "area: imperative"),
        (f"loader: {'x' * 65}\n\nBody.\n", "73 characters"),
        ("loader: check the count.\n\nBody.\n", "period"),
        ("loader: check the count\nBody.\n", "second line"),
        ("loader: check the count\n", "body is missing"),
        ("loader: check the count\n\n# only a comment\n", "body is missing"),
    ],
)
def test_rejected(tmp_path: Path, message: str, reason: str) -> None:
    """The first line names the rule."""
    done = check(tmp_path, message)
    assert done.returncode == 1
    assert reason in done.stderr.splitlines()[0]
