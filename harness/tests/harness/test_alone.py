# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Two `make run` at once in one tree: one builds, and the other one waits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT
from tests.support.processes import background


@pytest.fixture
def alone(tmp_path: Path) -> list[str]:
    """Return the script in a tree of its own."""
    (tmp_path / "ci").mkdir()
    return [str(shutil.copy(ROOT / "ci" / "alone.sh", tmp_path / "ci"))]


def test_second_command_waits(alone: list[str]) -> None:
    """The second command reports that it waits, and continues when the first one ends. Its exit status is right."""
    argv = [*alone, "sh", "-c", "echo in; read -r line"]
    with background(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdin is not None and first.stdout is not None
        assert first.stdout.readline() == b"in\n"
        with background([*alone, "sh", "-c", "exit 7"], stderr=subprocess.PIPE) as second:
            assert second.stderr is not None
            assert second.stderr.readline().startswith(b"Another make is building in this checkout")
            first.stdin.close()
            assert second.wait(60) == 7
        assert first.wait(60) == 1, "`read` saw the end of its input"


def test_background_process_holds_no_lock(alone: list[str]) -> None:
    """A server that a build started keeps no lock."""
    done = subprocess.run([*alone, "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"], capture_output=True, check=True)
    try:
        subprocess.run([*alone, "true"], check=True, timeout=30)
    finally:
        os.kill(int(done.stdout), signal.SIGKILL)
