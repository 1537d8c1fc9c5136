# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reads the text of QEMU's `info registers -a`: whether anything in the machine can still run."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CPU = re.compile(r"^CPU#(\d+)\s*$", re.M)
_PC = re.compile(r"\b[ER]IP=([0-9a-f]+)")
_FLAGS = re.compile(r"\b(?:RFL|EFL)=([0-9a-f]+)")
_HALTED = re.compile(r"\bHLT=(\d)")
_CS = re.compile(r"^CS =[0-9a-f]+ ([0-9a-f]+)", re.M)
INTERRUPT_FLAG = 0x200
_PSTATE = re.compile(r"\bPSTATE=([0-9a-f]+)")
_MIE = re.compile(r"^ mie +([0-9a-f]+)", re.M)
DAIF_IRQ_FIQ = 0xC0  # I and F of AArch64's PSTATE
MIE_WAKE_SOURCES = 1 << 5 | 1 << 7 | 1 << 9  # RISC-V's supervisor and machine timers, supervisor's devices


@dataclass(frozen=True)
class Cpu:
    """One virtual processor as QEMU shows it."""

    index: int
    pc: int
    flags: int
    halted: bool
    cs_base: int

    @property
    def is_unstarted(self) -> bool:
        """A processor at its reset vector that nobody has started (KVM does not show it as halted)."""
        return self.pc == 0xFFF0 and self.cs_base == 0xFFFF0000

    @property
    def is_halted_for_good(self) -> bool:
        """Halted with interrupts off: only an NMI or a reset could wake it."""
        return self.is_unstarted or (self.halted and not self.flags & INTERRUPT_FLAG)


def parse(registers: str) -> list[Cpu]:
    """Every processor in the text; a field that is missing reads as 0."""
    parts = _CPU.split(registers)
    blocks = list(zip(parts[1::2], parts[2::2], strict=True)) or [("0", registers)]
    return [_cpu(int(number), block) for number, block in blocks if _PC.search(block)]


def _cpu(index: int, block: str) -> Cpu:
    def number(pattern: re.Pattern[str], base: int = 16) -> int:
        found = pattern.search(block)
        return int(found[1], base) if found else 0

    return Cpu(
        index=index,
        pc=number(_PC),
        flags=number(_FLAGS),
        halted=number(_HALTED) == 1,
        cs_base=number(_CS),
    )


def _interrupts_masked_aarch64(block: str) -> bool:
    """Whether IRQ and FIQ are masked. A processor that nobody has started looks like this, too."""
    state = _PSTATE.search(block)
    return state is not None and int(state[1], 16) & DAIF_IRQ_FIQ == DAIF_IRQ_FIQ


def _interrupts_masked_riscv64(block: str) -> bool:
    """Whether no timer and no device can wake the hart; what another hart sends it does not count."""
    enabled = _MIE.search(block)
    return enabled is not None and not int(enabled[1], 16) & MIE_WAKE_SOURCES


def all_halted_for_good(registers: str) -> bool:
    """Whether nothing in the machine can run any more, at least one processor having run.

    On x86 the text tells. Elsewhere it says only that nothing could wake a processor that sleeps: that it does sleep is
    seen when two looks show the same registers and no time used (`text_tells`).
    """
    if not shows_halted_cpus(registers):
        is_masked = _interrupts_masked_aarch64 if _PSTATE.search(registers) else _interrupts_masked_riscv64
        return all(map(is_masked, _CPU.split(registers)[2::2]))
    cpus = parse(registers)
    return bool(cpus) and all(c.is_halted_for_good for c in cpus) and not all(c.is_unstarted for c in cpus)


def shows_halted_cpus(registers: str) -> bool:
    """Whether the text shows which processors sleep (x86)."""
    return not (_PSTATE.search(registers) or _MIE.search(registers))
