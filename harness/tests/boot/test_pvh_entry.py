# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The PVH entry with states that QEMU does not produce, such as data above 4 GiB; emulated by a guest."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
TARGETS = ("x86_64-pvh", "x86_64")
HIGH = 4 << 30


def played(words: str, image: str = "hello", target: str = "x86_64-pvh", expect: str = "exit 0") -> RunSpec:
    """Return the boot of an image by a scenario, with further words, on a machine with RAM above 4 GiB."""
    scenario, _, append = words.partition(" ")
    plain = specs.release(image, "pc", target, append=append, memory="6G", expect=expect)
    return specs.with_simulator(plain, specs.PVH_SIMULATOR, scenario)


@pytest.mark.requirement("N-01", "N-02")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("scenario", ["good", "module-high", "all-high"])
def test_above_4_gib(scenario: str, target: str, boot_here: Boot) -> None:
    """Application, module list, command line and memory map may be above 4 GiB."""
    outcome = boot_here(played(f"{scenario} loader.log=debug", target=target))
    assert outcome.matches("exit 0"), str(outcome)
    assert f", {target}, pvh)".encode() in outcome.console
    assert b"[LOADER][ERROR]" not in outcome.console
    found = re.search(rb"Found module: \[(0x[0-9a-f]+) - ", outcome.console)
    assert found
    assert (int(found[1], 16) >= HIGH) == (scenario != "good")


@pytest.mark.requirement("N-01", "N-02")
@pytest.mark.parametrize("scenario", ["good", "all-high"])
def test_hand_over(scenario: str, boot_here: Boot) -> None:
    """Registers, tables, device tree and command line match the reference."""
    outcome = boot_here(played(f"{scenario} one -- two", "probe"))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"probe fdt compatible=<<<hermit,pvh>>>" in outcome.console
    assert b"probe fdt chosen/bootargs=<<<one -- two>>>" in outcome.console


@pytest.mark.requirement("N-01", "N-12")
@pytest.mark.parametrize("what", ["module", "list", "cmdline", "map"])
def test_unreachable_address_is_refused(what: str, boot_here: Boot) -> None:
    """An address that no CPU has is refused with one line that names it."""
    outcome = boot_here(played(f"{what}-beyond", expect="refused 87 start-state"))
    assert outcome.matches("refused 87 start-state"), str(outcome)
    (line,) = outcome.errors
    assert b"0x4000000000000" in line
