# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Cache maintenance at the hand-over. QEMU has no caches, so the executed instructions are examined instead.

QEMU logs each block of guest code when it translates it, which is before it first runs.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import specs
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from tests.support.qemu import run_qemu

INSTRUCTION = re.compile(r"^0x([0-9a-f]+): +([0-9a-f]{8})\b", re.M)
BLOCK = re.compile(r"^OBJD-T: ([0-9a-f]+)$", re.M)
DC_CIVAC, DC_CVAC = 0xD50B7E20, 0xD50B7A20  # with register 0
IC_IALLU, DSB_SY, ISB = 0xD508751F, 0xD5033F9F, 0xD5033FDF
BL = 0b100101  # the highest six bits
LOADER = 0x40100000  # aarch64-elf.ld
FENCE_I, FENCE_RW_RW, SFENCE_VMA = 0x0000100F, 0x0330000F, 0x12000073


def translated(spec: RunSpec, directory: Path) -> list[tuple[int, int]]:
    """Boot, and return address and code of each translated instruction of 4 bytes, in order."""
    log = directory / "in_asm"
    done = run_qemu([*standalone_argv(replace(spec, extra=(*spec.extra, "-d", "in_asm", "-D", str(log))))])
    assert b"exit status 0" in done.stdout
    text = log.read_text(encoding="utf-8", errors="replace")
    assert not BLOCK.search(text), "this QEMU has no disassembler: it logs blocks without addresses"
    return [(int(address, 16), int(code, 16)) for address, code in INSTRUCTION.findall(text)]


def branch_target(address: int, code: int) -> int:
    """Return where a branch of AArch64 with a 26-bit offset leads."""
    offset = code & 0x3FFFFFF
    return address + 4 * (offset - (1 << 26) if offset >> 25 else offset)


def functions(spec: RunSpec) -> dict[str, tuple[int, int]]:
    """Return start and end of each function of the loader."""
    prefix = {"aarch64": "aarch64-linux-gnu-", "riscv64": "riscv64-linux-gnu-"}[target(spec.target).cpu]
    assert spec.loader_debug
    lines = subprocess.run([f"{prefix}nm", "-S", str(spec.loader_debug)], capture_output=True, text=True, check=True)
    rows = [line.split() for line in lines.stdout.splitlines()]
    return {row[3]: (int(row[0], 16), int(row[0], 16) + int(row[1], 16)) for row in rows if len(row) == 4}


@pytest.mark.requirement("N-02", "L-20")
@pytest.mark.parametrize("name", ["aarch64-elf", "aarch64_be-elf"])
def test_aarch64(name: str, tmp_path: Path) -> None:
    """The loader cleans the block, in which the trampoline is, and the trampoline the image and the block.

    Instruction fetches are not coherent with the data cache, and the kernel's first accesses may be uncached.
    """
    spec = specs.release("hello", target_name=name)
    start, end = functions(spec)["cache_clean"]
    found = translated(spec, tmp_path)
    in_loader = [code for address, code in found if start <= address < end]
    assert DC_CIVAC in {code & ~31 for code in in_loader}
    assert [code for code in in_loader if code in (IC_IALLU, ISB)] == [IC_IALLU, ISB]
    # The copy of the trampoline is in the block, below the loader.
    copy = [(address, code) for address, code in found if address < LOADER]
    cleaning = min(address for address, code in copy if code & ~31 in (DC_CIVAC, DC_CVAC))
    calls = [branch_target(address, code) for address, code in copy if code >> 26 == BL]
    assert len([called for called in calls if 0 <= cleaning - called < 64]) == 2
    assert len([code for _, code in copy if code == IC_IALLU]) >= 2
    assert {DSB_SY, ISB} <= {code for _, code in copy}


@pytest.mark.requirement("N-08")
def test_riscv64(tmp_path: Path) -> None:
    """FENCE.I follows the stores of the trampoline, and those of the image."""
    spec = specs.release("hello", target_name="riscv64-sbi")
    start, end = functions(spec)["arch_handover"]
    found = translated(spec, tmp_path)
    own = [place for place, (address, code) in enumerate(found) if start <= address < end and code == FENCE_I]
    assert own
    # The trampoline follows: nothing that ran before, such as the firmware, is translated again.
    trampoline = [code for _, code in found[own[-1] + 1 :]]
    at = trampoline.index(FENCE_I)
    assert FENCE_RW_RW in trampoline[:at]
    assert SFENCE_VMA in trampoline[at:]
