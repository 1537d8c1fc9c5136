# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The sabotages as data: enough of them, each with its patch, each patch still fits the loader. `make mutants` runs
them.
"""

from __future__ import annotations

import subprocess

import pytest

from hermit_harness.matrix import expand, probe
from hermit_harness.mutants.__main__ import Mutant, mutants
from hermit_harness.paths import ROOT


def test_enough_and_each_with_a_cell_that_exists() -> None:
    found = mutants()
    assert len(found) >= 12
    planned = {cell.id for cell in expand.planned(probe.Probe()).cells()}
    assert [mutant.cell for mutant in found if mutant.cell and mutant.cell not in planned] == []
    assert [
        mutant.test
        for mutant in found
        if mutant.test and not (ROOT / "harness" / "tests" / mutant.test.split("::")[0]).is_file()
    ] == []


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_patch_fits_and_is_small(mutant: Mutant) -> None:
    text = mutant.patch.read_text(encoding="utf-8")
    changed = [line for line in text.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    assert 1 <= len(changed) <= 3
    done = subprocess.run(
        ["patch", "--dry-run", "-s", "-p1", "-i", str(mutant.patch)], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
