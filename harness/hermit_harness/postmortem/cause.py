# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Why a processor stopped, in one sentence: from what GDB saw of it (gdbcmds/postmortem.py). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

CpuReport = Mapping[str, Any]
VECTORS_SIZE = 0x800  # of AArch64 (Arm ARM, D1.10.2); the trap entries of kernels for riscv64 are shorter
GUARD_BYTES = 4096  # unmapped memory below a task's stack: one page
UNKNOWN_STATUS = 0x3F  # a fault status code that ESR_EL1 does not have, for one that nothing shows
ELF_HEADERS_SIZE = 64 + 8 * 56  # the ELF header and eight program headers
# ESR_EL1.EC where the word alone is the reason (Arm ARM, D17.2.37).
EXCEPTION_CLASSES = {
    0x00: "undefined instruction",
    0x07: "floating point or SIMD is switched off",
    0x0E: "illegal execution state",
    0x15: "svc",
    0x18: "trapped access to a system register",
    0x19: "SVE is switched off",
    0x22: "the program counter is not aligned",
    0x26: "the stack pointer is not aligned",
    0x2F: "SError",
    0x3C: "breakpoint instruction",
}
# scause (privileged specification, table 4.2): what it is called, and what was done to the address in stval.
TRAP_CAUSES = {
    0: ("misaligned jump", ""),
    1: ("access fault", "the program counter points to"),
    2: ("illegal instruction", ""),
    3: ("breakpoint", ""),
    4: ("misaligned load", "it reads"),
    5: ("access fault", "it reads"),
    6: ("misaligned store", "it writes to"),
    7: ("access fault", "it writes to"),
    8: ("ecall", ""),
    9: ("ecall", ""),
    12: ("page fault", "the program counter points to"),
    13: ("page fault", "it reads"),
    15: ("page fault", "it writes to"),
}
# Where the sources of Rust's library (with rustup, as compiled by its project, in Debian) and of packages are, on the
# machine that has compiled them.
FOREIGN_ROOT = re.compile(r"^.*/(?:rustlib/src/rust|rustc/[0-9a-f]+|rustc-[0-9.]+|registry/src/[^/]+)/")
# Rust's, and what the compiler calls for a check that failed.
_PANICS = re.compile(r"(^|::)(panic(_\w+)?|rust_begin_unwind|(unwrap|expect|assert)_failed\w*|slice_\w*fail\w*)$")


def location_text(location: CpuReport) -> str:
    """`0x201234 in function (file:line)`."""
    name = f" in {location['function']}" if location["function"] else ""
    where = without_root(location["where"])
    return f"{location['address']:#x}{name}" + (f" ({where})" if where else "")


def without_root(path: str) -> str:
    """Return the path of a source file without the place of registry or toolchain."""
    return FOREIGN_ROOT.sub("", path)


def explain(cpu: str, verdict: str, cpus: Sequence[CpuReport], image: range | None = None) -> str:
    """Return the sentence about the first CPU that shows a reason, or "". `image` is the image's address range."""
    if verdict in ("hang", "timeout"):
        word = "hang" if verdict == "hang" else "stopped"
        return next(filter(None, (_vector_loop(one) for one in cpus)), "") or _hang(cpus, word)
    if verdict == "panic":
        return next(filter(None, map(_panicked, cpus)), "")
    if verdict != "crash":
        return ""
    if loop := next(filter(None, (_vector_loop(one) for one in cpus)), ""):
        return loop
    reason = {"x86_64": _x86, "aarch64": _aarch64, "riscv64": _riscv64}[cpu]
    found = next(((one, text) for one in cpus if (text := reason(in_source(one), image))), None)
    return found[1] + called_from(found[0]) if found else ""


def in_source(cpu: CpuReport) -> CpuReport:
    """Return the report with the instructions that it is about at lines of the program, not of the Rust library.

    A line of the library is part of a function that the compiler has inlined.
    """
    found = dict(cpu)
    for key in ("here", "fault"):
        location = cpu[key]
        frames = [f for f in cpu["frames"] if location and f["function"] and f["pc"] == hex(location["address"])]
        own = next((f for f in frames if not FOREIGN_ROOT.search(f["where"])), None)
        if own and own is not frames[0]:
            found[key] = {**location, "function": own["function"], "where": own["where"]}
    return found


