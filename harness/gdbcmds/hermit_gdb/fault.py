# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Stop where an application faults: before the kernel handles the exception, with the registers of the fault.

The kernel's own table (IDT, VBAR_EL1, stvec) names the code that an exception enters. It is read when the kernel has
loaded it, and each entry gets a hardware breakpoint. At such an entry only the registers that the CPU itself changes
differ from those at the fault, so they are set back: the faulting function is frame 0. `continue` repeats the fault.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable

import gdb

from . import guest, image
from .memory import ReadError

# Intel SDM volume 3, table 6-1: exceptions that report a fault, the most frequent first. Others belong to debuggers
# (1, 3) or to the kernel's work (2, 7: it loads the FPU's state, 18).
VECTORS = {
    14: "page fault",
    13: "general protection fault",
    6: "invalid opcode",
    0: "divide error",
    8: "double fault",
    12: "stack fault",
    17: "alignment check",
    16: "x87 error",
    19: "SIMD error",
    10: "invalid TSS",
    11: "segment not present",
    4: "overflow",
    5: "bound range exceeded",
}
ERROR_CODES = {8, 10, 11, 12, 13, 14, 17}
GATE_BYTES, GATE_PRESENT = 16, 1 << 47
# A CPU has four debug registers (KVM); TCG has no limit.
KVM_ENTRIES = 2
# Offsets of the synchronous exceptions of the current exception level, with SP_EL0 and with SP_ELx (Arm ARM, D1.3.1).
SYNC_OFFSETS = (0x000, 0x200)
# ESR_EL1.EC (Arm ARM, D24.2.40) and scause (privileged specification, table 4.2), where there is a short name.
# No faults: a system call, and access to FP, after which kernels since 0.12 load the FPU's state.
NO_FAULTS = (0x07, 0x15)
CLASSES = {
    0x00: "undefined instruction",
    0x21: "instruction abort",
    0x22: "PC alignment fault",
    0x25: "data abort",
    0x26: "SP alignment fault",
    0x3C: "breakpoint instruction",
}
ABORTS = (0x21, 0x25)
INTERRUPT, ECALLS = 1 << 63, (8, 9, 11)
CAUSES = {
    0: "misaligned jump",
    1: "instruction access fault",
    2: "illegal instruction",
    3: "breakpoint",
    4: "misaligned load",
    5: "load access fault",
    6: "misaligned store",
    7: "store access fault",
    12: "instruction page fault",
    13: "load page fault",
    15: "store page fault",
}
WITH_ADDRESS = (0, 1, 4, 5, 6, 7, 12, 13, 15)
SSTATUS_SIE, SSTATUS_SPIE = 1 << 1, 1 << 5
# The instruction that loads the table, as bytes: lidt with a memory operand, msr vbar_el1, csrw stvec.
LOADS_TABLE = {
    "x86_64": rb"\x0f\x01[\x18-\x1f\x58-\x5f\x98-\x9f]",
    "aarch64": rb"[\x00-\x1f]\xc0\x18\xd5",
    "riscv64": rb"\x73[\x10\x90][\x50-\x5f]\x10",
}
# The first function of an application's own, when a kernel for x86_64 has filled the table that it loaded earlier.
FIRST_FUNCTION = "runtime_entry"
SWITCH, CONTINUING = "hermit_faults", "hermit_continuing"


class TableLoaded(gdb.Breakpoint):
    """After an instruction that loads the table, or where the application begins: read the table, and go on.

    A breakpoint may not be set in stop() (GDB's manual, "Manipulating breakpoints using Python"). So the guest stops
    for new entries, and the breakpoint's commands let it continue. They would turn a step into `continue`: entries that
    appear during a step get their breakpoints at its end.
    """

    def __init__(self, address: int, stops: FaultStops) -> None:
        super().__init__(f"*{address:#x}", gdb.BP_HARDWARE_BREAKPOINT, internal=True)
        self.silent = True
        self.commands = f"silent\nif ${CONTINUING}\ncontinue\nend"
        self._stops = stops

    def stop(self) -> bool:
        with contextlib.suppress(ReadError, gdb.error):
            return self._stops.has_new_entries() and bool(gdb.convenience_variable(CONTINUING))
        return False


class FaultEntry(gdb.Breakpoint):
    """The first instruction of the code that an exception enters. `vector` is x86's, None elsewhere."""

    def __init__(self, address: int, vector: int | None) -> None:
        super().__init__(f"*{address:#x}", gdb.BP_HARDWARE_BREAKPOINT, internal=True)
        self.silent = True
        self.vector = vector

    def stop(self) -> bool:
        switch = gdb.convenience_variable(SWITCH)
        return (switch is None or bool(switch)) and bool(describe(self.vector))


