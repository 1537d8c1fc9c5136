# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A session stops where an application faults, without a breakpoint asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Start = Callable[..., Any]
PROMPT = r"\(gdb\) "
KERNELS = [
    ("x86_64-multiboot", "real-fault-0.11.0", "page fault", "Page fault"),
    ("x86_64-multiboot", "real-fault-0.10.0", "page fault", "Page fault"),
    ("aarch64-elf", "real-fault-0.11.0-aarch64", "data abort", "PANIC"),
    ("riscv64-sbi", "real-fault-0.11.0-riscv64", "load page fault", "LoadPageFault"),
]
CALLERS = ["fault::bad_read", "fault::raise", "fault::runtime_entry", "hermit::initd"]


def functions(trace: str) -> list[str]:
    return re.findall(r"^#\d+ +(?:0x\w+ in )?(\S+) \(", trace, re.M)


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize(("target", "image", "event", "printed"), KERNELS, ids=[row[1] for row in KERNELS])
def test_fault_in_a_real_kernel(start: Start, target: str, image: str, event: str, printed: str) -> None:
    """Frame 0 is the faulting access, with arguments and callers. The kernel may then handle the exception."""
    gdb = start("debug", "--isolate", "--target", target, image, "--", "read")
    gdb.expect(PROMPT)
    seen = gdb.ask("continue")
    event += " at address 0x4000deadbee0"
    assert f"hermit: {event}; `set $hermit_faults = 0` and `continue` let the kernel handle it" in seen
    trace = gdb.ask("backtrace")
    back = functions(trace)
    assert back[back.index("fault::bad_read") :][: len(CALLERS)] == CALLERS, trace
    assert re.search(r"^#\d+ +fault::bad_read \(address=70372480106208\) at src/bin/fault\.rs:\d+", trace, re.M), trace
    place = gdb.ask("print $pc").partition(" = ")[2]
    assert "<fault::bad_read" in place
    assert event in gdb.ask("continue"), "the fault repeats"
    assert gdb.ask("print $pc").partition(" = ")[2] == place
    gdb.ask("set $hermit_faults = 0")
    gdb.type("continue\n")
    gdb.expect(printed)


@pytest.mark.parametrize("name", ["aarch64-elf", "riscv64-sbi"])
def test_fault_on_the_way_to_a_breakpoint(start: Start, name: str) -> None:
    """The prompt is at the fault of an application with vectors of its own, not in them."""
    gdb = start("debug", "--isolate", "--target", name, "--break", "panic", "fault", "--", "page-fault")
    seen = gdb.expect(PROMPT)
    assert re.search(
        r"hermit: (data abort|store access fault) at address 0x400000000000: .*before panic was reached", seen
    )
    assert functions(gdb.ask("backtrace"))[:3] == ["fault_raise", "app_main", "crt_entry"]


@pytest.mark.parametrize(("place", "commands"), [("trap_install", ["finish"]), ("app_main", ["next"] * 4)])
def test_step_over_the_table(start: Start, place: str, commands: list[str]) -> None:
    """A step during which the kernel sets its table ends where it should, and a later fault stops."""
    gdb = start("debug", "--isolate", "--machine", "microvm", "--break", place, "trap")
    gdb.expect(PROMPT)
    seen = [gdb.ask(command) for command in commands]
    assert 'if (strcmp(kind, "write") == 0)' in seen[-1], seen
    assert "hermit: page fault at address 0x4000deadbee0" in gdb.ask("continue")
    assert functions(gdb.ask("backtrace"))[:2] == ["bad_read", "app_main"]


@pytest.mark.parametrize("image", [row[1].replace("fault", "hello") for row in KERNELS])
def test_no_stop_without_a_fault(start: Start, image: str) -> None:
    """Interrupts and the kernel's own exceptions are no faults: the application runs to its end."""
    (target,) = [row[0] for row in KERNELS if row[1].replace("fault", "hello") == image]
    gdb = start("debug", "--isolate", "--target", target, image)
    gdb.expect(PROMPT)
    gdb.type("continue\n")
    seen = gdb.expect(PROMPT)
    assert "hermit: " not in seen
    assert re.search(r"SIGQUIT|exited|closed", seen), seen
