# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A CPU that lacks what a kernel needs: the report names the feature, whatever the kernel says itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix import ledger, specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
# No rdrand, no xsaveopt.
OLDER_MANUALS = "qemu64,apic,fsgsbase,rdtscp,xsave,fxsr"
FEATURES = ["fsgsbase", "rdtscp", "xsave", "fxsr", "apic"]


def told(outcome: Outcome) -> str:
    """The report: cause, hint, notes, and the kernel's own last words."""
    words = outcome.console.decode("utf-8", "replace").splitlines()[-8:]
    return " ".join((outcome.cause, outcome.hint, *outcome.notes, *words)).lower()


@pytest.mark.requirement("R-07", "W-04")
@pytest.mark.parametrize("kernel", ["0.10.0", "0.11.0"])
@pytest.mark.parametrize("feature", FEATURES)
def test_missing_feature_is_named(feature: str, kernel: str, boot_here: Boot) -> None:
    """Taken away one by one from a CPU that has all: what the real kernel cannot do without, the report
    names; what it can, changes nothing."""
    outcome = boot_here(specs.release(f"real-hello-{kernel}", cpu=f"Skylake-Client,+fsgsbase,-{feature}"))
    if feature != "fsgsbase" and outcome.matches("exit 0"):
        return
    assert feature in told(outcome), f"{outcome}; {told(outcome)}"
    assert outcome.verdict in ("panic", "crash", "refused", "wrong-exit")


@pytest.mark.requirement("R-07")
def test_what_is_switched_off_is_named(boot_here: Boot) -> None:
    """Where neither the guest nor an instruction tells what is missing, the report names what the person took
    away, APIC, say: kernels that want it fail over something else."""
    outcome = boot_here(specs.release("fault", cpu="Skylake-Client,-apic", expect="exit 0"))
    assert outcome.verdict == "crash"
    assert "-cpu switches off apic, which may be why" in outcome.cause


@pytest.mark.requirement("W-04")
def test_kernel_without_fsgsbase_needs_no_fsgsbase(boot_here: Boot) -> None:
    """Built without the feature, it runs on a CPU that lacks it."""
    outcome = boot_here(specs.release("real-hello-0.11.0-nofsgsbase", cpu="Skylake-Client,-fsgsbase"))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("R-05")
def test_loader_itself_needs_little(boot_here: Boot) -> None:
    """The plainest 64-bit CPU is enough for the loader and a bare app."""
    outcome = boot_here(specs.release("hello", cpu="qemu64"))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("W-20")
@pytest.mark.parametrize("on", ["x86_64-multiboot", "x86_64", "x86_64-pvh", "x86_64-uefi"])
def test_older_manuals_cpu(on: str, boot_here: Boot) -> None:
    """A CPU that its older line names, with neither rdrand nor xsaveopt, is enough for the loader: an application
    that asks for no more gets its whole machine."""
    outcome = boot_here(specs.release("probe", on=on, cpu=OLDER_MANUALS))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("M-18", "W-19")
def test_older_manuals_cpu_and_the_real_kernel(boot_here: Boot) -> None:
    """The kernel, too, wants no more; but QEMU stops where it switches on XSAVE. With xsaveopt, which the
    line does not name, it boots."""
    spec = specs.release("real-hello-0.11.0", cpu=f"{OLDER_MANUALS},xsaveopt")
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    outcome = boot_here(replace(spec, cpu=OLDER_MANUALS, cpu_seconds=5.0))
    known = ledger.erratum_for("boot/older-manuals-cpu", str(outcome))
    assert known.instead if known else outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("R-07", "N-12")
def test_cpu_without_long_mode_is_refused(boot_here: Boot) -> None:
    """A 32-bit CPU gets a line and a number, not a triple fault."""
    outcome = boot_here(specs.release("hello", cpu="qemu64,-lm", expect="refused 97 cpu-no-long-mode"))
    assert outcome.matches("refused 97 cpu-no-long-mode"), str(outcome)
