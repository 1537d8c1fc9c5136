# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's host tests, as `make host-test` runs them alone."""

from __future__ import annotations

import re
import subprocess

import pytest

from hermit_harness.matrix.prerequisites import make
from hermit_harness.paths import BUILD, ROOT

PROGRAM = BUILD / "host" / "loader-test"
MAX_CPU_SECONDS = 300  # it takes 20


@pytest.mark.requirement("N-12", "P-02")
def test_all() -> None:
    """All suites pass, among them `rules`: some test was refused by each rule that a host can break."""
    make("-f", "loader/loader.mk", "-s", str(PROGRAM.relative_to(ROOT)))
    # CPU time: a busy machine takes longer for the same work.
    limited = ["prlimit", f"--cpu={MAX_CPU_SECONDS}", str(PROGRAM)]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d{3} passed, 0 failed$", done.stdout, re.M)


@pytest.mark.requirement("N-12", "P-02")
def test_fuzz_inputs() -> None:
    """Seeds and earlier findings of each fuzz target, replayed without libFuzzer, under the same sanitizers."""
    make("-f", "loader/loader.mk", "MISSING=quiet", "replay")
    done = subprocess.run(["ci/fuzz.sh", "replay"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    replayed = dict(re.findall(r"^(\w+): (\d+) replayed$", done.stdout, re.M))
    assert len(replayed) == 13 and all(int(number) > 0 for number in replayed.values())
