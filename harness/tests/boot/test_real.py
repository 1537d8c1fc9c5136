# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The real kernel: its applications print what they received."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase

import pytest

from hermit_harness.fixtures import FixtureImage, images
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.spec import RunSpec
from tests.support.qemu import run_qemu

Boot = Callable[[RunSpec], Outcome]
KERNELS = ["0.10.0", "0.11.0"]


def lines(console: bytes) -> list[str]:
    return console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()


def good(outcome: Outcome, expect: str = "exit 0") -> list[str]:
    assert outcome.matches(expect), str(outcome)
    return lines(outcome.console)


@pytest.mark.requirement("L-01", "M-15", "R-06")
@pytest.mark.parametrize("version", KERNELS)
def test_greeting(version: str, boot_here: Boot) -> None:
    """The kernel prints its first line, the application greets with correct data and pointers, and exits with 0."""
    seen = good(boot_here(specs.release(f"real-hello-{version}", memory="64M")))
    for text in (
        f"Welcome to Hermit {version}",
        "Hello from a real Hermit application!",
        "thread-local data: right",
        "relocations: right",
    ):
        assert any(text in line for line in seen), text
    assert "exit status 0" in seen


@pytest.mark.requirement("L-12", "P-11", "P-12")
@pytest.mark.parametrize("version", KERNELS)
@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_status(version: str, status: int, boot_here: Boot) -> None:
    """The run has the application's status."""
    outcome = boot_here(specs.release(f"real-exit-{version}", append=f"-- {status}", expect=f"exit {status}"))
    assert f"exit status {status}" in good(outcome, f"exit {status}")
    assert outcome.qemu_status == (1 if status else 3)


@pytest.mark.requirement("L-18", "R-08", "N-17")
@pytest.mark.parametrize("machine", ["pc", "microvm"])
@pytest.mark.parametrize("version", KERNELS)
def test_arguments(version: str, machine: str, boot_here: Boot) -> None:
    """The words after -- become argv, split as a shell splits them; the rest belongs to the kernel."""
    image = f"real-args-{version}" + ("-microvm" if machine == "microvm" else "")
    seen = good(boot_here(specs.release(image, machine, append="-freq 2000 -- one 'two three' -- x=y ü")))
    assert [line for line in seen if line.startswith("arg")] == [
        "argc=6",
        "argv[0]=bin",
        "argv[1]=one",
        "argv[2]=two three",
        "argv[3]=--",
        "argv[4]=x=y",
        "argv[5]=\\xc3\\xbc",
    ]


@pytest.mark.requirement("N-17", "L-18")
@pytest.mark.parametrize("version", KERNELS)
def test_environment(version: str, boot_here: Boot) -> None:
    """env= and the network options become the application's environment."""
    append = "env=GREETING=hi 'env=TWO=a b' -ip 10.0.5.3 -- x"
    seen = good(boot_here(specs.release(f"real-env-{version}", append=append)))
    found = {line.split("=", 1)[1] for line in seen if line.startswith("env[")}
    assert {"GREETING=hi", "TWO=a b", "HERMIT_IP=10.0.5.3"} <= found


@pytest.mark.requirement("W-01", "L-10", "N-28")
@pytest.mark.parametrize("version", KERNELS)
@pytest.mark.parametrize(("machine", "smp"), [("pc", 1), ("pc", 4), ("q35", 2), ("q35", 4)])
def test_cpus_are_counted(version: str, machine: str, smp: int, boot_here: Boot) -> None:
    """A kernel with smp starts each CPU through page 0x8000."""
    seen = good(boot_here(specs.release(f"real-smp-{version}", machine, smp=smp)))
    assert f"CPUs up: {smp} (kernel built with smp)" in seen


@pytest.mark.requirement("W-01")
def test_kernel_without_smp_reports_one_cpu(boot_here: Boot) -> None:
    seen = good(boot_here(specs.release("real-smp-0.11.0-microvm", "microvm", smp=2)))
    assert "CPUs up: 1 (kernel built without smp)" in seen


