# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Kernels before 0.7: what the file alone selects, and the boot info of entry version 1."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import BUILD, ROOT
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm import host
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
# A relative path makes the command line, and with it each address after it, the same in every checkout.
LOADER = Path("build/release/hermit-loader-x86_64-multiboot")
# Newer firmware of QEMU reserves the last page for itself.
LAST = 0x7FFF000 if host.qemu_major("qemu-system-x86_64") >= 8 else 0x8000000
MAPS = {
    "pc": ["0x0..0x9fc00 type=1", "0x100000..0x7fe0000 type=1"],
    "microvm": ["0x0..0x9fc00 type=1", f"0x100000..{LAST:#x} type=1"],
}
FIELDS = """\
e1 magic=0xc0decafe
e1 version=1
e1 base=0x200000
e1 limit=0x0
e1 image_size={size:#x}
e1 tls_start=0x0
e1 tls_filesz=0x0
e1 tls_memsz=0x0
e1 tls_align=0x0
e1 current_stack_address=0xa000
e1 current_percore_address=0x0
e1 host_logical_addr=0x0
e1 boot_gtod=0x0
e1 mb_info=0x17000
e1 cmdline=0x170a8
e1 cmdsize={length}
e1 cpu_freq=0
e1 boot_processor=0xffffffff
e1 cpu_online=0
e1 possible_cpus=0
e1 current_boot_id=0
e1 uartport=0x3f8
e1 single_kernel=1
e1 uhyve=0
e1 hcip=255.255.255.255
e1 hcgateway=255.255.255.255
e1 hcmask=255.255.255.0
"""
LINES = ["none", "kernel-only", "app-only", "both", "quoted", "dashes-twice", "utf8", "4096-bytes"]


def image_size(image: str) -> int:
    with images()[image].path.open("rb") as file:
        return max(int(one.header.p_vaddr + one.header.p_memsz) for one in ELFFile(file).iter_segments("PT_LOAD"))


def console(outcome: Outcome) -> bytes:
    assert outcome.matches("exit 0"), str(outcome)
    return outcome.console.replace(b"\r\n", b"\n")


@pytest.mark.requirement("R-01", "R-10", "R-14")
@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_every_field_of_entry_version_1(machine: str, boot_here: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel finds all 160 bytes at rdi.

    The frequency is 0 even with -freq, network addresses are unset, no CPU is online, and the memory map is the
    Multiboot information's.
    """
    monkeypatch.chdir(ROOT)
    append = "-freq 2000 -- a"
    outcome = boot_here(replace(specs.release("args-e1", machine, append=append), loader=LOADER))
    lines = [line for line in console(outcome).decode().splitlines() if line.startswith("e1 ")]
    fields = FIELDS.format(size=image_size("args-e1"), length=len(f"{LOADER} {append}"))
    assert lines == [*fields.splitlines(), *(f"e1 map={entry}" for entry in MAPS[machine])]


@pytest.mark.requirement("R-08", "L-18")
@pytest.mark.parametrize("line", LINES)
def test_command_line_of_entry_version_1(line: str, boot_here: Boot) -> None:
    """Address and size in the boot info give the original bytes, and so the arguments. There is no device tree."""
    text = matrix().lines[line]
    outcome = boot_here(specs.release("args-e1", append=text.text))
    given = f"{outcome.argv[outcome.argv.index('-kernel') + 1]} {text.text}".encode()
    said = console(outcome)
    ways = re.findall(rb"args (\w+) length=(\d+)\n<<<(.*?)>>>\n", said, re.DOTALL)
    assert ways == [(way, str(len(given)).encode(), given) for way in (b"platform", b"multiboot")]
    words = re.findall(rb"args argv\[\d+\]=<<<(.*?)>>>", said, re.DOTALL)
    assert [word.decode() for word in words] == ["bin", *text.words]


@pytest.mark.requirement("R-01")
@pytest.mark.parametrize("image", ["era-e1-nonote", "era-e3", "era-e3-late"])
def test_stripped_files_are_recognised(image: str, boot_here: Boot, tmp_path: Path) -> None:
    """Neither symbols nor the compiler's name decide. The cells boot the same files unstripped."""
    spec = specs.release(image)
    stripped = tmp_path / image
    subprocess.run(["strip", "--strip-all", "-o", stripped, images()[image].path], check=True)
    # The application compares its loaded ELF header, too.
    subprocess.run([BUILD / "fixtures/host/x86_64/checksum", stripped], check=True)
    assert images()[image].greeting.encode() in console(boot_here(replace(spec, app=stripped)))


@pytest.mark.requirement("R-01")
def test_era_option_overrides_the_note(boot_here: Boot) -> None:
    """An application of entry version 1 finds its boot info under loader.era=e1 and not under loader.era=e4."""
    assert b"e1 magic=0xc0decafe\n" in console(boot_here(specs.release("args-e1", append="loader.era=e1")))
    other = boot_here(specs.release("args-e1", append="loader.era=e4", cpu_seconds=5.0))
    assert not other.matches("exit 0"), str(other)
    assert b"e1 magic=" not in other.console
