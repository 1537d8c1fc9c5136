# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The commands `hermit ...` in real GDBs on real guests of each CPU. The tests check their output."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from hermit_harness import elf
from hermit_harness.gdb import program
from hermit_harness.matrix import specs
from hermit_harness.paths import GDBCMDS, ROOT
from hermit_harness.vm.process import launch
from hermit_harness.vm.qmp import Qmp
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

COMMANDS = ["hermit image", "hermit bootinfo", "hermit fdt", "hermit pagetables", "hermit log"]
TARGETS = ["x86_64-multiboot", "aarch64-elf", "aarch64_be-elf", "riscv64-sbi"]
MARK = "-- "
# Only at the hand-over has the loader reported the application's address, so that symbols can be loaded.
LOAD_SYMBOLS = """python import re; start = int(re.search("Loading kernel to (0x[0-9a-f]+)", \
gdb.execute("hermit log", to_string=True))[1], 16); gdb.execute("add-symbol-file {file} -o %#x" % (start - {low}))"""


def discard(console: socket.socket) -> None:
    """Read a console until it is closed: QEMU 10 drops no output, so firmware would wait for a full port."""
    with contextlib.suppress(OSError):
        while console.recv(65536):
            pass


def session(spec: RunSpec, commands: Sequence[str], stop: str = "_start", loader_symbols: bool = True) -> list[str]:
    """Boot under GDB, run to `stop` in the application, and return the output of each command there."""
    assert spec.app
    facts = elf.read(spec.app)
    assert facts
    loader = Path(f"{spec.loader}.debug")
    moved = facts.type == elf.ET_DYN
    symbols = LOAD_SYMBOLS.replace("\\\n", "").format(file=spec.app, low=facts.low)
    lines = [
        *program.connect_commands(target(spec.target).arch, [(str(loader), 0)]),
        f"source {GDBCMDS / 'hermit.py'}",
        "hbreak arch_handover",
        "continue",
        symbols if moved else f"add-symbol-file {spec.app}",
        "delete",
        f"hbreak {stop}",
        "continue",
        *([] if loader_symbols else [f"remove-symbol-file {program.quote(loader)}"]),
    ]
    words = [word for line in lines for word in ("-ex", line)]
    for command in commands:
        words += ["-ex", f"echo {MARK}\\n", "-ex", command]
    process = launch(spec)
    try:
        threading.Thread(target=discard, args=(process.serial,), daemon=True).start()
        qmp = Qmp(process.qmp)
        qmp.greet(20)
        words += ["-ex", f"echo {MARK}\\n", "-ex", "kill"]
        done = program.run_batch(process, qmp, target(spec.target).cpu, words, seconds=30)
    finally:
        process.kill()
    _, *answers, _ = done.stdout.split(f"{MARK}\n")
    assert len(answers) == len(commands), done.stdout + done.stderr
    return [answer.rstrip() for answer in answers]


def hello(on: str) -> RunSpec:
    return specs.release("tls", target_name=on, append="-freq 2800 -- first second")


def fields(text: str) -> dict[str, str]:
    """Return the name and first word of each line of `hermit bootinfo`."""
    return {words[0]: words[1] for words in map(str.split, text.splitlines()[1:]) if len(words) > 1}


@pytest.mark.requirement("P-06", "L-25")
@pytest.mark.parametrize("on", TARGETS)
def test_commands_at_the_hand_over(on: str) -> None:
    """At the application's first instruction each command shows what the kernel is about to read."""
    spec = hello(on)
    image, info, chosen, log = session(spec, ["hermit image", "hermit bootinfo", "hermit fdt /chosen", "hermit log"])
    found = re.search(r"Loading kernel to (0x[0-9a-f]+)\.\.(0x[0-9a-f]+)", log)
    assert found
    start, end = found.groups()
    assert f"image  {start} to {end}" in image
    assert f"{target(on).arch}, ET_DYN, moved by {start}; entry version 4, kernel 0.11.0" in image
    assert re.search(r"pc     0x[0-9a-f]+ in _start \(.*start\.S:\d+\)", image)
    assert "of 1032, aligned to 8" in image
    handed = fields(info)
    assert "entry version 4 (kernels 0.7.0 and later)" in info
    assert (handed["kernel_image_start"], handed["kernel_image_end"]) == (start, end)
    assert handed["tls.memsz"] == "0x408"
    assert "-freq 2800 -- first second" in (info if on.startswith("x86") else chosen)
    assert 'bootargs = "' in chosen
    assert log.splitlines()[0].startswith("[LOADER][INFO] Hermit loader ")


@pytest.mark.requirement("P-06")
@pytest.mark.parametrize("on", ["x86_64-multiboot", "aarch64-elf", "riscv64-sbi"])
@pytest.mark.parametrize("loader_symbols", [True, False])
def test_commands_later(on: str, loader_symbols: bool) -> None:
    """When the registers have changed, the loader's record points to the boot info.

    Without its symbols the boot info, and the log, are searched for below the image.
    """
    spec = hello(on)
    info, log, platform = session(
        spec, ["hermit bootinfo", "hermit log", "hermit fdt /memory"], stop="app_main", loader_symbols=loader_symbols
    )
    assert int(fields(info)["kernel_image_start"], 16) > 0
    assert "Loading kernel to" in log
    assert 'device_type = "memory";' in platform


