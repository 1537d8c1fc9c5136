# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl debug as a person meets it: one command, GDB's prompt, and what GDB then says."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix.prerequisites import make
from hermit_harness.paths import ROOT
from hermit_harness.vm.targets import cpu_of_arch

Start = Callable[..., Any]
PROMPT = r"\(gdb\) "
STEPS = ROOT / "fixtures" / "bare" / "steps" / "steps.c"
# Each way into an application, and how its image lies: ET_DYN or at a fixed address.
TARGETS = [
    ("x86_64-multiboot", "pc", "steps"),
    ("x86_64", "q35", "steps-fixed"),
    ("x86_64-pvh", "microvm", "steps"),
    ("x86_64-linux", "pc", "steps"),
    ("x86_64-uefi", "ovmf", "steps"),
    ("aarch64-elf", "virt", "steps"),
    ("aarch64-elf", "virt-el2", "steps-fixed"),
    ("aarch64-uefi", "virt", "steps"),
    ("aarch64-uefi", "aavmf", "steps-fixed"),
    ("aarch64_be-elf", "virt", "steps"),
    ("riscv64-sbi", "virt", "steps"),
    ("riscv64-sbi", "virt-fw-jump-1.1", "steps-fixed"),
]
SECONDS_TO_PROMPT = 2.0


def line_of(mark: str) -> int:
    """The line of steps.c that a marker comment names."""
    (found,) = [n for n, line in enumerate(STEPS.read_text().splitlines(), 1) if f"MARK: {mark} */" in line]
    return found


@pytest.mark.requirement("L-28", "L-29", "L-30", "L-31")
@pytest.mark.parametrize(("target", "machine", "image"), TARGETS, ids=[f"{t}-{m}-{i}" for t, m, i in TARGETS])
def test_walk(start: Start, target: str, machine: str, image: str) -> None:
    """One command stops at a function of the application; lines, locals, step and finish are
    right; the way back leads to the application's first instruction and no further."""
    gdb = start("debug", "--isolate", "--target", target, "--machine", machine, "--break", "app_main", image)
    seen = gdb.expect(PROMPT, 90)
    assert f"app_main () at fixtures/bare/steps/steps.c:{line_of('first line of app_main')}" in seen
    assert "too long" not in seen
    base = int(re.search(r"application is at (0x[0-9a-f]+)\.\.", seen)[1], 16)  # type: ignore[index]
    assert f"Loading kernel to {base:#x}.." in seen
    assert str(line_of("twice is called")) in gdb.ask("next")
    assert gdb.ask("print seed") == "$1 = 20"
    assert "twice (value=20)" in gdb.ask("step")
    assert "add (left=20, right=20)" in gdb.ask("step")
    assert f"{line_of('sum is known')}\t" in gdb.ask("next")
    assert gdb.ask("info locals") == "sum = 40"
    back = re.findall(r"^#\d+ .*?(\w+) \(.*\) at", gdb.ask("backtrace"), re.M)
    assert back == ["add", "twice", "app_main", "crt_entry", "_start"]
    assert "Value returned is $2 = 40" in gdb.ask("finish")
    moved = 0 if image.endswith("-fixed") else base
    linked = symbol(image, target, "app_main")
    assert f"{linked + moved:#x}" in gdb.ask("info address app_main")
    gdb.type("continue\n")
    gdb.expect("total 42.*" + PROMPT)
    gdb.type("quit\n")
    assert gdb.end() == 0


def symbol(image: str, target: str, name: str) -> int:
    """Where a function was linked, read by somebody else than GDB."""
    from elftools.elf.elffile import ELFFile

    with images(target.split("-")[0])[image].path.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        (found,) = table.get_symbol_by_name(name)
        return int(found["st_value"])


LOADERS = [("x86_64-multiboot", "pc"), ("x86_64-uefi", "ovmf"), ("aarch64-elf", "virt"), ("aarch64_be-elf", "virt")]
LOADERS += [("aarch64-uefi", "virt"), ("riscv64-sbi", "virt")]


