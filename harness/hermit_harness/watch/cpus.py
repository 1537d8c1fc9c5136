# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Parse QEMU's `info registers -a`: can any CPU of the machine still get anywhere?"""

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
_RISCV64 = re.compile(r"^ (pc|stvec|sepc|scause|stval) +([0-9a-f]+)", re.M)
TRAP_ENTRY_SIZE = 0x800  # bytes; those of the kernels are shorter
INTERRUPT = 1 << 63  # of scause
DAIF_IRQ_FIQ = 0xC0  # I and F of AArch64's PSTATE
MIE_WAKE_SOURCES = 1 << 5 | 1 << 7 | 1 << 9  # RISC-V: supervisor and machine timer, supervisor external


@dataclass(frozen=True)
class Cpu:
    """One virtual CPU as QEMU shows it."""

    index: int
    pc: int
    flags: int
    halted: bool
    cs_base: int

    @property
    def is_unstarted(self) -> bool:
        """Return whether the CPU is still at its reset vector (KVM does not show it as halted)."""
        return self.pc == 0xFFF0 and self.cs_base == 0xFFFF0000

    @property
    def is_halted_for_good(self) -> bool:
        """Return whether the CPU is halted with interrupts disabled: only an NMI or a reset wakes it."""
        return self.is_unstarted or (self.halted and not self.flags & INTERRUPT_FLAG)


def parse(registers: str) -> list[Cpu]:
    """Return every CPU in the text. A missing field is 0."""
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
    """Return whether IRQ and FIQ are masked. An unstarted CPU looks the same."""
    state = _PSTATE.search(block)
    return state is not None and int(state[1], 16) & DAIF_IRQ_FIQ == DAIF_IRQ_FIQ


def _interrupts_masked_riscv64(block: str) -> bool:
    """Return whether neither a timer nor a device can wake the hart. Inter-processor interrupts are ignored."""
    enabled = _MIE.search(block)
    return enabled is not None and not int(enabled[1], 16) & MIE_WAKE_SOURCES


def repeated_traps(registers: str) -> tuple[tuple[int, ...], ...]:
    """Return sepc, scause and stval of each hart whose trap entry has raised the exception that it is about to handle.

    riscv64 only. A hart that shows the same values a moment later raises this exception for ever: its entry saves the
    registers on a stack that is used up, for example.
    """
    found = []
    for block in _CPU.split(registers)[2::2]:
        values = {name: int(number, 16) for name, number in _RISCV64.findall(block)}
        entry = range(values.get("stvec", 0) & ~3, (values.get("stvec", 0) & ~3) + TRAP_ENTRY_SIZE)
        if values.get("pc") in entry and values.get("sepc") in entry and not values["scause"] & INTERRUPT:
            found.append((values["sepc"], values["scause"], values["stval"]))
    return tuple(found)


def all_halted_for_good(registers: str) -> bool:
    """Return whether no CPU can run any more, and at least one has run.

    On x86 the text shows which CPUs are halted. On other CPUs it only shows that nothing could wake a sleeping CPU. The
    caller then compares two samples: same registers and no CPU time (see shows_halted_cpus).
    """
    if not shows_halted_cpus(registers):
        is_masked = _interrupts_masked_aarch64 if _PSTATE.search(registers) else _interrupts_masked_riscv64
        return all(map(is_masked, _CPU.split(registers)[2::2]))
    cpus = parse(registers)
    return bool(cpus) and all(c.is_halted_for_good for c in cpus) and not all(c.is_unstarted for c in cpus)


def shows_halted_cpus(registers: str) -> bool:
    """Return whether the text shows which CPUs are halted (x86)."""
    return not (_PSTATE.search(registers) or _MIE.search(registers))
