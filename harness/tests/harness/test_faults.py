# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reports of CPU exceptions in a console, in the words of each generation of kernels, without a guest."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.exceptions import table
from hermit_harness.postmortem.fault import explain
from hermit_harness.watch import fault_watcher
from hermit_harness.watch.console import LineSplitter
from hermit_harness.watch.faults import Fault, FaultLog
from hermit_harness.watch.held import stored_state

# @ is the prefix of a line of the log.
X86_FRAME = """InterruptStackFrame {
    instruction_pointer: VirtAddr(
        0x211730,
    ),
    code_segment: SegmentSelector {
        index: 1,
        rpl: Ring0,
    },
    cpu_flags: RFlags(
        INTERRUPT_FLAG | 0x2,
    ),
    stack_pointer: VirtAddr(
        0x40000691eea8,
    ),
    stack_segment: SegmentSelector {
        index: 2,
        rpl: Ring0,
    },
}"""
OLD_X86_FRAME = """ExceptionStackFrame {
    instruction_pointer: 2168624,
    code_segment: 8,
    cpu_flags: 582,
    stack_pointer: 4407360,
    stack_segment: 16,
}"""
HEX_X86_FRAME = """ExceptionStackFrame {
    instruction_pointer: 0x2dc1f8,
    code_segment: 0x8,
    cpu_flags: 0x1246,
    stack_pointer: 0x7c73e50,
    stack_segment: 0x10,
}"""
X86_PAGE_FAULT = f"""@Page fault (#PF)!
@page_fault_linear_address = 0x4000deadbee0
@error_code = PageFaultErrorCode(CAUSED_BY_WRITE)
@fs = 0x0
@gs = 0x282A40
@stack_frame = {X86_FRAME}
"""
AARCH64 = """@Current stack pointer 0x40605ee0
@Unable to handle page fault at 0x4000deadbee0
@Exception return address 0x40227ee0
@Thread ID register 0x40010
@Table Base Register 0x4000a000
@Exception Syndrome Register 0x96000004
"""
RISCV64 = """@Interrupt: Exception(LoadPageFault)
@tf = TrapFrame { general: GeneralRegs { zero: 804630a8, ra: 804101cc, sp: c691aef8, gp: 80469010, tp: 0, s0: 1f }, \
sstatus: 8000000200006120, sepc: 804100de }
@stval = 4000deadbee0
@sepc = 804100de
@SSTATUS FS = Clean
"""
# The prefix up to 0.6.9, of 0.7.0 to 0.11.0 with colours, and since 0.12.
PREFIXES = ("[0][ERROR] ", "[0][\x1b[31mERROR\x1b[0m] ", "[    0.184213][0][\x1b[31mERROR\x1b[0m interrupts] ")


def read(cpu: str, text: str) -> Fault | None:
    """What is recognised in a console."""
    log, lines = FaultLog(cpu), LineSplitter()
    for line in lines.feed(text.encode()):
        log.add_line(line)
    return log.take()


def test_first_of_two_exceptions() -> None:
    """The exception of the application, not that of the kernel which ends it; then the other one."""
    log = FaultLog("x86_64")
    for name in ("Invalid Opcode (#UD)", "Double Fault (#DF)"):
        for line in f"[0][ERROR] {name} Exception: {HEX_X86_FRAME}\n".splitlines():
            log.add_line(line.encode())
    first, second = log.take(), log.take()
    assert first and first.summary.startswith("illegal instruction"), first
    assert second and second.summary.startswith("double fault"), second
    assert log.take() is None


@pytest.mark.parametrize("prefix", PREFIXES)
def test_page_fault(prefix: str) -> None:
    """The same values on each CPU, whatever the log's prefix."""
    reports = {"x86_64": X86_PAGE_FAULT, "aarch64": AARCH64, "riscv64": RISCV64}
    for cpu, text in reports.items():
        fault = read(cpu, "hello\n" + text.replace("@", prefix))
        assert fault is not None, cpu
        assert fault.values["address"] == 0x4000DEADBEE0
        assert fault.pc == {"x86_64": 0x211730, "aarch64": 0x40227EE0, "riscv64": 0x804100DE}[cpu]
    assert fault is not None
    assert fault.values["sp"] == 0xC691AEF8
    assert fault.values["s0"] == 0x1F


