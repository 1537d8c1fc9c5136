# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A CPU without a feature that the kernel needs: the report names the feature."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from tests.support.errata import skip_known

Boot = Callable[[RunSpec], Outcome]
# without rdrand and xsaveopt
OLDER_MANUALS = "qemu64,apic,fsgsbase,rdtscp,xsave,fxsr"
FEATURES = ["fsgsbase", "rdtscp", "xsave", "fxsr", "apic"]
NEEDED = ["fsgsbase"]  # by the kernels here, as they are built


@pytest.mark.requirement("R-07", "W-04")
@pytest.mark.parametrize("kernel", ["0.10.0", "0.11.0"])
@pytest.mark.parametrize("feature", FEATURES)
def test_missing_feature_is_named(feature: str, kernel: str, boot_here: Boot) -> None:
    """Each feature is removed in turn. The report names the one that the kernels need; they boot without the others.

    What happens if an application uses an instruction of the others is in harness/test_postmortem.py.
    """
    outcome = boot_here(specs.release(f"real-hello-{kernel}", cpu=f"Skylake-Client,+fsgsbase,-{feature}"))
    if feature in NEEDED:
        assert outcome.matches("exit 1"), str(outcome)
        assert f"the guest says that it needs the CPU feature {feature}" in outcome.cause
    else:
        assert outcome.matches("exit 0"), f"{outcome}; {outcome.cause}"


@pytest.mark.requirement("R-07")
def test_disabled_feature_is_named(boot_here: Boot) -> None:
    """If neither console nor instruction shows the feature, the report names the disabled ones, for example APIC."""
    outcome = boot_here(specs.release("fault", cpu="Skylake-Client,-apic", expect="exit 0"))
    assert outcome.verdict == "crash"
    assert "-cpu switches off apic, which may be why" in outcome.cause


@pytest.mark.requirement("W-04")
def test_kernel_without_fsgsbase_needs_no_fsgsbase(boot_here: Boot) -> None:
    """A kernel built without fsgsbase runs on a CPU without it."""
    outcome = boot_here(specs.release("real-hello-0.11.0-nofsgsbase", cpu="Skylake-Client,-fsgsbase"))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("R-05")
def test_loader_needs_a_plain_64_bit_cpu(boot_here: Boot) -> None:
    """The loader and a bare application run on the simplest 64-bit CPU."""
    outcome = boot_here(specs.release("hello", cpu="qemu64"))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("W-20")
@pytest.mark.parametrize("on", ["x86_64-multiboot", "x86_64", "x86_64-pvh", "x86_64-linux", "x86_64-uefi"])
def test_former_manuals_cpu(on: str, boot_here: Boot) -> None:
    """The former manual's CPU has neither rdrand nor xsaveopt. Loader and bare application run, with all RAM."""
    spec = specs.release("probe", target_name=on, cpu=OLDER_MANUALS)
    if on == "x86_64-linux":  # QEMU cannot start it
        spec = specs.with_simulator(spec, specs.LINUX_SIMULATOR, "good")
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("M-18", "W-19")
def test_former_manuals_cpu_with_xsaveopt_and_the_real_kernel(boot_here: Boot) -> None:
    """The kernel needs no more, except for what QEMU needs to complete its XSETBV."""
    outcome = boot_here(specs.release("real-hello-0.11.0", cpu=f"{OLDER_MANUALS},xsaveopt"))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("M-18", "W-19")
def test_former_manuals_cpu_and_the_real_kernel(boot_here: Boot) -> None:
    """The same without xsaveopt, as the manual has it."""
    outcome = boot_here(specs.release("real-hello-0.11.0", cpu=OLDER_MANUALS, cpu_seconds=5.0))
    skip_known("boot/older-manuals-cpu", str(outcome))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("R-07", "N-12")
def test_cpu_without_long_mode_is_refused(boot_here: Boot) -> None:
    """A 32-bit CPU causes a refusal, not a triple fault."""
    outcome = boot_here(specs.release("hello", cpu="qemu64,-lm", expect="refused 97 cpu-no-long-mode"))
    assert outcome.matches("refused 97 cpu-no-long-mode"), str(outcome)
