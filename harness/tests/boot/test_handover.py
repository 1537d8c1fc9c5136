# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The complete hand-over state as a literal list: nothing may be missing or additional.

The loader's path is relative, so that the command line, and each address after it, is the same in every checkout.
Values that depend on the application's file are read from that file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.paths import ROOT
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm import host
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
LOADER = Path("build/release/hermit-loader-x86_64-multiboot")
WORDS = "-freq 2000 -- a"
BLOCK_END = 0x17000  # of the hand-over block and the rest of the hand-over


@dataclass(frozen=True)
class Setting:
    """One machine with its memory size, and the values that differ there."""

    image: str
    machine: str
    memory: str
    low: int  # image, rounded down and up to 2 MiB
    high: int
    regions: tuple[str, ...]
    ebda: str
    written_to: int
    fdt: int
    fdt_size: int
    map_end: int


SETTINGS = [
    Setting(
        "probe", "pc", "128M", 0x200000, 0x400000, ("0x0..0x9fc00", "0x100000..0x7fe0000"),
        "0x9fc00", 0x7E00000, 0x16168, 454, 0x16110,
    ),
    Setting(
        "probe", "microvm", "128M", 0x200000, 0x400000, ("0x0..0x9fc00", "0x100000..0x8000000"),
        "0x0", 0x8000000, 0x16168, 454, 0x16110,
    ),
    Setting(
        "probe", "q35", "6G", 0x200000, 0x400000, ("0x0..0x9fc00", "0x100000..0x7ffe0000", "0x100000000..0x200000000"),
        "0x9fc00", 0x40000000, 0x16180, 530, 0x16128,
    ),
    Setting(
        "probe-fixed", "pc", "64M", 0x800000, 0xA00000, ("0x0..0x9fc00", "0x100000..0x3fe0000"),
        "0x9fc00", 0x3E00000, 0x16168, 454, 0x16110,
    ),
]  # fmt: skip

CPU = """\
probe rdi=0x16000
probe rsi=0x0
probe rsp=0xa008
probe cr0=0x80000013
probe cr3=0x12000
probe cr4=0x20
probe efer=0x500
probe gdt base={gdt:#x} limit=0x17
probe gdt[0]=0x0000000000000000
probe gdt[1]=0x00af9b000000ffff
probe gdt[2]=0x00cf93000000ffff
probe idt limit=0x0
probe segments cs=0x8 ds=0x10 es=0x10 ss=0x10 fs=0x0 gs=0x0
probe table level=4 covers=0x0 at=0x12000
probe table level=3 covers=0x0 at=0x13000
probe table level=2 covers=0x0 at=0x14000
probe table level=1 covers=0x0 at=0x15000
probe map va=0xa000..0x17000 pa=0xa000 page=4K flags=0x3
probe map va={low:#x}..{high:#x} pa={low:#x} page=2M flags=0x83
probe tables identity=yes
probe tables recursive=yes
probe hole page-0=empty
probe hole page-8000=empty
probe hole bios=empty
probe hole above-image=empty
"""
BOOT = """\
probe boot at=0x16000
probe boot[0]={low:#x}
probe boot[8]=0x0
probe boot[16]=0x3f8
probe boot[24]={fdt:#x}
probe boot[32]={first:#x}
probe boot[40]={last:#x}
probe boot[48]=0x0
probe boot[56]=0x0
probe boot[64]=0x0
probe boot[72]=0x0
probe boot[80]=0x0
probe boot[88]={cmdline:#x}
probe boot[96]=0x3c
probe boot[104]=0x16080
probe boot[112]=0x0
probe boot[120]=0x0
probe boot ram={low:#x}..0x0
probe boot serial=0x3f8
probe boot fdt={fdt:#x}
probe boot image={first:#x}..{last:#x}
probe boot tls start=0x0 filesz=0x0 memsz=0x0 align=0x0
probe boot platform=0 cmdline={cmdline:#x} length=60 info=0x16080
probe fdt compatible=<<<hermit,multiboot>>>
probe fdt #address-cells=2
probe fdt #size-cells=2
{nodes}
probe fdt chosen/bootargs=<<<build/release/hermit-loader-x86_64-multiboot -freq 2000 -- a>>>
probe fdt at={fdt:#x} size={fdt_size}
probe fdt reserved=0xa000..0x17000
probe multiboot at=0x16080 flags=0x44
{map}
probe multiboot map at=0x160e0 length={map_length}
probe memory nodes=equal to the map
probe cmdline=<<<build/release/hermit-loader-x86_64-multiboot -freq 2000 -- a>>>
probe cmdline bootargs=equal multiboot=equal
"""
THINGS = """\
probe sums=right
probe bss=zero
probe gaps=zero
probe thing pml4=0x12000..0x13000
probe thing pdpt=0x13000..0x14000
probe thing pd=0x14000..0x15000
probe thing pt=0x15000..0x16000
probe thing stack=0xa000..0x12000
probe thing gdt={gdt:#x}..{gdt_end:#x}
probe thing boot=0x16000..0x16080
probe thing fdt={fdt:#x}..{fdt_end:#x}
probe thing cmdline={cmdline:#x}..{cmdline_end:#x}
probe thing multiboot=0x16080..0x160b4
probe thing multiboot-map=0x160e0..{map_end:#x}
probe claimed=none
probe no-ram=none
probe forbidden=none
probe unmapped=none
probe shared=none
probe stack used=0xa000..0x11ff8
probe ebda={ebda} mapped=no
probe exercise low=ok
probe exercise recursive=ok
probe wrote={wrote:#x}..{written_to:#x}
probe exercise identity=ok
probe changed=none
"""
# Not compared: registers that kernels do not read, arithmetic flags, values that depend on the application's file.
OTHER = ("probe others", "probe rflags", "probe image base", "probe segment ", "probe relocations=right")


