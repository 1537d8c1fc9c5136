# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The 64-bit Linux entry with the state that Firecracker and other VMMs leave, emulated by a guest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
TARGETS = ("x86_64-linux", "x86_64")
GOOD = (
    "good",
    "unaligned",
    "map-types",
    "cmdline-none",
    "cmdline-bounded",
    "cmdline-size-most",
    "rsdp",
    "rsdp-none-there",
    "cpu-rich",
)
REFUSED = {
    "ramdisk-none": "refused 65 no-module",
    "ramdisk-beyond": "refused 87 start-state",
    "ramdisk-wraps": "refused 87 start-state",
    "no-flag": "refused 87 start-state",
    "no-header": "refused 87 start-state",
    "params-null": "refused 87 start-state",
    "params-beyond": "refused 87 start-state",
    "map-none": "refused 89 memory-map-missing",
    "map-empty": "refused 89 memory-map-empty",
    "map-beyond": "refused 89 memory-map-too-long",
    "map-wraps": "refused 89 memory-map-malformed",
    "cmdline-not-utf8": "refused 93 cmdline-not-utf8",
    "cmdline-beyond": "refused 87 start-state",
}


def played(
    words: str, image: str = "hello", target: str = "x86_64-linux", memory: str = "128M", expect: str = "exit 0"
) -> RunSpec:
    """Return the boot of an image by a scenario, with further words."""
    scenario, _, append = words.partition(" ")
    plain = specs.release(image, "pc", target, append=append, memory=memory, expect=expect)
    return specs.with_simulator(plain, specs.LINUX_SIMULATOR, scenario)


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("scenario", GOOD)
def test_valid_state_boots(scenario: str, target: str, boot_here: Boot) -> None:
    """All that the protocol allows boots, including unaligned addresses and unusual control registers."""
    outcome = boot_here(played(f"{scenario} word", target=target))
    assert outcome.matches("exit 0"), str(outcome)
    assert f", {target}, linux64)".encode() in outcome.console
    assert b"[LOADER][ERROR]" not in outcome.console


@pytest.mark.requirement("N-01", "L-06")
def test_debug_build(boot_here: Boot) -> None:
    spec = specs.release("probe", "pc", "x86_64-linux")
    file = loader_file("x86_64-linux", "debug")
    spec = replace(spec, loader=file, loader_debug=specs.debug_file(file))
    outcome = boot_here(specs.with_simulator(spec, specs.LINUX_SIMULATOR, "good loader.log=debug"))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"Enabled features: linux64, debug" in outcome.console


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("scenario", ["ramdisk-high", "all-high"])
def test_above_4_gib(scenario: str, boot_here: Boot) -> None:
    """RAM disk, command line and zero page may be above 4 GiB (ext_ fields)."""
    outcome = boot_here(played(scenario, memory="6G"))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("scenario", REFUSED)
def test_invalid_state_is_refused(scenario: str, boot_here: Boot) -> None:
    """A refusal is one line with its status."""
    outcome = boot_here(played(scenario, expect=REFUSED[scenario]))
    assert outcome.matches(REFUSED[scenario]), str(outcome)
    assert outcome.console.count(b"[LOADER][ERROR]") == 1


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("scenario", ["good", "unaligned", "rsdp", "cpu-rich"])
def test_hand_over(scenario: str, boot_here: Boot) -> None:
    """Registers, tables, device tree and zero page match the reference in each scenario."""
    outcome = boot_here(played(f"{scenario} one -- two", "probe"))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"probe fdt compatible=<<<hermit,linux>>>" in outcome.console
    assert b"probe fdt chosen/bootargs=<<<one -- two>>>" in outcome.console
    assert (b"hermit,rsdp" in outcome.console) == (scenario == "rsdp")


@pytest.mark.requirement("N-03")
def test_only_type_1_is_ram(boot_here: Boot) -> None:
    """ACPI, reserved, bad and unknown memory does not become RAM.

    The probe counts one line as wrong: the nodes differ from the zero page's ranges.
    """
    outcome = boot_here(played("map-types", "probe", expect="exit 1"))
    assert outcome.matches("exit 1"), str(outcome)
    assert b"probe memory nodes=differ" in outcome.console
    reported = [
        range(int(start, 16), int(end, 16))
        for start, end in re.findall(rb"probe fdt memory@[0-9a-f]+=(0x[0-9a-f]+)\.\.(0x[0-9a-f]+)", outcome.console)
    ]
    pages = range(0x180000 + 2 * 0x2000, 0x180000 + 15 * 0x2000, 0x1000)
    assert [any(page in one for one in reported) for page in pages] == [page // 0x1000 % 2 == 1 for page in pages]


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("scenario", ["good", "cmdline-bounded", "cmdline-size-most"])
def test_command_line_ends_at_its_size_or_its_nul(scenario: str, boot_here: Boot) -> None:
    """The length field may include the NUL or not, or be a maximum."""
    outcome = boot_here(played(f"{scenario} -- one two", "args"))
    assert outcome.matches("exit 0"), str(outcome)
    assert outcome.console.count(b" length=10\n<<<-- one two>>>") == 2


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("version", ["0.10.0", "0.11.0"])
def test_real_kernels(version: str, boot_here: Boot) -> None:
    """Real Hermit kernels boot."""
    outcome = boot_here(played("good", f"real-hello-{version}"))
    assert outcome.matches("exit 0"), str(outcome)
