# SPDX-License-Identifier: Apache-2.0 OR MIT
"""How a run ends: QEMU's exit status, and which program caused it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.spec import RunSpec
from tests.support.qemu import run_qemu

Boot = Callable[[RunSpec], Outcome]
MACHINES = ["pc", "q35", "microvm", "microvm-acpi-off"]


@pytest.mark.requirement("L-12", "P-11")
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("status", "qemu"), [(0, 3), (1, 1), (42, 1), (255, 1)])
def test_debug_exit_codes(machine: str, status: int, qemu: int, boot_here: Boot) -> None:
    """QEMU exits with 3 for status 0 and with 1 for any other; the console has the status itself."""
    outcome = boot_here(specs.release("exit", machine, append=f"-- {status}", expect=f"exit {status}"))
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert (outcome.qemu_status, outcome.origin) == (qemu, "app")
    assert str(outcome) == f"app exit {status}"


@pytest.mark.requirement("L-13", "P-11")
def test_three_causes_of_qemus_status_1(boot_here: Boot) -> None:
    """A failed guest, a refusal and a QEMU that did not start are three verdicts, although each involves status 1."""
    failed = boot_here(specs.release("exit", append="-- 1"))
    refused = boot_here(replace(specs.release("hello"), app=None))
    never = boot_here(replace(specs.release("hello"), loader=loader_file().with_name("no-such-file")))
    assert [one.origin for one in (failed, refused, never)] == ["app", "loader", "qemu"]
    assert [one.verdict for one in (failed, refused, never)] == ["wrong-exit", "refused", "infra"]
    assert [one.qemu_status for one in (failed, refused, never)] == [1, 65, 1]


@pytest.mark.requirement("L-13", "P-11")
def test_application_with_a_refusals_status(boot_here: Boot) -> None:
    """Status 67 and a forged loader line, printed after the hand-over, belong to the application."""
    outcome = boot_here(specs.release("exit", append="-- forge"))
    assert str(outcome) == "app exit 67"
    assert b"[LOADER][ERROR] 67" in outcome.console


@pytest.mark.requirement("L-14")
@pytest.mark.parametrize("status", [0, 7])
def test_without_the_exit_device(status: int, boot_here: Boot) -> None:
    """The status comes from the application's line, and the verdict reports the missing device."""
    spec = specs.release("exit", append=f"-- {status}", debug_exit=False, expect=f"exit {status}")
    outcome = boot_here(spec)
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert re.search("debug-exit", " ".join((outcome.cause, outcome.hint, *outcome.notes)))


@pytest.mark.requirement("L-14")
@pytest.mark.parametrize("status", [0, 7])
def test_real_kernel_without_the_exit_device(status: int, boot_here: Boot) -> None:
    """A real kernel powers off with ACPI or ends in a triple fault; its own line carries the status."""
    outcome = boot_here(
        specs.release("real-exit-0.11.0", append=f"-- {status}", debug_exit=False, expect=f"exit {status}")
    )
    assert outcome.matches(f"exit {status}"), str(outcome)
    assert re.search("ended by (reset|power)", outcome.cause)


@pytest.mark.requirement("W-03")
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_acpi_powers_off(machine: str) -> None:
    """Without the exit device and -no-reboot, QEMU exits with 0 because the kernel powers the machine off."""
    argv = standalone_argv(specs.release("real-exit-0.11.0", machine, append="-- 7", debug_exit=False))
    done = run_qemu([word for word in argv if word != "-no-reboot"], seconds=30.0)
    assert done.returncode == 0
    assert b"exit status 7" in done.stdout
    assert done.stdout.count(b"Welcome to Hermit") == 1


@pytest.mark.requirement("L-14", "N-12")
def test_refusal_without_the_exit_device(boot_here: Boot) -> None:
    """The loader halts, and the harness reads the status from its line."""
    outcome = boot_here(replace(specs.release("hello"), app=None, debug_exit=False, expect="refused 65"))
    assert outcome.matches("refused 65"), str(outcome)
    assert outcome.rule == "no-module"


@pytest.mark.requirement("M-15", "L-12")
def test_qemu_exits_with_the_guest() -> None:
    """On a plain command line QEMU exits with 3, and the greeting is on its stdout."""
    done = run_qemu(standalone_argv(specs.release("hello")))
    assert done.returncode == 3
    assert b"Hello from a bare Hermit application" in done.stdout