def app_end(image: str) -> int:
    """Return the first address after the image, relative to the first segment's address in the file."""
    with images()[image].path.open("rb") as file:
        return max(int(one.header.p_vaddr + one.header.p_memsz) for one in ELFFile(file).iter_segments("PT_LOAD"))


def expected(setting: Setting, gdt: int) -> list[str]:
    end = app_end(setting.image)
    if setting.machine == "microvm" and host.qemu_major("qemu-system-x86_64") >= 8:
        # newer firmware: BIOS data with an EBDA, and a reserved last page of RAM
        low, high = "0x0..0x9fc00", "0x100000..0x7fff000"
        setting = replace(setting, regions=(low, high), ebda="0x9fc00", written_to=0x7E00000)
    starts = [region.split("..")[0].removeprefix("0x") for region in setting.regions]
    nodes = [
        f"probe fdt memory@{start}/device_type=<<<memory>>>\nprobe fdt memory@{start}={region} tuples=1"
        for start, region in zip(starts, setting.regions, strict=True)
    ]
    values = {
        **vars(setting),
        "first": setting.low,
        "last": end if end > setting.low else setting.low + end,
        "nodes": "\n".join(nodes),
        "map": "\n".join(f"probe multiboot map={region} type=1" for region in setting.regions),
        "map_length": 24 * len(setting.regions),
        # After the Multiboot information, which has room for one region more.
        "cmdline": setting.fdt - 0x40,
        "cmdline_end": setting.fdt - 0x40 + len(f"{LOADER} {WORDS}"),
        "gdt": gdt,
        "gdt_end": gdt + 24,
        "fdt_end": setting.fdt + setting.fdt_size,
        "wrote": setting.high + 0x15000,
    }
    return (CPU + BOOT + THINGS).format(**values).splitlines()


@pytest.mark.requirement("N-28", "N-29", "N-30", "L-19", "R-10")
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: f"{one.image}-{one.machine}-{one.memory}")
def test_literal_list(setting: Setting, boot_here: Boot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers, tables, each mapped page, boot info, device tree, and the address of each."""
    monkeypatch.chdir(ROOT)
    spec = specs.release(setting.image, setting.machine, memory=setting.memory, append=WORDS)
    outcome = boot_here(replace(spec, loader=LOADER))
    assert outcome.matches("exit 0"), str(outcome)
    lines = outcome.console.decode().replace("\r\n", "\n").splitlines()
    found = [line for line in lines if line.startswith("probe ") and not line.startswith(OTHER)]
    # after the trampoline, whose size depends on the compiler
    gdt = next(int(line.split()[2].removeprefix("base="), 16) for line in found if line.startswith("probe gdt base="))
    assert setting.fdt + setting.fdt_size <= gdt <= BLOCK_END - 24 and gdt % 8 == 0
    assert found == expected(setting, gdt)
    (flags,) = [int(line.split("=")[1], 16) for line in lines if line.startswith("probe rflags")]
    assert flags & 0x600 == 0, "interrupts are disabled, and string operations go upwards"
    (relocations,) = [line for line in lines if line.startswith("probe relocations")]
    assert (int(relocations.split("count=")[1]) > 0) == (setting.image == "probe")
