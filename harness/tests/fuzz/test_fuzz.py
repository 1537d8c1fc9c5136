# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make fuzz` finds nothing in a minute per target (`make test LANE=fuzz`), and each planted fault of mutants.toml."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hermit_harness.matrix.prerequisites import make
from hermit_harness.paths import ROOT

SECONDS = 60


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("target", ["elf", "relocations", "devicetree", "linux64", "uefi_options", "boot"])
def test_no_finding(target: str, tmp_path: Path) -> None:
    """libFuzzer with sanitizers and the second readings, from the seeds on."""
    if os.environ.get("HERMIT_LANE") != "fuzz":
        pytest.skip("own-lane: a minute of a processor; `make test LANE=fuzz` runs it")
    make("-f", "loader/loader.mk", "MISSING=quiet", f"build/host/fuzz-{target}", "build/host/fuzz-seeds")
    done = subprocess.run(
        ["ci/fuzz.sh", "run", str(SECONDS), target], cwd=ROOT, env={**os.environ, "FUZZ_DIR": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
