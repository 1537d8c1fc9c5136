# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Find addresses for symbols: of the loader, of a loader that firmware places, and, for loaders without symbols, of the
application, from the log of an earlier boot."""

from __future__ import annotations

import hashlib
import re
import select
import struct
import time
from dataclasses import replace
from pathlib import Path

from hermit_harness import elf
from hermit_harness.paths import BUILD, BUILT
from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.memory import memory_bytes
from hermit_harness.vm.process import LaunchError, launch
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.boot_log import BootLog
from hermit_harness.watch.console import LineSplitter
from hermit_harness.watch.supervisor import GREETING_SECONDS

LOG_SECONDS = 20.0
COPIES_DIR = BUILD / "fixed"
MIB = 1 << 20
# RAM of each processor's board begins here.
RAM_START = {"x86_64": 0, "aarch64": 0x40000000, "riscv64": 0x80000000}
IMAGE_MAGIC, IMAGE_MAGIC_OFFSET = b"ARM\x64", 56


def loader_symbols(loader: Path) -> Path | None:
    """The file with a loader's symbols: `.debug` beside it, or what was built under its name. None where there is none
    that holds the very code of this loader."""
    data = loader.read_bytes()
    name = f"{loader.name}.debug"
    for candidate in (loader.with_name(name), BUILT / "release" / name, BUILT / "debug" / name):
        facts = elf.read(candidate) if candidate.is_file() else None
        text = facts.sections.get(".text") if facts else None
        if text and candidate.read_bytes()[text.offset : text.offset + text.size] in data:
            return candidate
    return None


def with_known_base(spec: RunSpec, arch: str) -> tuple[RunSpec, int]:
    """The boot with a loader whose place is known beforehand, and what is added to the addresses of its symbols.

    An ELF runs where it was linked, Linux's image where QEMU puts it. Firmware puts a UEFI program at the image base of
    its header if that is free, and ours names none: a copy names the middle of the memory.
    """
    data = spec.loader.read_bytes()
    row = machine_of(spec)
    if (row.flash or row.bios) and data[:2] == b"MZ":
        base = RAM_START[arch] + memory_bytes(spec.memory) // 2 // (2 * MIB) * (2 * MIB)
        return replace(spec, loader=_with_base(data, base, spec.loader.name), loader_debug=None), base
    if data[IMAGE_MAGIC_OFFSET : IMAGE_MAGIC_OFFSET + 4] == IMAGE_MAGIC:
        (offset,) = struct.unpack_from("<Q", data, 8)
        # QEMU keeps the first page for code of its own.
        return spec, RAM_START[arch] + (offset if offset >= 4096 else offset + 2 * MIB)
    return spec, 0


def _with_base(data: bytes, base: int, name: str) -> Path:
    """A copy of a PE32+ file that asks for `base`; one file for the same content."""
    (pe,) = struct.unpack_from("<I", data, 0x3C)
    changed = data[: pe + 48] + struct.pack("<Q", base) + data[pe + 56 :]
    directory = COPIES_DIR / hashlib.sha256(changed).hexdigest()[:16]
    directory.mkdir(parents=True, exist_ok=True)
    partial, copy = directory / f"{name}.new", directory / name
    partial.write_bytes(changed)
    partial.replace(copy)
    return copy


def range_from_boot(spec: RunSpec) -> tuple[int, int]:
    """Return the image's start and end from the loader's log of a separate boot.

    They are the same in every boot of the same files. Raise ValueError with the loader's message if it refuses.
    """
    machine = machine_of(spec)
    boot_log = BootLog.of(spec)
    words, separator, rest = spec.append.partition("--")
    process = launch(replace(spec, append=re.sub(r"(?<!\S)loader\.log=\S*", "", words) + separator + rest))
    try:
        qmp = Qmp(process.qmp)
        qmp.greet(GREETING_SECONDS)
        qmp.send("cont")
        lines, deadline = LineSplitter(), time.monotonic() + LOG_SECONDS * machine.deadline_factor
        while boot_log.load_range is None and not boot_log.refusal and time.monotonic() < deadline:
            select.select([process.serial], [], [], deadline - time.monotonic())
            data = process.serial.recv(65536)
            for line in lines.feed(data):
                boot_log.add_line(line, 0.0)
            if not data:
                break
    except QmpError as error:
        raise LaunchError(str(error)) from error
    finally:
        process.kill()
    if boot_log.refusal:
        raise ValueError(
            f"the loader refused: {boot_log.refusal.number} {boot_log.refusal.rule}: {boot_log.refusal.sentence}"
        )
    if boot_log.load_range is None:
        raise ValueError("the loader printed no load address (no line `Loading kernel to 0x…`)")
    return boot_log.load_range
