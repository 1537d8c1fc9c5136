# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl as a user calls it: once, or in the background, for tests of its messages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hermit_harness.paths import ROOT
from tests.support.processes import MAX_SECONDS, background

# Tests use TCG unless they name another accelerator: KVM is not everywhere, and differs. No configuration of the user
# counts.
ENVIRONMENT = {key: value for key, value in os.environ.items() if not key.startswith("HERMIT_")} | {
    "HERMIT_ACCEL": "tcg",
    "XDG_CONFIG_HOME": os.devnull,
}
LineWith = Callable[[str], str]


def ctl(
    *words: object, cwd: Path | None = None, env: Mapping[str, str] | None = None, before: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Call hermitctl once, with an empty stdin. `before` are preceding words."""
    argv = [*before, sys.executable, "-m", "hermit_harness", *map(str, words)]
    return subprocess.run(
        argv, capture_output=True, text=True, errors="surrogateescape", check=False, timeout=120, cwd=cwd,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness")} | dict(env or {}), stdin=subprocess.DEVNULL,
    )  # fmt: skip


def checkout(tree: Path) -> Path:
    """Make a checkout with a directory of reports of its own. What this one has built is built there, too."""
    (tree / "build").mkdir(parents=True)
    for name in (path.name for path in ROOT.iterdir() if path.name not in ("build", "target", ".git")):
        (tree / name).symlink_to(ROOT / name)
    for name in ("fixtures", "release", "debug", "venv"):
        (tree / "build" / name).symlink_to(ROOT / "build" / name)
    return tree


@contextmanager
def hermitctl(
    *words: str,
    before: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    program: Sequence[str] = (sys.executable, "-m", "hermit_harness", "run"),
) -> Iterator[tuple[subprocess.Popen[str], LineWith]]:
    """Run hermitctl in the background until the block ends; `before` are preceding words.

    The yielded function waits for a line on stderr that contains a text. AssertionError shows all lines if there is
    none.
    """
    seen: list[str] = []

    def line_with(text: str) -> str:
        assert process.stderr is not None
        for line in process.stderr:
            seen.append(line)
            if text in line:
                return str(line).rstrip("\n")
        raise AssertionError("".join(seen))

    with background(
        # a test session that a shell starts with & ignores SIGINT, and so would this process
        ["env", "--default-signal=INT", *before, *program, *words], MAX_SECONDS, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **(variables or {})},
    ) as process:  # fmt: skip
        yield process, line_with