@pytest.mark.requirement("L-29", "L-32")
@pytest.mark.parametrize(("target", "machine"), LOADERS, ids=[target for target, _ in LOADERS])
def test_through_the_hand_over(start: Start, target: str, machine: str) -> None:
    """From the loader's own code, with its callers, over its last function and the last code, which runs
    from a copy, into the application; all have their symbols at once."""
    cpu = cpu_of_arch(target.partition("-")[0])
    words = ("--target", target, "--machine", machine, "--stop-at", "loader", "--break", "app_main", "steps")
    gdb = start("debug", "--isolate", *words)
    assert "boot_run (boot=" in gdb.expect(PROMPT)
    gdb.ask("next")
    seen = gdb.ask("continue")
    assert "arch_handover (h=" in seen
    image = int(re.search(r"the application is at (0x[0-9a-f]+)", seen)[1], 16)  # type: ignore[index]
    callers = re.findall(r"^#\d+ .*?(\w+) \(.*\) at (\S+):", gdb.ask("backtrace"), re.M)
    assert ("arch_handover", f"loader/arch/{cpu}/handover.c") in callers
    assert ("boot_run", "loader/core/boot.c") in callers
    gdb.ask("hbreak last_enter")
    last = f"loader/arch/{cpu}/trampoline."
    assert f"last_enter () at {last}" in gdb.ask("continue")
    assert int(gdb.ask("print/x $pc").rpartition(" ")[2], 16) < image
    callers = re.findall(r"^#\d+ .*?(\w+) \(.*\) at (\S+):", gdb.ask("backtrace"), re.M)
    assert [name for name, _ in callers[:2]] == ["last_enter", "arch_handover"]
    assert ("boot_run", "loader/core/boot.c") in callers
    gdb.ask("stepi 3")  # on the application's stack by now
    assert re.search(rf"^#0 +last_enter \(\) at {last}", gdb.ask("backtrace"), re.M)
    assert "app_main () at fixtures/bare/steps/steps.c" in gdb.ask("continue")
    assert "arch_handover" in gdb.ask("info symbol arch_handover")


REAL = [("x86_64-multiboot", "real-hello-0.11.0"), ("aarch64-elf", "real-hello-0.11.0-aarch64")]
REAL += [("riscv64-sbi", "real-hello-0.11.0-riscv64")]


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize(("target", "image"), REAL, ids=[image for _, image in REAL])
def test_a_real_kernel(start: Start, target: str, image: str) -> None:
    """The breakpoint that everybody wants, in a Rust application, by the path that everybody types."""
    gdb = start("debug", "--isolate", "--target", target, "--break", "hermit::boot_processor_main", image)
    seen = gdb.expect(PROMPT)
    where = re.search(r"boot_processor_main \(\) at \S*/src/lib\.rs:(\d+)", seen)
    assert where, seen
    trace = gdb.ask("backtrace")
    assert re.search(r"boot_processor_main \(\).*\n#\d+ .*\bpre_init \(.*\) at \S*(start|kernel/mod)\.rs", trace), trace
    assert "??" not in trace  # nobody has called the first function
    assert "loader/" not in trace


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize(("target", "image"), REAL, ids=[image for _, image in REAL])
def test_a_real_application(start: Start, target: str, image: str) -> None:
    """In the part of a Rust application that its author wrote: arguments, locals, the source, callers, step."""
    image, main = image.replace("hello", "exit"), ROOT / "fixtures" / "real" / "exit" / "main.rs"
    gdb = start("debug", "--isolate", "--target", target, "--args", "7", "--break", "runtime_entry", image)
    source = dict(enumerate(main.read_text().splitlines(), 1))
    first = next(number for number, line in source.items() if "let status" in line)
    assert re.search(rf"exit::runtime_entry \(argc=2, argv=0x\w+, .*at src/bin/exit.rs:{first}\n", gdb.expect(PROMPT))
    assert "argc = 2\n" in gdb.ask("info args")
    assert f"{first}\t{source[first]}\n" in gdb.ask("list")
    last = next(number for number, line in source.items() if "sys_exit(status)" in line)
    assert f"{last}\t{source[last]}" in gdb.ask(f"until {last}")
    assert gdb.ask("info locals") == "status = 7"
    assert gdb.ask("print status + 1") == "$1 = 8"
    gdb.ask("tbreak sys_exit")
    gdb.ask("continue")
    back = re.findall(r"^#\d+ +(?:0x\w+ in )?(.*?) \(", gdb.ask("backtrace"), re.M)
    callers = back[back.index("hermit::syscalls::tasks::sys_exit") :]
    assert callers[1:3] == ["exit::runtime_entry", "hermit::initd"]
    assert re.search(r"::task_(entry|start)$", callers[3])
    assert callers[4:] in ([], ["switch_to_task"]), "newer GDBs go on into who made the task"
    assert re.search(r"^(warning: )?\d+\t", gdb.ask("step"), re.M)


