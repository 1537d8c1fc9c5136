# SPDX-License-Identifier: Apache-2.0 OR MIT
"""CPU exceptions in applications: a crash at once, with the line that raised it, on each CPU and kernel."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from hermit_harness.cli.summary import exit_status
from hermit_harness.fixtures import images
from hermit_harness.matrix.specs import release
from hermit_harness.paths import ROOT
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import DEFAULT_TARGETS

Boot = Callable[[RunSpec], Outcome]
SOURCE = (ROOT / "fixtures/real/fault/main.rs").read_text().splitlines()
NOWHERE = "0x4000deadbee0"
SECONDS = 2.0  # of the guest's time, from the first line of the kernel to the end of the run


@dataclass(frozen=True)
class Fault:
    """One kind of exception on one CPU: the cause, and the text of the source line in it ({line})."""

    cause: str
    source: str


AT = r"at 0x[0-9a-f]+ in fault::{name} \(src/bin/fault\.rs:{{line}}\)"
CALLED = r"called from 0x[0-9a-f]+ in fault::call \(src/bin/fault\.rs:{line}\)"


def fault(word: str, name: str, more: str, source: str) -> Fault:
    return Fault(f"{word} {AT.format(name=name)}: {more}", source)


READ = fault("page fault", "bad_read", f"it reads {NOWHERE}, which is not mapped", ".read_volatile()")
WRITE = fault("page fault", "bad_write", f"it writes to {NOWHERE}, which is not mapped", ".write_volatile(1)")
NOWHERE_JUMP = Fault(f"page fault at {NOWHERE}: the program counter points to .*, {CALLED}", "function();")
NULL_JUMP = Fault(f"(page|access) fault at 0x0: the program counter points to .*, {CALLED}", "function();")
COMMON = {"read": READ, "write": WRITE, "jump": NOWHERE_JUMP, "null": NULL_JUMP}
X86 = COMMON | {
    "undefined": fault("illegal instruction", "undefined", "ud2", 'asm!("ud2")'),
    "divide": fault("divide error", "divide", "div ", 'asm!("div '),
    "stack": fault("page fault", "recurse", "it writes to .*, which is not mapped: the stack is used up", "let frame"),
    "misaligned": fault("general protection", "misaligned", "movaps ", 'asm!("movaps'),
}
FAULTS = {
    "real-fault-0.11.0": X86,
    "real-fault-0.10.0": X86,
    "real-fault-0.11.0-aarch64": COMMON
    | {
        "undefined": fault("undefined instruction", "undefined", "udf", 'asm!("udf'),
        "stack": fault("page fault", "recurse", "it writes to .*, which is not mapped", "fn recurse"),
        "misaligned": fault("alignment fault", "misaligned", "it reads .*, which is not aligned", 'asm!("ldxr'),
    },
    "real-fault-0.11.0-riscv64": COMMON
    | {
        "undefined": fault("illegal instruction", "undefined", "unimp", 'asm!("unimp'),
        "misaligned": fault("misaligned load", "misaligned", "it reads ", 'asm!("lr.d'),
    },
}
CELLS = [(image, kind) for image, kinds in FAULTS.items() for kind in kinds]


def spec_of(image: str, arguments: str) -> RunSpec:
    """The boot of an image with these arguments, expected to end well."""
    found = next(images(arch)[image] for arch in ("x86_64", "aarch64", "riscv64") if image in images(arch))
    # Older firmware has no console for this kernel.
    machine = "virt-opensbi-1.6" if found.arch == "riscv64" else ""
    return release(image, machine, DEFAULT_TARGETS[found.arch], append=f"-- {arguments}", expect="exit 0")


def cause_pattern(wanted: Fault) -> str:
    line = next(number for number, text in enumerate(SOURCE, 1) if wanted.source in text)
    return wanted.cause.replace("{line}", str(line))


@pytest.mark.requirement("P-11")
@pytest.mark.parametrize(("image", "kind"), CELLS)
def test_exception_is_a_crash(image: str, kind: str, boot_here: Boot) -> None:
    """An application's exception ends the run as a crash with status 1 and names what it did and the line."""
    outcome = boot_here(spec_of(image, kind))
    assert outcome.verdict == "crash", outcome.cause
    assert exit_status(outcome) == 1
    assert re.match(cause_pattern(FAULTS[image][kind]), outcome.cause), outcome.cause
    backtrace = outcome.postmortem
    assert "fault::runtime_entry" in backtrace or kind == "stack", backtrace