class FaultStops:
    """The breakpoints of a session."""

    def __init__(self, cpu: str, has_few_breakpoints: bool) -> None:
        self._cpu = cpu
        self._vectors = list(VECTORS)[: KVM_ENTRIES if has_few_breakpoints else None]
        self._found: dict[int, int | None] = {}  # addresses, each with x86's vector
        self._entries: dict[int, FaultEntry] = {}
        self.last = ""  # what the last stop at a fault said
        gdb.events.stop.connect(self._on_stop)
        gdb.execute(f"define hook-continue\nset ${CONTINUING} = 1\nend")

    def watch(self, app: image.LoadedImage, data: bytes) -> None:
        """Read the table whenever the application, whose file holds `data`, may have changed it.

        A breakpoint in bytes that only look like the instruction is never hit.
        """
        architecture = gdb.selected_frame().architecture()
        sites = app.find_code(LOADS_TABLE[self._cpu], data)
        after = [at + architecture.disassemble(at)[0]["length"] for at in sites]
        for address in (*after, guest.symbol(FIRST_FUNCTION)):
            if address is not None:
                TableLoaded(address, self)

    def has_new_entries(self) -> bool:
        """Read the table. ReadError or gdb.error if it cannot be read."""
        self._found.update(entries(self._cpu, self._vectors))
        return not self._entries.keys() >= self._found.keys()

    def _on_stop(self, event: gdb.Event) -> None:
        if not all(isinstance(point, TableLoaded) for point in getattr(event, "breakpoints", [None])):
            gdb.set_convenience_variable(CONTINUING, False)  # the person gets the prompt
        for address, vector in self._found.items():
            if address not in self._entries:
                self._entries[address] = FaultEntry(address, vector)
            self._entries[address].vector = vector
        entry = self._entries.get(guest.register("pc"))
        if entry is None or not entry.stop():
            return
        self.last = describe(entry.vector)
        return_from_exception(self._cpu, entry.vector)
        gdb.write(f"hermit: {self.last}; `set ${SWITCH} = 0` and `continue` let the kernel handle it\n")
        gdb.execute("frame")


def entries(cpu: str, vectors: Iterable[int]) -> list[tuple[int, int | None]]:
    """Return the addresses that exceptions enter now, with the vector on x86_64."""
    if cpu == "aarch64":
        base = guest.register("VBAR_EL1")
        return [(base + offset, None) for offset in SYNC_OFFSETS]
    if cpu == "riscv64":
        return [(guest.register("stvec") & ~3, None)]
    # GDB has no register for it.
    found = re.search(r"^IDT= +([0-9a-f]+) ([0-9a-f]+)", gdb.execute("monitor info registers", to_string=True), re.M)
    if not found:
        raise ReadError("QEMU shows no IDT")
    base, limit = (int(number, 16) for number in found.groups())
    gates = []
    for vector in vectors:
        if (vector + 1) * GATE_BYTES - 1 > limit:
            continue
        gate = int.from_bytes(gdb.selected_inferior().read_memory(base + vector * GATE_BYTES, GATE_BYTES), "little")
        if gate & GATE_PRESENT:
            gates.append((gate & 0xFFFF | gate >> 32 & 0xFFFF_FFFF_FFFF_0000, vector))
    return gates


def describe(vector: int | None) -> str:
    """Say what happened, at the first instruction of the entry; "" for what is not a fault."""
    cpu = guest.arch()
    if cpu == "x86_64":
        assert vector is not None
        return VECTORS[vector] + (f" at address {guest.register('cr2'):#x}" if vector == 14 else "")
    if cpu == "aarch64":
        kind = guest.register("ESR_EL1") >> 26 & 63
        if kind in NO_FAULTS:
            return ""
        name = CLASSES.get(kind, f"exception class {kind:#x}")
        return name + (f" at address {guest.register('FAR_EL1'):#x}" if kind in ABORTS else "")
    cause = guest.register("scause")
    if cause & INTERRUPT or cause in ECALLS:
        return ""
    address = f" at address {guest.register('stval'):#x}" if cause in WITH_ADDRESS else ""
    return CAUSES.get(cause, f"exception {cause}") + address


def return_from_exception(cpu: str, vector: int | None) -> None:
    """Set the registers that the CPU changed at the exception back to the fault's."""
    if cpu == "x86_64":  # SDM volume 3, figure 6-9: an error code, rip, cs, rflags, rsp, ss
        frame = guest.register("rsp") + (8 if vector in ERROR_CODES else 0)
        data = bytes(gdb.selected_inferior().read_memory(frame, 40))
        rip, _, flags, rsp, ss = (int.from_bytes(data[at : at + 8], "little") for at in range(0, 40, 8))
        values = {"ss": ss, "rsp": rsp, "eflags": flags, "rip": rip}
    elif cpu == "aarch64":
        state = guest.register("SPSR_EL1")
        values = {"cpsr": state, "pc": guest.register("ELR_EL1")}
        if not state & 1:  # SPSel: the function used SP_EL0
            values["sp"] = guest.register("SP_EL0")
    else:
        status = guest.register("sstatus")
        enabled = SSTATUS_SIE if status & SSTATUS_SPIE else 0
        values = {"sstatus": status & ~SSTATUS_SIE | enabled, "pc": guest.register("sepc")}
    for name, value in values.items():
        gdb.execute(f"set ${name} = {value:#x}", to_string=True)
