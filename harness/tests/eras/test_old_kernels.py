# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Real kernels of 2019 to 2021. What they cannot do is asserted as it is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.paths import ROOT
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
# The first and last kernels with boot info of 152 bytes, and the first one of 160 bytes.
KERNELS = ["0.3.10", "0.3.30", "0.3.44", "0.3.54"]
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


def old(app: str, kernel: str, arguments: str = "", **changes: Any) -> RunSpec:
    """The boot of an application with an old kernel. Skips the test if the image is not built."""
    image = images()[f"real-{app}-{kernel}"]
    if not image.path.is_file():
        pytest.skip(f"era-not-built: `make test LANE=eras` builds {image.id}")
    append = f"-- {arguments}" if arguments else ""
    return specs.release(image.id, append=append, **changes)


def lines(outcome: Outcome, expect: str = "pass") -> list[str]:
    assert outcome.matches(expect), str(outcome)
    return outcome.console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()


@pytest.mark.requirement("R-01", "R-10")
@every_kernel
def test_greeting(kernel: str, boot_here: Boot) -> None:
    """The loader recognises the kernel from the file. Thread-local data and relocated pointers are right in 64M."""
    seen = lines(boot_here(old("hello", kernel, memory="64M")))
    assert any(f"Welcome to HermitCore-rs {kernel}" in line for line in seen)
    at = seen.index("Hello from an old Hermit application!")
    assert seen[at + 1 : at + 4] == ["CPUs: 1", "thread-local data: right", "relocations: right"]


@pytest.mark.requirement("R-08", "R-01")
@every_kernel
def test_arguments(kernel: str, boot_here: Boot) -> None:
    """The words after -- become argv; 0.3.10 passes a constant (src/syscalls/interfaces/mod.rs)."""
    seen = lines(boot_here(old("args", kernel, "one 'two three' x=y")))
    one = ["argc=1", "argv[0]=name"]
    words = ["argc=4", "argv[0]={name}", "argv[1]=one", "argv[2]=two three", "argv[3]=x=y"]
    assert [line for line in seen if line.startswith("arg")] == (one if kernel == "0.3.10" else words)


@pytest.mark.requirement("R-01")
@pytest.mark.parametrize("kernel", KERNELS[-1:])
def test_no_environment(kernel: str, boot_here: Boot) -> None:
    """The environment of every 0.3 is a null pointer (src/syscalls/interfaces/mod.rs)."""
    assert "entries=0" in lines(boot_here(old("env", kernel)))


@pytest.mark.requirement("R-01", "P-12")
@every_kernel
def test_status_is_lost(kernel: str, boot_here: Boot) -> None:
    """The kernel powers the machine off by ACPI, whatever the status. 0.3.54 writes success to the debug exit, too, and
    either may be first (src/arch/x86_64/kernel/processor.rs).
    """
    outcome = boot_here(old("exit", kernel, "5"))
    assert f"about to exit with {7 if kernel == '0.3.10' else 5}" in lines(outcome)
    assert outcome.qemu_status in ((0, 3) if kernel == "0.3.54" else (0,))


@pytest.mark.requirement("R-01", "P-12")
@every_kernel
def test_panic(kernel: str, boot_here: Boot) -> None:
    outcome = boot_here(old("panic", kernel))
    lines(outcome, "panic")
    assert outcome.origin == "app" and "a panic on purpose" in outcome.cause, str(outcome)


@pytest.mark.requirement("R-01")
@every_kernel
def test_exception(kernel: str, boot_here: Boot) -> None:
    """The post-mortem finds the report of the old handlers, and the function that raised the exception."""
    outcome = boot_here(old("fault", kernel, "undefined", expect="exit 0"))  # not as expected: with a post-mortem
    lines(outcome, "crash")
    expected = "page fault" if kernel == "0.3.10" else "illegal instruction"
    assert re.match(rf"{expected} at 0x[0-9a-f]+ in (fault::)?runtime_entry ", outcome.cause), outcome.cause
    assert "runtime_entry" in outcome.postmortem, outcome.postmortem


@pytest.mark.requirement("R-01", "P-06")
@pytest.mark.parametrize("kernel", ["0.3.10", "0.3.54"])
def test_debugger(kernel: str) -> None:
    """GDB stops in the application, finds the boot info, which the kernel has written to, and the callers."""
    old("hello", kernel)
    commands = ["hermit bootinfo", "bt 3"]
    words = [word for command in commands for word in ("--command", command)]
    line = [sys.executable, "-m", "hermit_harness", "debug", "--batch", "--break", "runtime_entry", *words]
    line += ["--timeout", "30", f"real-hello-{kernel}", "--", "one"]
    done = subprocess.run(line, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT)
    said = done.stdout
    assert "boot info of entry version 1 (kernels 0.3.10 to 0.4.4) at 0x" in said, said + done.stderr
    assert re.search(r'^  cmdline +0x[0-9a-f]+  "\S+ -- one"$', said, re.M), said
    assert re.search(r"^  cpu_online +1$", said, re.M), said
    assert re.search(r"^#\d+ .* hermit::initd ", said, re.M), said


@pytest.mark.requirement("R-01")
@every_kernel
def test_thread_local_data_of_small_alignment(kernel: str, boot_here: Boot) -> None:
    """Kernels before 0.3.54 round the size of thread-local data up to 32 bytes, and find it too low in memory
    (src/arch/x86_64/kernel/scheduler.rs). The loader cannot change that.
    """
    wrong = [44, 55, 0, 0, 0]
    seen = lines(boot_here(old("tls", kernel)))
    assert f"thread-local words: {[11, 22, 33, 44, 55] if kernel == '0.3.54' else wrong}" in seen


@pytest.mark.requirement("R-01", "N-05")
@pytest.mark.parametrize("kernel", ["0.3.30"])
def test_uefi(kernel: str, boot_here: Boot) -> None:
    """The kernel gets one region: it takes the sum of the ends of all for the amount of RAM."""
    assert "relocations: right" in lines(boot_here(old("hello", kernel, machine="ovmf", target_name="x86_64-uefi")))


@pytest.mark.requirement("R-01", "W-01")
def test_cpus(boot_here: Boot) -> None:
    """0.3.54 is the only one of them that starts other CPUs."""
    assert "CPUs: 2" in lines(boot_here(old("hello", "0.3.54", smp=2)))


FEATURES = ("fsgsbase", "rdtscp", "xsave", "fxsr", "apic")  # of the former manuals
# What the kernels of the former manuals need of its features. 0.3.54 is built without fsgsbase, and the others do not
# check the rest: they boot without it.
NEEDED = {"0.3.10": "fsgsbase", "0.3.44": "fsgsbase", "0.3.54": ""}


@pytest.mark.requirement("R-07")
@pytest.mark.parametrize("kernel", NEEDED)
def test_cpu_features(kernel: str, boot_here: Boot) -> None:
    """Without the feature that it needs, the report names this one. Without all others it boots."""
    unneeded = [feature for feature in FEATURES if feature != NEEDED[kernel]]
    lines(boot_here(old("hello", kernel, cpu="Skylake-Client,+fsgsbase" + "".join(f",-{f}" for f in unneeded))))
    if NEEDED[kernel]:
        cpu = f"Skylake-Client,-{NEEDED[kernel]}"
        outcome = boot_here(old("hello", kernel, cpu=cpu, expect="exit 0", cpu_seconds=2.0, wall_seconds=10.0))
        assert f"the guest says that it needs the CPU feature {NEEDED[kernel]}; -cpu is {cpu}" in outcome.cause, outcome