@pytest.mark.requirement("L-30")
def test_the_applications_function(start: Start) -> None:
    """A function that the loader has, too, is the application's."""
    gdb = start("debug", "--isolate", "--break", "add", "steps")
    assert "locations" not in gdb.expect(PROMPT)
    assert "add (left=20, right=20)" in gdb.ask("frame")


@pytest.mark.requirement("L-30")
def test_entry_by_default(start: Start) -> None:
    """Without a wish the first prompt is at the application's first instruction, with its line."""
    gdb = start("debug", "--isolate", "hello")
    assert "_start () at fixtures/abi/x86_64/start.S:" in gdb.expect(PROMPT)


@pytest.mark.requirement("L-31")
@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "riscv64"])
def test_after_a_rebuild_elsewhere(start: Start, arch: str, tmp_path: Path) -> None:
    """The base is asked for in the same boot, so that an application built anew, for another place, is found."""
    (tmp_path / "app.c").write_bytes((ROOT / "fixtures" / "bare" / "steps" / "steps.c").read_bytes())
    bases = []
    for options in ("", "-z max-page-size=0x1000000"):
        make("-f", "fixtures/fixtures.mk", "app", f"SRC={tmp_path}", f"ARCH={arch}", f"APP_LDFLAGS+={options}")
        gdb = start("debug", "--isolate", "--break", "app_main", tmp_path / "app")
        seen = gdb.expect(PROMPT)
        assert "app_main () at " in seen
        bases.append(re.search(r"application is at (0x[0-9a-f]+)\.\.", seen)[1])  # type: ignore[index]
    assert bases[0] != bases[1]


def test_interrupt_stops_the_guest(start: Start) -> None:
    """Ctrl-C is for the guest: it stands, nothing is killed, and it goes on."""
    gdb = start("debug", "--isolate", "hang")
    gdb.expect(PROMPT)
    gdb.type("continue\n")
    gdb.expect("from here on nothing happens")
    for _ in range(2):
        gdb.type("\x03")
        assert re.search("SIGINT|Quit", gdb.expect(PROMPT))  # it quits where it has not let the guest go yet
        assert "app_main ()" in gdb.ask("backtrace")
        gdb.type("continue\n")
        gdb.expect("Continuing")
    gdb.type("\x03")
    gdb.expect(PROMPT)
    gdb.type("\x04")
    assert gdb.end() == 0


def test_interrupt_before_the_breakpoint(start: Start) -> None:
    """A breakpoint that is not reached is no end: Ctrl-C gives a prompt where the guest is."""
    gdb = start("debug", "--isolate", "--break", "panic", "hang")
    gdb.expect("from here on nothing happens")
    gdb.type("\x03")
    assert "before panic was reached" in gdb.expect(PROMPT)
    assert "app_main ()" in gdb.ask("backtrace")
    gdb.ask("hbreak app_main")


def test_fault_before_the_breakpoint(start: Start) -> None:
    """A guest that faults on its way leaves the prompt where it did, the machine as it was."""
    gdb = start("debug", "--isolate", "--break", "panic", "fault")
    assert "before panic was reached" in gdb.expect(PROMPT)
    assert "app_main ()" in gdb.ask("backtrace")


def crowding() -> float:
    """How much longer than it should a little work takes just now, since others want the processor as well."""
    wall, cpu = time.perf_counter(), time.process_time()
    while time.process_time() - cpu < 0.05:
        pass
    return (time.perf_counter() - wall) / (time.process_time() - cpu)


@pytest.mark.requirement("L-31", "P-06")
def test_time_to_the_prompt(start: Start, record_property: Callable[[str, object], None]) -> None:
    """From exec to the first bytes of the prompt, ten times, under TCG: the worst is under two seconds of a
    machine that is not shared; a crowded one gets what its crowd takes away."""
    times, crowds = [], []
    for _ in range(10):
        before = crowding()
        gdb = start("debug", "--isolate", "real-hello-0.11.0")
        gdb.expect(PROMPT)
        times.append(gdb.matched - gdb.started)
        crowds.append(max(before, crowding()))
        gdb.type("quit\n")
        gdb.end()
    said = f"worst {max(times):.2f} s, median {statistics.median(times):.2f} s; crowding up to {max(crowds):.1f}"
    record_property("time to the prompt", said)
    print(said)
    assert max(t / c for t, c in zip(times, crowds, strict=True)) < SECONDS_TO_PROMPT, said
