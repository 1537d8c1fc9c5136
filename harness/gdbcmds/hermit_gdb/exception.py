# SPDX-License-Identifier: Apache-2.0 OR MIT
"""AArch64 and riscv64: return from an exception handler to the instruction that raised the exception.

The vectors run on in the same processor, so that the stopped guest shows them and whatever they called. What is wanted
is the state before; it is written into the registers of the guest, which is good for nothing but being looked at after
that.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator

import gdb

from . import guest, unwind
from .memory import ReadError

# Registers that a called function keeps, as GDB finds them again in a caller's frame; sp and the link are apart.
CALLEE_SAVED = {"aarch64": [f"x{n}" for n in range(19, 30)], "riscv64": ["fp", *(f"s{n}" for n in range(1, 12))]}
LINK_REGISTER = {"aarch64": "x30", "riscv64": "ra"}
# The loader's own vector for riscv64 (app_vector) is shorter than this; all it changes is arguments.
VECTOR_BYTES = 64
# x1 to x31 as the ABI calls them.
RISCV_REGISTERS = (
    *("ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1", *(f"a{n}" for n in range(8))),
    *(*(f"s{n}" for n in range(2, 12)), "t3", "t4", "t5", "t6"),
)
MACHINE_MODE, SUPERVISOR_MODE = 3, 1
# The kernel's vectors have no unwind information. They store the registers at the sp with which they call the handler:
# a pattern of the symbol at the return address, and the names of the quadwords, "" for what is of no use here. "select"
# is SPSel: 1 if sp is that of the vector. Sources: struct State in hermit-kernel's arch/aarch64/kernel/scheduler.rs
# (0.6.2 and later), struct TrapFrame in the crate trapframe (0.9, 0.10).
VECTORS = {
    "aarch64": (r"el1_(sp0_)?sync\b", ("select", "pc", "", "sp", "", *(f"x{n}" for n in range(31)))),
    "riscv64": (r"trap_(entry|return)\b", ("", *RISCV_REGISTERS, "", "pc")),
}


@contextlib.contextmanager
def big_endian() -> Iterator[None]:
    """GDB has one byte order for registers, which come little-endian, and the stack, which is not. Write the registers
    the other way round, so that it finds both big-endian while this lasts."""
    values = {name: guest.register(name) for name in [*(f"x{n}" for n in range(31)), "sp", "pc"]}
    gdb.execute("set endian big", to_string=True)
    unwind.is_system_byte_order_swapped = True  # they cannot be written
    try:
        _write(values)
        yield
    finally:
        unwind.is_system_byte_order_swapped = False
        gdb.execute("set endian little", to_string=True)


def unwind_exception(cpu: str, values: dict[str, int | None], fault: int | None) -> bool:
    """Set the registers of a backtrace to the state at `fault`, the exception address that the CPU saved.

    `values` are the other saved registers. Return False if the state is unknown: the guest then keeps its registers, or
    those of its call into the firmware.
    """
    if cpu not in CALLEE_SAVED or fault is None or not is_fault(cpu, values):
        return False
    try:
        leave_firmware(cpu)
        before = _interrupted_registers(cpu)
    except (ReadError, gdb.error):
        return False
    if before is None:
        return False
    _write({**before, "pc": fault})
    return True


def enter(registers: dict[str, int]) -> None:
    """Set these registers. The pc comes last, because a frame is known by it."""
    _write({name: value for name, value in registers.items() if name != "pc"})
    _write({"pc": registers["pc"]})


def is_fault(cpu: str, values: dict[str, int | None]) -> bool:
    """Whether the last exception was one that ends a program: no interrupt and no call."""
    if cpu == "aarch64":
        syndrome = values["ESR_EL1"] or 0
        return syndrome != 0 and syndrome >> 26 & 63 != 0x15
    reason = values["scause"]
    never = not reason and not values["sepc"]
    return reason is not None and reason not in (8, 9) and not reason >> 63 and not never


def _write(registers: dict[str, int]) -> None:
    for name, value in registers.items():
        gdb.execute(f"set ${name} = {value:#x}", to_string=True)


def leave_firmware(cpu: str) -> None:
    """riscv64: back to the one whose ecall the firmware is in, for a reset or the machine's end, say. OpenSBI keeps the
    caller's x0 to x31 and pc below what mscratch points to; how far below depends on its version."""
    if cpu != "riscv64" or guest.register("priv") != MACHINE_MODE:
        return
    pc, end = guest.register("mepc"), guest.register("mscratch")
    with guest.memory() as memory:
        for start in range(end - 33 * 8, end - 1024, -8):
            if memory.number(start) == 0 and memory.number(start + 32 * 8) == pc:
                saved = {name: memory.number(start + 8 * n) for n, name in enumerate(RISCV_REGISTERS, 1)}
                break
        else:
            raise ReadError("the firmware's caller is unknown")
    _write({**saved, "pc": pc, "priv": SUPERVISOR_MODE})


def _stored_by_vector(cpu: str) -> dict[str, int] | None:
    """Return the registers that the kernel's vector has stored; None if no frame is a vector's."""
    pattern, names = VECTORS[cpu]
    frame = gdb.newest_frame()
    while frame is not None and not re.match(pattern, gdb.execute(f"info symbol {frame.pc():#x}", to_string=True)):
        frame = frame.older()
    if frame is None:
        return None
    start = int(frame.read_register("sp"))
    words = struct.unpack(f"<{len(names)}Q", bytes(gdb.selected_inferior().read_memory(start, 8 * len(names))))
    before = dict(zip(names, words, strict=True))
    if before.pop("select", 0) == 1:
        before["sp"] = start + 8 * len(names)
    before.pop("")
    return before


def _interrupted_registers(cpu: str) -> dict[str, int] | None:
    """Return the registers of the interrupted function, from the vector's unwind information (`.cfi_signal_frame`)."""
    if cpu == "riscv64" and 0 <= guest.register("pc") - (guest.register("stvec") & ~3) < VECTOR_BYTES:
        return {}
    frame = gdb.newest_frame()
    while frame is not None and frame.type() != gdb.SIGTRAMP_FRAME:
        frame = frame.older()
    older = frame.older() if frame is not None else None
    if older is None:
        return _stored_by_vector(cpu)
    registers = {LINK_REGISTER[cpu]: older.pc()}
    for name in ("sp", *CALLEE_SAVED[cpu]):
        with contextlib.suppress(gdb.error):  # the vectors used this one for themselves
            registers[name] = int(older.read_register(name)) & (1 << 64) - 1
    return registers
