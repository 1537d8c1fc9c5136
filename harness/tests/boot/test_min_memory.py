# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Minimum memory: each application boots with the recorded size and not with less."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.matrix import min_memory, specs
from hermit_harness.matrix.expand import cells
from hermit_harness.matrix.table import MinMemory, matrix, parse
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

RunCell = Callable[..., Outcome]
Boot = Callable[[RunSpec], Outcome]
# The most that each application may need in MiB: the minimum with the best known loader.
BUDGET = {"real-hello-0.10.0": 15, "real-hello-0.11.0": 15}
MULTIBOOT = "x86_64-multiboot"


@pytest.mark.requirement("L-11")
@pytest.mark.parametrize(
    "cell", cells("min-memory", "min-memory-pc", "min-memory-elf", "min-memory-others", "min-memory-aarch64"), ids=str
)
def test_minimum_memory_boots(cell: object, run_cell: RunCell) -> None:
    run_cell(cell)


@pytest.mark.requirement("L-11", "N-06")
@pytest.mark.parametrize(("target", "image"), [(on, image) for on, row in matrix().min_memory.items() for image in row])
def test_less_memory_does_not_boot(target: str, image: str, boot_here: Boot) -> None:
    """If this boots, record the smaller number in matrix.toml."""
    less = matrix().min_memory[target][image].fails_with
    outcome = boot_here(specs.release(image, target_name=target, memory=f"{less}M", cpu_seconds=5.0))
    assert not outcome.matches(specs.release(image, target_name=target).expect), (
        f"{image} boots with {less}M on {target}: the minimum memory in matrix.toml is too high"
    )


@pytest.mark.requirement("L-11")
@pytest.mark.parametrize("image", sorted(BUDGET))
def test_minimum_memory_is_within_the_budget(image: str, record_property: Callable[[str, object], None]) -> None:
    record_property("min_memory_mib", matrix().min_memory[MULTIBOOT][image].boots_with)
    assert matrix().min_memory[MULTIBOOT][image].boots_with <= BUDGET[image]


def test_changed_size_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A size that has changed is found by halving, from the recorded one, and replaces it in the file alone."""
    needed, tried = 5, []

    def boots(target: str, image: str, machine: str, mebibytes: int) -> bool:
        tried.append(mebibytes)
        return mebibytes >= needed

    monkeypatch.setattr(min_memory, "boots", boots)
    assert [min_memory.current("t", "i", MinMemory(size, size - 1)) for size in (5, 9, 3)] == [5, 5, 5]
    assert tried[:2] == [5, 4] and len(tried) < 20
    text = matrix().path.read_text(encoding="utf-8")
    changed = min_memory.with_size(text, MULTIBOOT, "real-hello-0.11.0", 99)
    assert parse(changed).min_memory[MULTIBOOT]["real-hello-0.11.0"].boots_with == 99
    assert parse(min_memory.with_size(changed, MULTIBOOT, "real-hello-0.11.0", 15)) == parse(text)
    with pytest.raises(ValueError, match=r"edit its range in matrix\.toml"):
        min_memory.with_size(text, "x86_64-uefi", "hello", 40)