def called_from(cpu: CpuReport) -> str:
    """Return who called, as the end of a sentence, if the exception is at an address without function, or in a function
    of the library; else ""."""
    cpu = in_source(cpu)  # a function of the library that the compiler has inlined has no caller to be named
    location, (first, *callers) = cpu["fault"] or cpu["here"], cpu["frames"] or [{"pc": ""}]
    if first["pc"] != hex(location["address"]):
        return ""
    if first["function"]:
        if not FOREIGN_ROOT.search(location["where"]):
            return ""
        callers = [frame for frame in callers if not FOREIGN_ROOT.search(frame["where"])]
    if not callers or not callers[0]["function"]:
        return ""
    return f", called from {location_text({**callers[0], 'address': int(callers[0]['pc'], 16)})}"


# --- what the code at an address is ---


def not_code(code: bytes, address: int, image: range | None) -> str:
    """Return a sentence for bytes that are not code, or ""."""
    if code[:4] == b"\x7fELF" or (image and image.start <= address < image.start + ELF_HEADERS_SIZE):
        return "that is the ELF header of the application, not code"
    if len(code) >= 8 and not any(code[:8]):
        return "there are only zeros, not code"
    return ""


def fetched(location: CpuReport, image: range | None) -> str:
    """Return the instruction, or what the memory contains instead."""
    code = bytes.fromhex(location["code"])
    return not_code(code, location["address"], image) or location["instruction"] or "it cannot be read"


# --- x86_64: the machine is paused at the fault, and CR2 is the address of the last page fault ---


def _x86(cpu: CpuReport, image: range | None) -> str:
    here = cpu["here"]
    reason = _x86_reason(cpu, here, image)
    return f"triple fault at {location_text(here)}" + (f": {reason}" if reason else "")


def _x86_reason(cpu: CpuReport, here: CpuReport, image: range | None) -> str:
    code, text = bytes.fromhex(here["code"]), here["instruction"]
    word = text.partition(" ")[0]
    mapped = cpu["maps"]
    if mapped.get(hex(here["address"])) == "" or not code:
        return "page fault, the program counter points to memory that is not mapped"
    data_instead = not_code(code, here["address"], image)
    if data_instead:
        return data_instead
    if word.startswith("ud") or "(bad)" in text:
        return f"illegal instruction {text}"
    if word in ("div", "divb", "divw", "divl", "divq", "idiv", "idivb", "idivw", "idivl", "idivq"):
        return f"divide error by {text}"
    if word.startswith("int"):
        return f"{text}, which nothing handles"
    return next(filter(None, (_memory_access(address, written, mapped) for address, written in cpu["operands"])), "")


def is_canonical(address: int) -> bool:
    """Whether bits 47 to 63 are equal."""
    return address >> 47 in (0, 0x1FFFF)


def _memory_access(address: int, written: bool, mapped: Mapping[str, str]) -> str:
    verb = "writes to" if written else "reads"
    if not is_canonical(address):
        return f"general protection, it {verb} {address:#x}, which is no canonical address"
    rights = mapped.get(hex(address))
    if rights == "":
        return f"page fault, it {verb} {address:#x}, which is not mapped"
    if rights and written and rights[1] != "w":
        return f"page fault, it writes to {address:#x}, which is mapped read-only"
    return ""


# --- AArch64 and riscv64: the processor keeps why, where and what for its handler ---


def _aarch64(cpu: CpuReport, image: range | None) -> str:
    esr, far = cpu["registers"].get("ESR_EL1") or 0, cpu["registers"].get("FAR_EL1") or 0
    location, kind = cpu["fault"], esr >> 26 & 63
    if not esr or not location:
        return ""
    if kind in (0x20, 0x21):
        return f"{_abort(esr)} at {location_text(location)}: the program counter points to memory that {_status(esr)}"
    if kind in (0x24, 0x25):
        verb = "writes to" if esr >> 6 & 1 else "reads"
        return f"{_abort(esr)} at {location_text(location)}: it {verb} {far:#x}, which {_status(esr)}"
    word = EXCEPTION_CLASSES.get(kind, f"exception class {kind:#x}")
    return f"{word} at {location_text(location)}: {fetched(location, image)}"


def _abort(esr: int) -> str:
    code = esr & 63
    return "external abort" if code & 0x3C == 0x10 else "alignment fault" if code == 0x21 else "page fault"


