# SPDX-License-Identifier: Apache-2.0 OR MIT
"""-initrd with no, one and two modules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]


@pytest.mark.requirement("L-09")
@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_second_module_causes_a_warning(machine: str, boot_here: Boot) -> None:
    """The first module boots; one warning names the second."""
    outcome = boot_here(replace(specs.release("hello", machine), modules=(images()["panic"].path,)))
    assert outcome.matches("exit 0"), str(outcome)
    warnings = [line for line in outcome.console.splitlines() if b"[LOADER][WARN]" in line]
    assert len(warnings) == 1
    assert b"module" in warnings[0]


@pytest.mark.requirement("L-09")
@pytest.mark.parametrize("machine", ["pc", "q35", "microvm"])
def test_missing_module_is_refused(machine: str, boot_here: Boot) -> None:
    """The line has its own status and shows the QEMU option."""
    outcome = boot_here(replace(specs.release("hello", machine), app=None, expect="refused 65 no-module"))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    errors = [line for line in outcome.console.splitlines() if b"[LOADER][ERROR]" in line]
    assert len(errors) == 1
    assert b"-initrd" in errors[0]
    assert outcome.qemu_status == 65


@pytest.mark.requirement("L-09")
def test_comma_in_the_files_name(boot_here: Boot, tmp_path: Path) -> None:
    """A comma in an application's path does not split the module."""
    odd = tmp_path / "an,app,with,commas"
    odd.write_bytes(images()["hello"].path.read_bytes())
    outcome = boot_here(replace(specs.release("hello"), app=odd))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"[LOADER][WARN]" not in outcome.console
