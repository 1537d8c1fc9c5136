# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The sentence about an exception that the kernel reported, from the report and what GDB knows of its address. Pure."""

from __future__ import annotations

from typing import Any

from hermit_harness.exceptions import table
from hermit_harness.postmortem import cause
from hermit_harness.watch.faults import Fault

# scause by the names that the kernel prints.
TRAPS = {
    "InstructionMisaligned": 0,
    "InstructionFault": 1,
    "IllegalInstruction": 2,
    "Breakpoint": 3,
    "LoadMisaligned": 4,
    "LoadFault": 5,
    "StoreMisaligned": 6,
    "StoreFault": 7,
    "UserEnvCall": 8,
    "SupervisorEnvCall": 9,
    "InstructionPageFault": 12,
    "LoadPageFault": 13,
    "StorePageFault": 15,
}


def explain(fault: Fault, report: cause.CpuReport, image: range | None) -> str:
    """Return the sentence, with function and line. `report` is GDB's about the core that raised the exception."""
    if fault.row.cpu == "x86_64":
        return _x86(fault, cause.in_source(report)["fault"], image) + cause.called_from(report)
    registers: dict[str, Any] = dict(report["registers"])
    if fault.row.cpu == "riscv64":
        registers |= {"scause": TRAPS.get(fault.name, 24), "stval": fault.values["address"]}
    elif "syndrome" in fault.values:
        registers |= {"ESR_EL1": fault.values["syndrome"], "FAR_EL1": fault.values["address"]}
    else:
        registers |= {"ESR_EL1": _syndrome(fault, registers)}
    return cause.explain(fault.row.cpu, "crash", [{**report, "registers": registers}], image)


def _syndrome(fault: Fault, registers: dict[str, Any]) -> int:
    """Return ESR_EL1 for a report that has its class alone. The register has the rest until the next exception."""
    kind, now = int(fault.name or "0x3c", 0), registers.get("ESR_EL1") or 0
    if now >> 26 == kind and registers.get("ELR_EL1") == fault.pc:
        return int(now)
    return kind << 26 | cause.UNKNOWN_STATUS


def _x86(fault: Fault, location: cause.CpuReport, image: range | None) -> str:
    where = cause.location_text(location)
    if "address" not in fault.values:
        word = fault.summary.partition(" at ")[0]
        return f"{word} at {where}: {cause.fetched(location, image)}"
    address, patterns = fault.values["address"], table().page_fault
    status = "is mapped without that right" if patterns["protection"].search(fault.code) else "is not mapped"
    status += cause.stack_note(address, fault.values["sp"])
    if patterns["fetch"].search(fault.code):
        return f"page fault at {where}: the program counter points to memory that {status}"
    verb = "writes to" if patterns["write"].search(fault.code) else "reads"
    return f"page fault at {where}: it {verb} {address:#x}, which {status}"
