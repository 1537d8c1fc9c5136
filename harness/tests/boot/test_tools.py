# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each of QEMU, GDB, NASM, GCC and tcpdump has a test that fails without it."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import specs
from hermit_harness.matrix.prerequisites import PREPARED
from hermit_harness.matrix.probe import VARIABLE
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
ARP_REQUEST = bytes.fromhex("ffffffffffff525400123456080600010800060400015254001234560a0005030000000000000a000501")


def run_tool(*argv: str, stdin: bytes = b"") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def packets(file: Path) -> list[str]:
    return run_tool("tcpdump", "-n", "-r", str(file)).splitlines()


@pytest.mark.requirement("P-04")
def test_qemu(boot_here: Boot) -> None:
    """A missing QEMU is named, and an existing one reports its version."""
    missing = boot_here(replace(specs.release("hello"), qemu="qemu-system-nowhere"))
    assert missing.verdict == "infra"
    assert "qemu-system-nowhere" in missing.cause + missing.hint
    assert run_tool("qemu-system-x86_64", "--version").startswith("QEMU emulator version")


@pytest.mark.requirement("P-04")
def test_gdb_reads_the_loaders_symbols() -> None:
    """GDB finds the loader's functions and lines in its .debug file."""
    symbols = loader_file().with_name(loader_file().name + ".debug")
    text = run_tool(
        "gdb", "-nx", "-batch", "-ex", "info line boot_run", "-ex", "info address status_number", str(symbols)
    )
    assert "boot.c" in text
    assert "status_number" in text


@pytest.mark.requirement("P-04")
def test_nasm_and_gcc_build_a_kernel(tmp_path: Path, boot_here: Boot) -> None:
    """An entry from NASM and C code from GCC link into a kernel of four lines that boots."""
    (tmp_path / "entry.asm").write_text(
        "bits 32\nglobal entry\nextern status\nsection .text\nalign 4\n"
        "header: dd 0x1BADB002, 0x10000, -(0x1BADB002 + 0x10000), header, header, 0, 0, entry\n"
        "entry: mov esp, stack\ncall status\nmov dx, 0xf4\nout dx, eax\nhlt\nsection .bss\nresb 4096\nstack:\n"
    )
    (tmp_path / "status.c").write_text("unsigned status(void) { return 33; }\n")
    files = {name: str(tmp_path / name) for name in ("entry.asm", "entry.o", "status.c", "status.o", "kernel")}
    run_tool("nasm", "-f", "elf32", "-o", files["entry.o"], files["entry.asm"])
    run_tool("gcc", "-m32", "-ffreestanding", "-fno-pic", "-O1", "-c", "-o", files["status.o"], files["status.c"])
    run_tool(
        "ld",
        "-m",
        "elf_i386",
        "-Ttext",
        "0x100000",
        "-e",
        "entry",
        "-o",
        files["kernel"],
        files["entry.o"],
        files["status.o"],
    )
    outcome = boot_here(replace(specs.release("hello"), loader=Path(files["kernel"]), end="bare"))
    assert outcome.qemu_status == 67


@pytest.mark.requirement("P-04")
def test_tcpdump_reads_frames(tmp_path: Path) -> None:
    """tcpdump prints the frames that the capture contains."""
    capture = tmp_path / "one.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    capture.write_bytes(header + struct.pack("<IIII", 1, 0, len(ARP_REQUEST), len(ARP_REQUEST)) + ARP_REQUEST)
    (line,) = packets(capture)
    assert "who-has 10.0.5.1 tell 10.0.5.3" in line


@pytest.mark.requirement("P-04")
def test_no_frame_leaves_the_guest(tmp_path: Path, boot_here: Boot) -> None:
    """With a NIC on QEMU's user network an application without networking sends nothing; tcpdump reads the capture."""
    capture = tmp_path / "guest.pcap"
    extra = ("-netdev", "user,id=n0,restrict=on", "-device", "virtio-net-pci,netdev=n0,romfile=")
    dump = ("-object", f"filter-dump,id=f0,netdev=n0,file={capture}")
    outcome = boot_here(replace(specs.release("real-hello-0.11.0"), extra=extra + dump))
    assert outcome.matches("exit 0"), str(outcome)
    assert capture.stat().st_size >= 24
    assert packets(capture) == []


# A program, and the test above that fails without it.
USES = {
    "qemu-system-x86_64": "test_qemu",
    "gdb": "test_gdb_reads_the_loaders_symbols",
    "nasm": "test_nasm_and_gcc_build_a_kernel",
    "gcc": "test_nasm_and_gcc_build_a_kernel",
    "tcpdump": "test_tcpdump_reads_frames",
}


def outcome_without(program: str, test: str, directory: Path) -> str:
    """Run a test with a PATH that has all programs except one, and return pytest's last line."""
    directory.mkdir()
    for place in os.environ["PATH"].split(":"):
        for file in Path(place).glob("*") if place else ():
            if file.name != program and not (directory / file.name).is_symlink():
                (directory / file.name).symlink_to(file)
    env = os.environ | {"PATH": str(directory), PREPARED: "1", VARIABLE: "[]"}
    argv = [sys.executable, "-m", "pytest", "-q", "-n0", f"--junit-xml={directory}/junit.xml", f"{__file__}::{test}"]
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    return done.stdout.splitlines()[-1]


@pytest.mark.requirement("P-04")
@pytest.mark.parametrize("program", ["nothing", *USES])
def test_a_test_fails_without_it(program: str, tmp_path: Path) -> None:
    """Each tool is used by a test that passes with it and fails without it."""
    wanted = "1 failed" if program in USES else "1 passed"
    for test in {USES[program]} if program in USES else set(USES.values()):
        assert outcome_without(program, test, tmp_path / test).startswith(wanted), test
