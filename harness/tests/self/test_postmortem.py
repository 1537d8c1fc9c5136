# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a red run leaves: registers, a symbolised backtrace, the missing CPU feature, and a script that repeats it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from hermit_harness import elf
from hermit_harness.fixtures import images
from hermit_harness.gdb import features
from hermit_harness.paths import loader_file
from hermit_harness.vm.boot import boot
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch import cpus


def liar(guest: str, folder: Path) -> RunSpec:
    return RunSpec(loader=images()[guest].path, app=None, machine="pc", cpu_seconds=1.0)


def test_triple_fault_leaves_its_place(tmp_path: Path) -> None:
    """The machine stands where it faulted: registers, disassembly at that instruction, argv, QMP."""
    outcome = boot(liar("liar-triple", tmp_path), artifacts=tmp_path)
    assert outcome.verdict == "crash"
    names = {
        "argv",
        "console.log",
        "qmp.jsonl",
        "registers.txt",
        "backtrace.txt",
        "repro.sh",
        "stderr.txt",
        "outcome.txt",
    }
    assert names == {path.name for path in tmp_path.iterdir()}
    (cpu,) = cpus.parse((tmp_path / "registers.txt").read_text())
    assert hex(cpu.pc) in (tmp_path / "backtrace.txt").read_text()
    assert f"at {cpu.pc:#x}" in outcome.cause
    rows = [json.loads(line) for line in (tmp_path / "qmp.jsonl").read_text().splitlines()]
    assert any(row["message"].get("event") == "SHUTDOWN" for row in rows)


@pytest.mark.parametrize(("image", "smp"), [("hang", 1), ("hang-fixed", 2)])
def test_backtrace_has_symbols(image: str, smp: int, tmp_path: Path) -> None:
    """The application's functions are named at the address where the loader put it, for every processor."""
    app = images()[image].path
    spec = RunSpec(loader=loader_file(), app=app, machine="pc", smp=smp, cpu_seconds=1.0)
    outcome = boot(spec, artifacts=tmp_path)
    assert outcome.verdict == "hang"
    trace = (tmp_path / "backtrace.txt").read_text()
    assert trace.count("CPU ") == smp
    assert " main " in trace or "hang" in trace.split("CPU 2")[0]
    assert ".c:" in trace


def test_pass_leaves_no_postmortem(tmp_path: Path) -> None:
    """A run that ends as expected, a refusal too, is not examined."""
    boot(liar("liar-late-output", tmp_path), artifacts=tmp_path)
    assert not (tmp_path / "backtrace.txt").exists()
    assert (tmp_path / "repro.sh").exists()


def test_repro_repeats(tmp_path: Path) -> None:
    """repro.sh runs by itself and ends with the same status and console."""
    outcome = boot(liar("liar-wrong-exit", tmp_path), artifacts=tmp_path)
    done = subprocess.run(
        ["sh", str(tmp_path / "repro.sh"), "-nic", "none"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=30,
    )
    assert (done.returncode, done.stdout) == (outcome.qemu_status, outcome.console)


@pytest.mark.parametrize(
    ("code", "ecx", "wanted"),
    [
        ("f3480faed0", None, ("wrfsbase", "fsgsbase")),
        ("f30faec8", None, ("rdgsbase", "fsgsbase")),
        ("0f01f9", None, ("rdtscp", "rdtscp")),
        ("0f01d1", None, ("xsetbv", "xsave")),
        ("480fae2f", None, ("xrstor", "xsave")),
        ("0fae37", None, ("xsaveopt", "xsaveopt")),
        ("0fae07", None, ("fxsave", "fxsr")),
        ("480fc7f0", None, ("rdrand", "rdrand")),
        ("0f30", 0x1B, ("wrmsr 0x1b", "apic")),
        ("0f30", 0xC0000080, ("", "")),
        ("0faef0", None, ("", "")),  # mfence
        ("f4", None, ("", "")),
        ("", None, ("", "")),
    ],
)
def test_instructions(code: str, ecx: int | None, wanted: tuple[str, str]) -> None:
    """R-07: an instruction that the CPU lacks names its feature."""
    assert features.needed_by(bytes.fromhex(code), ecx) == wanted


def test_named_by_the_kernel() -> None:
    """R-07: what kernels print about it, and what only looks like it."""
    assert features.named_in("FSGSBASE support is enabled, but the processor doesn't support it!") == "fsgsbase"
    assert features.named_in("[0][ERROR] Hermit requires the CPU feature rdtscp") == "rdtscp"
    assert features.named_in("Compiled with FSGSBASE support") == ""
    assert features.named_in("APIC in use: xAPIC") == ""
    assert features.taken_away("qemu64,apic,-fsgsbase,xsave=off,+rdtscp") == ("fsgsbase", "xsave")
    assert features.pointer_in("instruction_pointer: VirtAddr(0x200abc)") == 0x200ABC


def test_elf_reader_takes_damaged_files() -> None:
    """The corpus is read, too: nothing raises, whatever the bytes."""
    data = images()["hello"].path.read_bytes()
    facts = elf.facts_of(data)
    assert facts is not None
    assert facts.segments
    assert facts.entry_version == 4
    for length in (*range(400), 1000, len(data) - 1):
        elf.facts_of(data[:length])
    for at in range(64, 400):
        elf.facts_of(data[:at] + b"\xff" + data[at + 1 :])


def test_registers_of_qemu() -> None:
    """Halted for good means: hlt with interrupts off, on every processor, at least one of which has run."""
    halted = "CPU#0\nRAX=0\nRIP=0000000000100022 RFL=00000046 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\n"
    waiting = halted.replace("CPU#0", "CPU#1").replace("RFL=00000046", "RFL=00000246")
    reset = (
        "CPU#1\nEIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\nCS =f000 ffff0000 0000ffff 00009b00\n"
    )
    assert cpus.all_halted_for_good(halted)
    assert cpus.all_halted_for_good(halted + reset)
    assert not cpus.all_halted_for_good(halted + waiting)
    assert not cpus.all_halted_for_good(halted.replace("HLT=1", "HLT=0"))
    assert not cpus.all_halted_for_good(reset)
    assert not cpus.all_halted_for_good("")
