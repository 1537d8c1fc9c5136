# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A session stops where an application faults, without a breakpoint asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermit_harness import elf
from hermit_harness.fixtures import images
from hermit_harness.vm.targets import cpu_of_arch, target

Start = Callable[..., Any]
PROMPT = r"\(gdb\) "
# One instruction each, at the start of runtime_entry, whose first argument is 1.
LOADS = {
    "x86_64": bytes.fromhex("a0efbeadde00400000"),  # movabs 0x4000deadbeef, %al
    "aarch64": bytes.fromhex("000040f9"),  # ldr x0, [x0]
    "riscv64": bytes.fromhex("03050500"),  # lb a0, 0(a0)
}
KERNELS = [
    ("x86_64-multiboot", "real-hello-0.11.0", "page fault at address 0x4000deadbeef", "Page fault"),
    ("x86_64-multiboot", "real-hello-0.10.0", "page fault at address 0x4000deadbeef", "Page fault"),
    ("aarch64-elf", "real-hello-0.11.0-aarch64", "data abort at address 0x1", "PANIC"),
    ("riscv64-sbi", "real-hello-0.11.0-riscv64", "load access fault at address 0x1", ""),
]


def with_fault(target_name: str, image: str, folder: Path) -> Path:
    """Copy an application, and let runtime_entry begin with a load that faults."""
    arch = target(target_name).arch
    app = images(arch)[image].path
    names = subprocess.run(["nm", f"{app}.debug"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"^([0-9a-f]+) T runtime_entry$", names, re.M)
    facts, data = elf.read(app), bytearray(app.read_bytes())
    assert found and facts
    at = facts.file_offset(int(found[1], 16))
    assert at is not None
    code = LOADS[cpu_of_arch(arch)]
    data[at : at + len(code)] = code
    (copy := folder / "app").write_bytes(data)
    shutil.copy(f"{app}.debug", f"{copy}.debug")
    return copy


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize(("name", "image", "event", "printed"), KERNELS, ids=[row[1] for row in KERNELS])
def test_fault_in_a_real_kernel(start: Start, name: str, image: str, event: str, printed: str, tmp_path: Path) -> None:
    """Frame 0 is the faulting function, with its arguments and callers. The kernel may then handle the exception."""
    gdb = start("debug", "--isolate", "--target", name, with_fault(name, image, tmp_path))
    gdb.expect(PROMPT)
    seen = gdb.ask("continue")
    assert f"hermit: {event}; `set $hermit_faults = 0` and `continue` let the kernel handle it" in seen
    assert re.search(r"#0 .*\bhello::runtime_entry \(.*\) at src/bin/hello\.rs:\d+", seen), seen
    back = re.findall(r"^#\d+ +(?:0x\w+ in )?(\S+) \(", gdb.ask("backtrace"), re.M)
    assert back[:2] == ["hello::runtime_entry", "hermit::initd"]
    place = gdb.ask("print $pc")
    assert "<hello::runtime_entry" in place or "<runtime_entry>" in place
    assert event in gdb.ask("continue"), "the fault repeats"
    assert gdb.ask("print $pc").partition(" = ")[2] == place.partition(" = ")[2]
    gdb.ask("set $hermit_faults = 0")
    if printed:
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
    back = re.findall(r"^#\d+ +(?:0x\w+ in )?(\S+) \(", gdb.ask("backtrace"), re.M)
    assert back[:3] == ["fault_raise", "app_main", "crt_entry"]


@pytest.mark.parametrize("image", [row[1] for row in KERNELS])
def test_no_stop_without_a_fault(start: Start, image: str) -> None:
    """Interrupts and the kernel's own exceptions are no faults: the application runs to its end."""
    (name,) = [row[0] for row in KERNELS if row[1] == image]
    gdb = start("debug", "--isolate", "--target", name, image)
    gdb.expect(PROMPT)
    gdb.type("continue\n")
    seen = gdb.expect(PROMPT)
    assert "hermit: " not in seen
    assert re.search(r"SIGQUIT|exited|closed", seen), seen