@pytest.mark.parametrize(
    ("text", "word", "pc", "sp"),
    [
        (f"[0][ERROR] Invalid Opcode (#UD) Exception: {X86_FRAME}\n", "illegal instruction", 0x211730, 0x40000691EEA8),
        (f"[3][ERROR] Divide Error (#DE) Exception: {OLD_X86_FRAME}\n", "divide error", 0x211730, 0x434040),
        (
            f"[0][ERROR] General Protection (#GP) Exception: {X86_FRAME}, error 0x0\n[0][ERROR] fs = 0x0, gs = 0x0\n",
            "general protection",
            0x211730,
            0x40000691EEA8,
        ),
        (
            f"[0][ERROR] Non-Maskable Interrupt (NMI) Exception: {X86_FRAME}\n",
            "non-maskable interrupt",
            0x211730,
            0x40000691EEA8,
        ),
        (
            f"[0][ERROR] Exception 21\n[0][ERROR] Error code: Some(0)\n[0][ERROR] Stack frame: {X86_FRAME}\n",
            "Exception 21",
            0x211730,
            0x40000691EEA8,
        ),
        (
            f"[0][ERROR] Page Fault (#PF) Exception: {OLD_X86_FRAME}\n[0][ERROR] virtual_address = 0xDEADBEE0, page"
            " fault error = The fault was caused by a non-present page., The access causing the fault was a write.\n"
            "[0][ERROR] fs = 0x0, gs = 0x0\n",
            "page fault",
            0x211730,
            0x434040,
        ),
        (
            f"[0][ERROR] Page Fault (#PF) Exception: {HEX_X86_FRAME}\n[0][ERROR] virtual_address = 0xDEADBEE0, page"
            " fault error = The fault was caused by a non-present page.\nThe access causing the fault was a read.\n"
            "[0][ERROR] fs = 0x0, gs = 0x36FE58\n",
            "page fault",
            0x2DC1F8,
            0x7C73E50,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_x86_exceptions(text: str, word: str, pc: int, sp: int) -> None:
    """Each kind of report of x86_64, old ones with decimal and hexadecimal numbers."""
    fault = read("x86_64", text)
    assert fault is not None
    assert fault.summary.startswith(f"{word} at {pc:#x}")
    assert (fault.pc, fault.values["sp"]) == (pc, sp)


def test_core_is_known() -> None:
    fault = read("x86_64", f"[3][ERROR] Divide Error (#DE) Exception: {X86_FRAME}\n")
    assert fault is not None
    assert fault.core == 3


@pytest.mark.parametrize(
    ("text", "pc"),
    [("Unsupported exception class: 0x0, PC=0x40227ef4", 0x40227EF4), ("Trap to debugger, PC=0x40227ef8", 0x40227EF8)],
)
def test_aarch64_without_address(text: str, pc: int) -> None:
    fault = read("aarch64", f"[0][ERROR] {text}\n")
    assert fault is not None
    assert fault.pc == pc


JUMP = {"address": 0, "function": "", "where": "", "code": "", "instruction": ""}


@pytest.mark.parametrize(
    ("live", "status"),
    [
        ({"ESR_EL1": 0x86000004, "ELR_EL1": 0}, "is not mapped (level 3 of the tables)"),
        ({"ESR_EL1": 0x86000004, "ELR_EL1": 0x4000DEADBEE0}, "cannot be accessed"),
        ({"ESR_EL1": 0x1FE00000, "ELR_EL1": 0}, "cannot be accessed"),
    ],
    ids=["same", "another-place", "another-class"],
)
def test_syndrome_of_a_class(live: dict[str, int], status: str) -> None:
    """A report that names the exception's class alone gets the rest from ESR_EL1, if that is still the exception's."""
    fault = read("aarch64", "[0][ERROR] Unsupported exception class: 0x21, PC=0x0\n")
    assert fault is not None
    report = {"registers": live, "fault": JUMP, "here": JUMP, "frames": [], "operands": [], "maps": {}}
    assert explain(fault, report, None) == f"page fault at 0x0: the program counter points to memory that {status}"


class Memory:
    """The monitor of a guest with 64 KiB of memory, whose core has its stack pointer in it."""

    def __init__(self, stack: int) -> None:
        self.bytes, self.stack = bytearray(65536), stack

    def put(self, at: int, *words: int) -> None:
        self.bytes[at : at + 8 * len(words)] = struct.pack(f"<{len(words)}Q", *words)

    def hmp(self, line: str) -> str:
        if line.startswith("info registers"):
            return f"X29=0000000000000000 X30=0000000000000000  SP={0x80000000 + self.stack:016x}\n"
        if line.startswith("gva2gpa"):
            return f"gpa: {int(line.split()[1], 16) - 0x80000000:#x}\n"
        return "  0000000000000000-000000000000ffff (prio 0, ram): ram\n"

    def execute(self, command: str, arguments: dict[str, Any], seconds: float) -> None:
        assert command == "pmemsave"
        start, size = arguments["val"], arguments["size"]
        Path(arguments["filename"]).write_bytes(self.bytes[start : start + size].ljust(size, b"\0"))


@pytest.mark.parametrize("pc", [0, 0x4000DEADBEE0])
def test_state_is_no_table_of_small_numbers(pc: int) -> None:
    """Only the state that the exception's entry has stored is taken, also after a jump to 0: memory is full of it."""
    fault = read("aarch64", f"[0][ERROR] Unsupported exception class: 0x21, PC={pc:#x}\n")
    memory = Memory(stack=0x8000)
    memory.put(0x1001, 0, pc, 5, 0x7000, 0)  # no state is there
    memory.put(0x2000, 0, pc, 1 << 32 | 5)
    assert fault is not None
    assert stored_state(memory, fault) is None  # type: ignore[arg-type]
    if pc == 0:
        memory.put(0x3000, 0, pc, 5, 5, 4)
    memory.put(0x80D0, 0, pc, 0x604003C4, 0x80001D282E60, 0)
    state = stored_state(memory, fault)  # type: ignore[arg-type]
    assert state is not None
    assert (state.address, state.registers["sp"]) == (0x80D0, 0x80001D282E60)


def test_incomplete_report_is_none() -> None:
    """Without its last field a report is not recognised, nor is one of another CPU, nor text without the prefix."""
    whole = X86_PAGE_FAULT.replace("@", "[0][ERROR] ")
    assert read("x86_64", whole) is not None
    for lines in range(1, whole.count("\n")):
        assert read("x86_64", "".join(whole.splitlines(keepends=True)[:lines])) is None
    assert read("aarch64", whole) is None
    assert read("x86_64", X86_PAGE_FAULT.replace("@", "")) is None


def test_lines_of_other_cores_between() -> None:
    """Another core may print in the middle of a report."""
    text = "".join(f"{line}\n[1][INFO] working\n" for line in X86_PAGE_FAULT.replace("@", "[0][ERROR] ").splitlines())
    fault = read("x86_64", text)
    assert fault is not None
    assert fault.values["address"] == 0x4000DEADBEE0


def test_report_after_unfinished_line() -> None:
    """An application may leave a line open before it faults."""
    text = X86_PAGE_FAULT.replace("@", "[0][ERROR] ")
    assert read("x86_64", f"no newline{text}") is not None


def test_table_has_rows_for_each_cpu() -> None:
    """Each row can be confirmed: its state contains a value of its report."""
    assert {row.cpu for row in table().rows} == {"x86_64", "aarch64", "riscv64"}
    for row in table().rows:
        groups = set(row.block.groupindex) | ({"ra"} if "registers" in row.block.groupindex else set())
        assert groups & set(row.state), row.id


class HeldGuest:
    """A guest with one report of an exception."""

    def __init__(self) -> None:
        self.boot_log = self.faults = self
        self.qmp = None
        self.reports = [Fault(table().rows[0], 0, "", {})]
        self.paused = False

    def take(self) -> Fault | None:
        return self.reports.pop() if self.reports else None

    def hold(self) -> bool:
        self.paused = True
        return True

    def resume(self) -> None:
        self.paused = False


def test_guest_whose_memory_cannot_be_read_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, for example, leaves no guest paused, which no deadline in CPU time would end."""

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fault_watcher, "stored_state", full)
    watcher, guest = fault_watcher.FaultWatcher(), HeldGuest()
    watcher.on_start(guest)  # type: ignore[arg-type]
    watcher.on_output(b"")
    assert not guest.reports and not guest.paused