@pytest.mark.parametrize(
    ("image", "kind", "printed"),
    [
        ("real-fault-0.11.0-aarch64", "divide", b"1 / 0 = 0\n"),
        ("real-fault-0.11.0-riscv64", "divide", b"1 / 0 = 18446744073709551615\n"),
    ],
)
def test_no_exception(image: str, kind: str, printed: bytes, boot_here: Boot) -> None:
    """These CPUs divide by zero without an exception."""
    outcome = boot_here(spec_of(image, kind))
    assert outcome.matches("exit 0"), outcome.cause
    assert printed in outcome.console.replace(b"\r", b"")
    assert b"nothing happened" in outcome.console


def test_riscv64_stack_overflow(boot_here: Boot) -> None:
    """On riscv64 the kernel's trap entry uses the same stack, so it raises the next exception, for ever.

    Nothing is printed, and still the run ends at once, without a deadline.
    """
    outcome = boot_here(replace(spec_of("real-fault-0.11.0-riscv64", "stack"), cpu_seconds=1e9, wall_seconds=1e9))
    assert outcome.verdict == "crash"
    written = "it writes to .*: the stack is used up, entered from .* in fault::recurse "
    loop = rf"an exception in the exception handler .* in trap_(entry|from_\w+), for ever: page fault at .*: {written}"
    assert re.match(loop, outcome.cause), outcome.cause
    assert "fault::recurse" in outcome.postmortem


@pytest.mark.parametrize("image", ["real-fault-0.11.0", "real-fault-0.11.0-riscv64"])
def test_thread(image: str, boot_here: Boot) -> None:
    """An exception in a second task ends the run, too; on request the others continue, and a note names it."""
    ended = boot_here(spec_of(image, "read thread"))
    assert ended.verdict == "crash", ended.cause
    assert "fault::bad_read" in ended.cause
    assert b"the first task goes on" not in ended.console
    continued = boot_here(replace(spec_of(image, "read thread"), continues_on_fault=True))
    assert continued.matches("exit 0"), continued.cause
    assert b"the first task goes on" in continued.console
    assert any("page fault at 0x" in note and NOWHERE in note for note in continued.notes), continued.notes


@pytest.mark.parametrize("image", ["real-fault-0.11.0", "real-fault-0.11.0-aarch64", "real-fault-0.11.0-riscv64"])
def test_expected_crash_is_found_at_once(image: str, boot_here: Boot) -> None:
    """A test that expects a crash does not wait for a deadline."""
    outcome = boot_here(replace(spec_of(image, "write"), expect="crash", wall_seconds=60.0))
    assert outcome.matches("crash"), outcome.cause
    assert outcome.timings["cpu"] < SECONDS, outcome.timings


@pytest.mark.parametrize(
    ("arch", "kind", "cause"),
    [
        ("x86_64", "read", r"page fault at 0x[0-9a-f]+ in bad_read \(.*trap\.c:\d+\): it reads 0x4000deadbee0, which"),
        ("x86_64", "write", r"page fault at 0x[0-9a-f]+ in bad_write \(.*trap\.c:\d+\): it writes to 0x4000deadbee0"),
        ("x86_64", "undefined", r"illegal instruction at 0x[0-9a-f]+ in trap_undefined \(.*idt\.c:\d+\): ud2"),
        ("aarch64", "read", r"page fault at 0x[0-9a-f]+ in bad_read \(.*trap\.c:\d+\): it reads 0x4000deadbee0, which"),
        ("aarch64", "write", r"page fault at 0x[0-9a-f]+ in bad_write \(.*trap\.c:\d+\): it writes to 0x4000deadbee0"),
        ("aarch64", "undefined", r"undefined instruction at 0x[0-9a-f]+ in trap_undefined \(.*vectors\.c:\d+\): udf"),
    ],
)
def test_reports_of_later_kernels(arch: str, kind: str, cause: str, boot_here: Boot) -> None:
    """The reports of kernels since 0.12, which print before they end the task on aarch64, too."""
    outcome = boot_here(release("trap", "", DEFAULT_TARGETS[arch], append=f"-- {kind}", expect="exit 0"))
    assert outcome.verdict == "crash", outcome.cause
    assert re.match(cause, outcome.cause), outcome.cause
    assert "app_main" in outcome.postmortem
