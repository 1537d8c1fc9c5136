# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Runs inside GDB's own Python: connects to a stopped guest, prints one JSON object about every processor.

Input: environment variable HERMIT_POSTMORTEM, a JSON object {"connect": GDB commands whose last one connects, "cpu":
name of the processor}.
Output: one line on stdout, "POSTMORTEM " and the JSON. Imports nothing of the harness.
"""

import json
import os

import gdb

MAX_FRAMES = 64
# The registers that tell most.
REGISTERS = {
    "x86_64": ("rax", "rcx", "rdx", "rsp", "rbp", "rdi", "rsi"),
    "aarch64": ("x0", "x1", "x29", "x30", "sp", "cpsr", "ESR_EL1", "FAR_EL1", "ELR_EL1", "VBAR_EL1"),
    "riscv64": ("ra", "sp", "gp", "tp", "a0", "a1", "scause", "sepc", "stval", "stvec", "satp"),
}


def quiet(command):
    """Run a GDB command, return its text or the error as text."""
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as error:
        return f"({error})"


def frame_row(frame):
    sal = frame.find_sal()
    where = f"{sal.symtab.filename}:{sal.line}" if sal.symtab else ""
    return {"pc": hex(frame.pc()), "function": frame.name() or "", "where": where}


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


def register(name):
    try:
        return int(gdb.parse_and_eval(f"${name}")) & 0xFFFF_FFFF_FFFF_FFFF  # no cast: the frame may be of Rust
    except gdb.error:
        return None


def code_at(address):
    try:
        return bytes(gdb.selected_inferior().read_memory(address, 16)).hex()
    except gdb.error:
        return ""


def processor(thread, names):
    thread.switch()
    pc = register("pc")
    return {
        "cpu": thread.num,
        "pc": hex(pc) if pc is not None else "",
        "registers": {name: register(name) for name in names},
        "code": code_at(pc) if pc is not None else "",
        "disassembly": quiet("x/6i $pc").splitlines(),
        "frames": frames(),
    }


def main():
    wanted = json.loads(os.environ["HERMIT_POSTMORTEM"])
    report = {"symbols": [], "cpus": [], "error": ""}
    names = REGISTERS[wanted["cpu"]]
    *settings, target = wanted["connect"]
    for command in settings:
        said = quiet(command).strip()
        if "symbol-file" in command:
            report["symbols"].append(said)
    try:
        gdb.execute(target, to_string=True)
        for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
            report["cpus"].append(processor(thread, names))
    except gdb.error as error:
        report["error"] = str(error)
    print("POSTMORTEM " + json.dumps(report), flush=True)
    quiet("disconnect")


main()