def _status(esr: int) -> str:
    """The fault status code as the end of a sentence about an address."""
    code = esr & 63
    words = {
        0x00: "has more bits than the tables know",
        0x04: f"is not mapped (level {3 - (code & 3)} of the tables)",
        0x08: "is mapped by an entry without access flag",
        0x0C: "is mapped without that right",
        0x10: "nothing answers for",
    }
    words |= {UNKNOWN_STATUS & 0x3C: "cannot be accessed"}
    return "is not aligned" if code == 0x21 else words.get(code & 0x3C, f"fails with status {code:#x}")


def _riscv64(cpu: CpuReport, image: range | None) -> str:
    number, value = cpu["registers"].get("scause") or 0, cpu["registers"].get("stval") or 0
    location = cpu["fault"]
    if not location or number >> 63:
        return ""
    word, verb = TRAP_CAUSES.get(number, (f"exception {number}", ""))
    if verb:
        where = "which is not mapped" if word == "page fault" else "where there is no memory"
        where = (
            where if cpu["maps"].get(hex(value)) == "" or word != "page fault" else "which is mapped without that right"
        )
        used_up = stack_note(value, cpu["registers"].get("sp") or 0) if where.endswith("not mapped") else ""
        return f"{word} at {location_text(location)}: {verb} {value:#x}, {where}{used_up}"
    return f"{word} at {location_text(location)}: {fetched(location, image)}"


def stack_note(address: int, sp: int) -> str:
    """Return the end of a sentence about an access to unmapped memory that is the end of a stack, or ""."""
    return ": the stack is used up" if abs(address - sp) < GUARD_BYTES else ""


def undefined_instruction(cpu: str, report: CpuReport) -> str:
    """The text of an instruction that the processor does not know; "" if it died of something else."""
    if cpu == "x86_64":
        reason = _x86_reason(report, report["here"], None)
        return str(report["here"]["instruction"]) if not reason or reason.startswith("illegal") else ""
    location, registers = report["fault"], report["registers"]
    unknown = (registers.get("ESR_EL1") or 1 << 26) >> 26 == 0 if cpu == "aarch64" else registers.get("scause") == 2
    return str(location["instruction"]) if location and unknown else ""


# --- panics ---


def panicking(frames: Sequence[CpuReport]) -> int:
    """Return the number of the frame that called the functions by which a program panics; 0 if there is none."""
    called = [number for number, frame in enumerate(frames[:-1]) if _PANICS.search(frame["function"])]
    return called[-1] + 1 if called else 0


def _panicked(cpu: CpuReport) -> str:
    number = panicking(cpu["frames"])
    caller = cpu["frames"][number]
    return f"panicked at {location_text({**caller, 'address': int(caller['pc'], 16)})}" if number else ""


# --- hangs ---


def _vector_loop(cpu: CpuReport) -> str:
    """AArch64 and riscv64: the exception handler raises the exception that it handles."""
    registers, location = cpu["registers"], cpu["fault"]
    vectors = registers.get("VBAR_EL1") or (registers.get("stvec") or 0) & ~3
    if not vectors or not location:
        return ""
    inside = range(vectors, vectors + VECTORS_SIZE)
    if int(cpu["pc"], 16) in inside and location["address"] in inside:
        reason = (_aarch64 if "VBAR_EL1" in registers else _riscv64)(cpu, None)
        text = f"an exception in the exception handler at {location_text(location)}, for ever: {reason}"
        own = (f for f in cpu["frames"] if f["where"] and not FOREIGN_ROOT.search(f["where"]))
        caller = next((f for f in own if int(f["pc"], 16) not in inside), None)
        return text + (
            f", entered from {location_text({**caller, 'address': int(caller['pc'], 16)})}" if caller else ""
        )
    return ""


def _hang(cpus: Sequence[CpuReport], word: str) -> str:
    """The first processor that does not sleep, else the first. Of functions that were inlined the outermost counts."""
    awake = [one for one in cpus if one["here"]["instruction"].partition(" ")[0] not in ("hlt", "wfi", "wfe")]
    cpu = next(iter([*awake, *cpus]), None)
    if not cpu:
        return ""
    frames = [f for f in cpu["frames"] if f["function"]]
    inner = [f for f in frames if f["pc"] == cpu["pc"]]
    if not inner:
        return f"{word} at {location_text(cpu['here'])}"
    callers = [f["function"] for f in frames[len(inner) :][:2]]
    here = {**inner[-1], "address": cpu["here"]["address"]}
    return f"{word} at {location_text(here)}" + "".join(f", called by {name}" for name in callers)
