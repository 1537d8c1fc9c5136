# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs inside GDB's own Python: connects to a stopped guest, prints one JSON object about every processor.

Input: environment variable HERMIT_POSTMORTEM, a JSON object:
  connect  GDB commands whose last one connects       cpu  name of the processor
  crashed  whether an exception has ended the run     big  whether the guest's data is big-endian
  raised   null, or the core and the registers before an exception that the guest's registers do not show
Output: one line on stdout, "POSTMORTEM " and the JSON. Imports nothing of the harness.
"""

import contextlib
import json
import linecache
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import gdb
from hermit_gdb import exception, guest, operand, paging, unwind
from hermit_gdb.memory import ReadError

MAX_FRAMES = 64
# What is shown of a processor.
REGISTERS = {
    "x86_64": (
        *("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16))),
        *("rip", "eflags", "cr0", "cr2", "cr3", "cr4", "efer"),
    ),
    "aarch64": (
        *(f"x{n}" for n in range(31)),
        *("sp", "pc", "cpsr", "ESR_EL1", "FAR_EL1", "ELR_EL1", "VBAR_EL1", "SCTLR_EL1", "TTBR0_EL1"),
    ),
    "riscv64": (
        *("ra", "sp", "gp", "tp", *(f"t{n}" for n in range(7)), "fp", *(f"s{n}" for n in range(1, 12))),
        *(*(f"a{n}" for n in range(8)), "pc", "scause", "sepc", "stval", "stvec", "satp", "sstatus"),
    ),
}
# Where the processor keeps the address of the instruction that failed, and the address that this one touched.
FAULT_REGISTERS = {"x86_64": ("", "cr2"), "aarch64": ("ELR_EL1", "FAR_EL1"), "riscv64": ("sepc", "stval")}


def execute_quietly(command):
    """Run a GDB command, return its text or the error as text."""
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as error:
        return f"({error})"


def frame_row(frame):
    sal = frame.find_sal()
    where = f"{sal.symtab.filename}:{sal.line}" if sal.symtab else ""
    source = linecache.getline(sal.symtab.fullname(), sal.line).strip() if sal.symtab else ""
    name = guest.without_disambiguators(frame.name() or "")
    return {"pc": hex(frame.pc()), "function": name, "where": where, "source": source}


def frames():
    rows, frame = [], None
    try:
        frame = gdb.newest_frame()
        while frame is not None and len(rows) < MAX_FRAMES:
            rows.append(frame_row(frame))
            frame = frame.older()
    except gdb.error as error:
        rows.append({"pc": "", "function": "", "where": f"({error})"})
    return rows


def frames_of_exception(cpu):
    """The frames after a jump to nowhere need help on riscv64: GDB wants code at the pc. Only ra says who jumped."""
    rows = frames()
    if cpu != "riscv64" or not rows or rows[0]["function"]:
        return rows
    caller = guest.register("ra") - 1  # inside of the call
    exception.enter({"pc": caller})
    callers = [row for row in frames() if row["function"]]
    return rows[:1] + [{**row, "pc": hex(caller + 1)} if row["pc"] == hex(caller) else row for row in callers]


def register(name):
    try:
        return guest.register(name)
    except ReadError:
        return None


def code_at(address):
    try:
        return bytes(gdb.selected_inferior().read_memory(address, 16)).hex()
    except (gdb.error, OverflowError):
        return ""


def instruction_at(address):
    """The instruction's text without its address; "" where there is none to be read."""
    shown = execute_quietly(f"x/i {address:#x}")
    return " ".join(shown.rpartition(":\t")[2].split()) if ":\t" in shown else ""


def location(address):
    """An address as function and line."""
    line, shown = gdb.find_pc_line(address), execute_quietly(f"info symbol {address:#x}").strip()
    known = not shown.startswith(("No symbol", "("))
    return {
        "address": address,
        "function": guest.without_disambiguators(shown.partition(" in section")[0].partition(" + ")[0])
        if known
        else "",
        "where": f"{line.symtab.filename}:{line.line}" if line.symtab else "",
        "code": code_at(address),
        "instruction": instruction_at(address),
    }


def page_flags(addresses):
    """Return a map from address to the rights of its page, such as "rwx"; "" if it is not mapped."""
    found = {}
    with contextlib.suppress(ReadError):
        used = guest.page_tables()
        with guest.memory() as memory:
            for address in addresses:
                found[hex(address)] = flags_of_page(memory, used, address)
    return found


def flags_of_page(memory, used, address):
    if not used:
        return "rwx"
    chosen = paging.tables_for(used, address)
    last = paging.walk(memory, chosen, address)[-1] if chosen else None
    return last.entry.flags if last and last.entry.present and last.entry.leaf else ""


def describe_cpu(thread, request):
    cpu = request["cpu"]
    thread.switch()
    pc = register("pc")
    values = {name: register(name) for name in REGISTERS[cpu]}
    fault_address, touched = (values.get(name) for name in FAULT_REGISTERS[cpu])
    known = request["raised"] if request["raised"] and request["raised"]["core"] == thread.num - 1 else None
    fault_address = known["registers"]["pc"] if known else fault_address
    here = location(pc or 0)
    operands = operand.memory_operands(here["instruction"], lambda name: register(name) or 0) if cpu == "x86_64" else []
    addresses = {address for address in (pc, fault_address, touched, *(a for a, _ in operands)) if address is not None}
    has_fault = fault_address or known or (cpu in exception.CALLEE_SAVED and exception.is_fault(cpu, values))
    row = {
        "cpu": thread.num - 1,
        "pc": hex(pc) if pc is not None else "",
        "registers": values,
        "code": here["code"],
        "here": here,
        "fault": location(fault_address) if has_fault else None,
        "operands": operands,
        "maps": page_flags(addresses),
        "disassembly": execute_quietly("x/6i $pc").splitlines(),
    }
    # Last: they change the registers.
    with exception.big_endian() if request["big"] else contextlib.nullcontext():
        if known:
            # GDB keeps what it has read of a stack, so no frame may be computed before.
            with guest.physical_mode() if known["is_physical"] else contextlib.nullcontext():
                exception.enter(known["registers"])
                return {**row, "raised": hex(fault_address), "frames": frames_of_exception(cpu)}
        raised = request["crashed"] and exception.unwind_exception(cpu, values, fault_address)
        if not raised and not request["crashed"]:
            with contextlib.suppress(ReadError, gdb.error):
                exception.leave_firmware(cpu)
        return {**row, "raised": hex(fault_address) if raised else "", "frames": frames()}


def handed_over():
    """What the loader has handed over, by its record or the boot info: start, end and name of each part."""
    with contextlib.suppress(ReadError, gdb.error):
        return [{"start": region.start, "end": region.end, "what": region.name} for region in guest.regions()]
    return []


def main():
    request = json.loads(os.environ["HERMIT_POSTMORTEM"])
    unwind.register()
    report = {"symbols": [], "regions": [], "cpus": [], "error": ""}
    *settings, target = request["connect"]
    for command in (*settings, "set print asm-demangle on", "set disassembly-flavor att"):
        output = execute_quietly(command).strip()
        if "symbol-file" in command:
            report["symbols"].append(output)
    try:
        gdb.execute(target, to_string=True)
        report["regions"] = handed_over()
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            report["cpus"].append(describe_cpu(thread, request))
    except gdb.error as error:
        report["error"] = str(error)
    print("POSTMORTEM " + json.dumps(report), flush=True)
    execute_quietly("disconnect")


main()
