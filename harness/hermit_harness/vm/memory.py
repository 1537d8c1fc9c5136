# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A machine's memory: its size and place, and whether an application can fit into it at all."""

from __future__ import annotations

import re

from hermit_harness import elf
from hermit_harness.vm.machines import machine
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

MIB = 1 << 20
PAGE = 4096
ET_EXEC = 2
UNITS = {"K": 1 << 10, "": MIB, "M": MIB, "G": 1 << 30, "T": 1 << 40}
# Where QEMU's documentation puts a guest-loader file; lower if RAM ends before.
GUEST_LOADER_ADDRESS = 0x48000000
# Multiboot and PVH describe modules by 32-bit addresses, and QEMU puts them below this hole of the PC.
MODULE_LIMIT = 3 << 30


def memory_bytes(text: str) -> int:
    """Return a size as -m has it, in bytes; without a unit it is MiB. 0 if it is none."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    return int(float(found[1]) * UNITS[found[2].upper()]) if found else 0


def size_text(text: str, name: str) -> str:
    """Return a size as QEMU's -m reads it. ValueError with the option's `name` for what is no size, and for 0."""
    if memory_bytes(text) == 0:
        raise ValueError(f"{name}={text}: a size is a number with M or G, such as 512M")
    return re.sub(r"i?B$", "", text.strip(), flags=re.IGNORECASE)


def at_least(text: str, size: int) -> str:
    """Return a size as -m has it, or `size` bytes in its place if that is more."""
    return text if memory_bytes(text) >= size else f"{-(-size // MIB)}M"


def mib_text(size: int) -> str:
    """Return a size in MiB, rounded up."""
    return f"{-(-size // MIB)} MiB"


def ram_of(spec: RunSpec) -> range:
    """Return the addresses of RAM, as if it had no holes; empty if the size is unknown."""
    start = machine(spec.machine, target(spec.target).cpu).ram_start
    return range(start, start + memory_bytes(spec.memory))


def guest_loader_address(spec: RunSpec) -> int:
    """Return where QEMU puts the application for a loader that finds it by the device tree."""
    size, ram = spec.app.stat().st_size if spec.app and spec.app.is_file() else 0, ram_of(spec)
    if not ram or GUEST_LOADER_ADDRESS + size <= ram.stop:
        return GUEST_LOADER_ADDRESS
    return max(ram.start, (ram.stop - size) // PAGE * PAGE)


def shortage(spec: RunSpec) -> str:
    """Return why the application cannot fit into the machine's memory whatever the loader does, or "".

    The bound is what the file, or its segments, and the loader occupy. Firmware and kernel need more.
    """
    ram, app = ram_of(spec), spec.app
    if app is None or not ram:
        return ""
    size, facts, loader = app.stat().st_size, elf.read(app), elf.read(spec.loader)
    if target(spec.target).cpu == "x86_64" and size >= MODULE_LIMIT:
        return f"{app} has {mib_text(size)}: an application must be smaller than {mib_text(MODULE_LIMIT)}"
    of_loader = loader.size if loader else spec.loader.stat().st_size
    size_in_memory = facts.size if facts else 0
    needed = max(size, size_in_memory) + of_loader
    if facts and facts.type == ET_EXEC and facts.low >= ram.start:
        needed = max(needed, facts.low + size_in_memory - ram.start)
    if needed <= len(ram) or needed >= 1 << 40:  # more than any machine has: the loader's refusal says where it is
        return ""
    what = f"{app} ({mib_text(size)}; {mib_text(size_in_memory)} in memory)" if facts else f"{app} ({mib_text(size)})"
    return f"{what} needs at least --mem {-(-needed // MIB)}M with its loader; the machine has {mib_text(len(ram))}"
