# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The line that the first `make run` shows while it builds."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

from hermit_harness.paths import ROOT
from tests.support.cli import ENVIRONMENT
from tests.support.processes import background

PROGRESS = str(ROOT / "ci" / "progress.sh")


def on_a_terminal(home: Path, command: str) -> tuple[int, str]:
    """Run a step with a terminal as stderr; return its status and what the terminal got."""
    main, terminal = pty.openpty()
    env = ENVIRONMENT | {"XDG_CACHE_HOME": str(home), "V": ""}
    argv = [PROGRESS, "application", "sh", "-c", command]
    with background(argv, env=env, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal) as program:
        os.close(terminal)
        printed = b""
        while True:
            try:
                printed += os.read(main, 4096)
            except OSError:  # every program has closed the terminal
                break
        os.close(main)
        return program.wait(60), printed.decode()


def test_time_left(tmp_path: Path) -> None:
    """One line is written again each second. The next estimate is the time of this one, and a quick step is silent."""
    status, printed = on_a_terminal(tmp_path, "echo much output; sleep 2.5")
    assert status == 0 and "much output" not in printed and "\n" not in printed
    assert re.findall(r"building the application: (\d) s, about (\d+) s left", printed)[:2] == [
        ("1", "199"),
        ("2", "198"),
    ]
    assert printed.endswith("\r\x1b[K")
    step, seconds = (tmp_path / "hermit-harness" / "times").read_text().split()
    assert step == "application" and int(seconds) in (2, 3, 4)
    assert on_a_terminal(tmp_path, "true") == (0, "\r\x1b[K")


def test_failure_and_other_streams(tmp_path: Path) -> None:
    """A failed step shows what it has printed; a stream that is no terminal gets the output as it is."""
    status, printed = on_a_terminal(tmp_path, "echo why; exit 3")
    assert (status, printed.strip().endswith("why")) == (3, True)
    done = subprocess.run(
        [PROGRESS, "loader", "sh", "-c", "echo one; echo two >&2; exit 4"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, "one\n", "two\n")