TABLES = {
    "x86_64-multiboot": (
        r"CR3: top table at 0x[0-9a-f]+, 4 levels",
        r"0x0000000000200000\.\.0x00000000003fffff -> same +1 x 2M  rwx\n",
        r"0x[0-9a-f]+ to 0x[0-9a-f]+  page tables\n",
        r"0x[0-9a-f]+ to 0x[0-9a-f]+  application r-x\n",
        r"0xffffff8000000000\.\.0xffffffffffffffff -> the tables themselves \(slot 511\)",
    ),
    "aarch64-elf": (
        r"TTBR0_EL1: top table at 0x[0-9a-f]+, 4 levels",
        r"0x0000000000001000\.\.0x0000000000001fff -> 0x9000000 +1 x 4K  rwx device nGnRE",
        r"0x0000000040200000\.\.0x00000000403fffff -> same +512 x 4K  rwx\n",
        r"0x[0-9a-f]+ to 0x[0-9a-f]+  device tree\n",
        r"-> the tables themselves \(slot 511\)",
    ),
    "riscv64-sbi": (r"addresses are not translated: every one is physical",),
}


@pytest.mark.requirement("P-06")
@pytest.mark.parametrize("on", sorted(TABLES))
def test_page_tables(on: str) -> None:
    """The command shows mappings, their rights, and the walk of single addresses."""
    commands = ["hermit pagetables", "hermit pagetables $pc", "hermit pagetables 0x700000000000"]
    everything, mine, nowhere = session(hello(on), commands)
    for pattern in TABLES[on]:
        assert re.search(pattern, everything + "\n"), everything
    if on == "riscv64-sbi":
        return
    assert re.search(r"level 3  table .*\n.*level 2  table .*\n.*level 1  table ", mine)
    assert re.search(r"is physical 0x[0-9a-f]+, application r-x$", mine)
    assert nowhere.endswith("0x700000000000 is not mapped: the entry of level 3 is not present")


@pytest.mark.requirement("P-06")
def test_in_rust() -> None:
    """The commands work in a Rust frame, where GDB parses expressions differently."""
    words = [
        "--batch",
        "--break",
        "hermit::boot_processor_main",
        "--command",
        "hermit bootinfo",
        "--command",
        "hermit image",
    ]
    words += ["--timeout", "30", "real-hello-0.11.0"]
    done = subprocess.run(
        [sys.executable, "-m", "hermit_harness", "debug", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert re.search(r"^  platform +0  Multiboot$", done.stdout, re.M), done.stdout + done.stderr
    assert re.search(r"^  pc +0x[0-9a-f]+ in .*boot_processor_main", done.stdout, re.M), done.stdout


OLD_INFO = {
    "era-h0": (r"header in the image \(kernels up to 0\.3\.9\) at 0x800000", "cmdline"),
    "era-e1-nonote": (r"boot info of entry version 1 \(kernels 0\.3\.10 to 0\.4\.4\) at 0x", "cmdline"),
    "era-e2": (r"boot info of entry version 2 \(kernels 0\.5\.0 to 0\.6\.0\) at 0x", "command_line"),
    # The line is at an address that only the kernel's page tables map.
    "era-e3": (r"boot info of entry version 3 \(kernels 0\.6\.1 to 0\.6\.9\) at 0x", "command_line"),
    "era-e3-late": (r"boot info of entry version 3 \(kernels 0\.6\.1 to 0\.6\.9\) at 0x", "command_line"),
}


@pytest.mark.requirement("R-01", "CX-20")
@pytest.mark.parametrize("image", OLD_INFO)
def test_older_kernels(image: str) -> None:
    """The boot info of every era is decoded while its kernel runs. The loader's copy of a header is none."""
    commands = ["hermit bootinfo", "hermit fdt", "hermit image"]
    info, tree, loaded = session(specs.release(image, append="-- one"), commands, stop="app_main")
    title, line = OLD_INFO[image]
    assert re.match(title, info), info
    assert re.search(rf'^ +{line} +0x[0-9a-f]+  "\S+ -- one"(  and blanks)?$', info, re.M), info
    if line == "cmdline":
        handed = fields(info)
        assert (handed["magic"], handed["uartport"], handed["hcmask"]) == ("0xc0decafe", "0x3f8", "255.255.255.0")
        assert tree == ""
    if image == "era-h0":
        (low, high) = (int(address, 16) for address in re.findall(r"0x[0-9a-f]+", loaded.splitlines()[2])[:2])
        assert (handed["base"], handed["image_size"]) == (f"{low:#x}", f"{high - low:#x}")
        assert int(handed["current_stack_address"], 16) == low + 0x80 and int(handed["mb_info"], 16) < low
        assert [handed[name] for name in ("cpu_freq", "boot_processor", "uhyve")] == ["0", "0xffffffff", "0"]
        assert [handed[name] for name in ("hcip", "hcgateway", "single_kernel")] == [*["255.255.255.255"] * 2, "1"]


def test_commands_without_a_guest() -> None:
    """Without a connection each command reports what is missing, and never shows a traceback."""
    words = [word for line in (f"source {GDBCMDS / 'hermit.py'}", "hermit", *COMMANDS) for word in ("-ex", line)]
    done = subprocess.run(
        [program.batch_program("x86_64"), *program.BATCH_OPTIONS, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    said = done.stderr.splitlines()
    assert len(said) == len(COMMANDS), done.stderr
    assert "file APP" in said[0]
    assert all("target remote first" in line for line in said[1:]), said
    assert "hermit pagetables -- " in done.stdout  # `hermit` alone lists them
