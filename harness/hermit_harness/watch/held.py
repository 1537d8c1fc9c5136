# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Look at a guest that is held: does its memory agree with the exception that its console reports?

An application can print any text. What it cannot do is leave the state of an exception in memory without one. At an
exception, the CPU or the kernel's vector stores registers next to each other: the row's `state`.
"""

from __future__ import annotations

import contextlib
import mmap
import re
import struct
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hermit_harness.vm.filenames import user_temp_directory
from hermit_harness.vm.qmp import Qmp
from hermit_harness.watch.faults import Fault

_SP = re.compile(r" SP=([0-9a-f]{16})")  # of `info registers`
_GPA = re.compile(r"gpa: 0x([0-9a-f]+)")  # of `gva2gpa`
_RAM = re.compile(r"^ +([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ram\)", re.M)
PAGE = 4096
CHUNK = 16 << 20  # bytes
MOST_MEMORY = 1 << 30  # bytes that are searched
INTERRUPT_STACK = 32 << 10
LARGEST_STACKS = 64 << 20  # bytes of all stacks of a task
TRAP_FRAME = 34 * 8  # struct TrapFrame of the crate trapframe; its second quadword is ra
AARCH64_STATE = 36 * 8  # struct State of hermit-kernel
HANDLER_STACK = 16 << 10  # bytes between the stack pointer of an exception's handler and the state
EL1_MODES = (4, 5)  # EL1t and EL1h, M[4:0] of SPSR_EL1
SPSR_RESERVED = 0xFFFF_FFFF_0C0F_C020  # bits of SPSR_EL1 that are 0 (Arm ARM, C5.2.19)
STATE_ALIGNMENT = {"x86_64": 8, "aarch64": 16, "riscv64": 8}  # of the stack that the entry of an exception uses
# What quadwords of a state can be that the report does not contain.
SPECIAL: dict[str, Callable[[int], bool]] = {
    "": lambda word: True,
    "select": lambda word: word in (0, 1),
    "status": lambda word: not word & SPSR_RESERVED and word & 0x1F in EL1_MODES,
}


@dataclass(frozen=True)
class StoredState:
    """What the entry of an exception has stored, at physical `address`.

    `registers` are by the names of the row. `stack` is the physical address of the stack pointer before the exception;
    None if it is unknown. A kernel unmaps the stacks of a task that it has ended, but their memory keeps its
    content for a while.
    """

    address: int
    registers: Mapping[str, int]
    stack: int | None = None


def stored_state(qmp: Qmp, fault: Fault) -> StoredState | None:
    """Return the state in the guest's memory that agrees with the report; None if there is none.

    QmpError and OSError if memory cannot be read.
    """
    # Memory is full of zeros, and a pc may be 0: then only the stack of the handler is searched.
    key = max((name for name in fault.row.state if name in fault.values), key=lambda name: fault.values[name])
    for start, size in _ranges(qmp) if fault.values[key] >= PAGE else _handler_stacks(qmp):
        with _physical(qmp, start, size) as memory:
            found = _find(memory, fault, key)
        if found:
            at, registers = found
            stack = _stack(qmp, fault.row.cpu, start + at, {**registers, **fault.values})
            return StoredState(start + at, registers, stack)
    return None


def _handler_stacks(qmp: Qmp) -> Iterator[tuple[int, int]]:
    """The memory from the stack pointer of each AArch64 core, which may handle an exception."""
    for pointer in _SP.findall(qmp.hmp("info registers -a")):
        if gpa := _GPA.search(qmp.hmp(f"gva2gpa 0x{pointer}")):
            yield int(gpa[1], 16), HANDLER_STACK


def _find(memory: mmap.mmap, fault: Fault, key: str) -> tuple[int, dict[str, int]] | None:
    """Return the offset and the registers of the first state that agrees with the report; `key` is a quadword of it."""
    names = fault.row.state
    wanted, before = struct.pack("<Q", fault.values[key]), 8 * names.index(key)
    at = memory.find(wanted)
    while at >= 0:
        start = at - before
        is_aligned = start % STATE_ALIGNMENT[fault.row.cpu] == 0
        if is_aligned and 0 <= start <= len(memory) - 8 * len(names):
            words = struct.unpack_from(f"<{len(names)}Q", memory, start)
            stored = list(zip(names, words, strict=True))
            if all(w == fault.values[n] if n in fault.values else SPECIAL.get(n, SPECIAL[""])(w) for n, w in stored):
                return start, {name: word for name, word in stored if name not in ("", "status")}
        at = memory.find(wanted, at + 1)
    return None


def _stack(qmp: Qmp, cpu: str, state: int, values: Mapping[str, int]) -> int | None:
    """Return the physical address of the stack pointer.

    A task has one block of physical memory for its stacks, with a page without memory between each two (TaskStacks in
    hermit-kernel, 0.3.54 and later). On riscv64 the state is on the task's stack, on aarch64 on the kernel's stack
    below, and on x86_64 on the interrupt stack below both, where the handler has a pointer to it.
    """
    sp = values["sp"]
    if cpu == "riscv64":
        return state - 8 + TRAP_FRAME
    if cpu == "aarch64":
        if values["select"]:
            return state + AARCH64_STATE  # the exception came from the kernel's stack itself
        return state + (sp - values["at"]) - PAGE if "at" in values else None
    start = max(0, state - INTERRUPT_STACK)
    with _physical(qmp, start, state - start) as memory:
        words: tuple[int, ...] = struct.unpack(f"<{len(memory) // 8}Q", memory[: len(memory) // 8 * 8])
    at = next((word for word in words if (word ^ state) % PAGE == 0 and 0 < sp - word < LARGEST_STACKS), None)
    if at is None:
        return None
    on_own_stack = sp - at < PAGE  # without an interrupt stack
    return state + (sp - at) - (0 if on_own_stack else 2 * PAGE)


def _ranges(qmp: Qmp) -> list[tuple[int, int]]:
    """The guest's RAM in pieces that overlap by a page, from both ends alternately: kernels place stacks there."""
    ranges = sorted({(int(low, 16), int(high, 16) + 1) for low, high in _RAM.findall(qmp.hmp("info mtree -f"))})
    pieces, left = deque[tuple[int, int]](), MOST_MEMORY
    for low, high in ranges:
        pieces += [(start, min(CHUNK + PAGE, high - start)) for start in range(low, min(high, low + left), CHUNK)]
        left -= min(left, high - low)
    return [pieces.pop() if number % 2 else pieces.popleft() for number in range(len(pieces))]


@contextlib.contextmanager
def _physical(qmp: Qmp, start: int, size: int) -> Iterator[mmap.mmap]:
    """Physical memory of the guest."""
    with tempfile.NamedTemporaryFile(dir=user_temp_directory(), prefix="memory-") as file:
        qmp.execute("pmemsave", {"val": start, "size": size, "filename": file.name}, seconds=30.0)
        with Path(file.name).open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            yield memory