@pytest.mark.requirement("W-02", "W-03")
@pytest.mark.parametrize("machine", ["pc", "q35"])
def test_pci_and_acpi(machine: str, boot_here: Boot) -> None:
    """The kernel with both features scans the bus and finds the tables; without the exit device ACPI powers off."""
    outcome = boot_here(specs.release("real-hello-0.11.0", machine, debug_exit=False))
    seen = good(outcome)
    assert any("PCI" in line for line in seen)
    assert re.search("ended by (reset|power)", outcome.cause)
    assert "debug-exit" in " ".join((outcome.cause, outcome.hint, *outcome.notes))


@pytest.mark.requirement("L-36", "R-10")
@pytest.mark.parametrize("version", KERNELS)
def test_frequency(version: str, boot_here: Boot) -> None:
    """The application reads the MHz of -freq; on pc there is none by default."""
    given = good(boot_here(specs.release(f"real-hello-{version}", append="-freq 1234")))
    assert any(line.endswith(", 1234 MHz") for line in given)
    own = good(boot_here(specs.release(f"real-hello-{version}-microvm", "microvm", append="-freq 4321")))
    assert any(line.endswith(", 4321 MHz") for line in own)


# A guest whose clock and timers depend on the number of executed instructions only, so that two runs are equal. Each
# counts as 64 ns, so that the kernel's waits for its clock take few of them.
DETERMINISTIC = ("-icount", "shift=6,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm")


@pytest.mark.requirement("M-14", "P-12")
@pytest.mark.parametrize("version", KERNELS)
def test_console_is_qemus_byte_for_byte(version: str, boot_here: Boot) -> None:
    """The console of the harness equals what QEMU itself writes for the same guest, colours and all."""
    spec = specs.release(f"real-hello-{version}", extra=DETERMINISTIC)
    outcome = boot_here(spec)
    assert outcome.matches("exit 0"), str(outcome)
    plain = run_qemu(standalone_argv(spec))
    assert plain.returncode == 3
    assert plain.stdout == outcome.console
    assert f"Welcome to Hermit {version}".encode() in plain.stdout
    assert b"Compiled with PCI support" in plain.stdout and b"Compiled with SMP support" in plain.stdout


def kernel_bytes(outcome: Outcome) -> list[bytes]:
    """Return the console without the loader's lines, and without numbers that depend on the loader's own time."""
    own = [line for line in outcome.console.splitlines(keepends=True) if not line.startswith(b"[LOADER]")]
    return [re.sub(rb"booted on .*", b"booted on", line) for line in own]


@pytest.mark.requirement("M-14")
def test_kernel_lines_do_not_depend_on_the_loaders_log(boot_here: Boot) -> None:
    """With all debug output of the loader on, the kernel's own lines are the same bytes in the same order."""
    spec = specs.release("real-hello-0.11.0", append="env=A=1", extra=DETERMINISTIC)
    quiet, loud = boot_here(spec), boot_here(replace(spec, append="loader.log=debug env=A=1"))
    assert len(lines(loud.console)) > len(lines(quiet.console)) + 5
    assert kernel_bytes(loud) == kernel_bytes(quiet)


@pytest.mark.requirement("P-12", "L-13")
@pytest.mark.parametrize("version", KERNELS)
def test_panic(version: str, boot_here: Boot) -> None:
    """A kernel's panic is a panic verdict with its text, and not the loader's."""
    outcome = boot_here(specs.release(f"real-panic-{version}"))
    assert outcome.matches("panic"), str(outcome)
    assert outcome.origin == "app"
    assert "on purpose" in outcome.cause or "panic" in outcome.cause


def real(pattern: str) -> list[FixtureImage]:
    return [image for image in images().values() if fnmatchcase(image.id, pattern)]


@pytest.mark.requirement("M-16", "W-01", "W-02", "W-03", "W-04")
def test_fixture_files_list_features_and_needs() -> None:
    """Each real image lists the kernel's features, and the needs that follow from them."""
    found = [image for image in real("real-*") if image.kind == "real"]
    assert {image.kernel for image in found} == set(KERNELS)
    for image in found:
        for feature in ("pci", "acpi", "fsgsbase"):
            assert (feature in image.features) == (feature in image.needs), image.id
    assert {frozenset(image.features) for image in found} >= {
        frozenset({"pci", "acpi", "smp", "fsgsbase"}),
        frozenset({"pci", "acpi", "smp"}),
        frozenset({"fsgsbase"}),
    }
