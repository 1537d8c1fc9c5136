# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which loader --loader means, and whether QEMU can start it."""

from __future__ import annotations

import argparse
import struct
from pathlib import Path

from hermit_harness import elf, options
from hermit_harness.cli.files import readable
from hermit_harness.paths import IS_INSTALLED, loader_file
from hermit_harness.vm.targets import Target, target, target_of_file

# Multiboot 1, section 3.1.1: the header is 4-aligned in the first 8 KiB.
MULTIBOOT_MAGIC, MULTIBOOT_BYTES = struct.pack("<I", 0x1BADB002), 8192
# Multiboot 2, section 3.1: it is 8-aligned in the first 32 KiB. GRUB boots it.
MULTIBOOT2_MAGIC, MULTIBOOT2_BYTES = struct.pack("<I", 0xE85250D6), 32768
# XEN_ELFNOTE_PHYS32_ENTRY, with an address of four or eight bytes
PVH_NOTES = tuple(struct.pack("<III4s", 4, size, 18, b"Xen\0") for size in (4, 8))
# e_machine of loaders by CPU. Multiboot loaders may be 32-bit files.
ELF_MACHINES = {"x86_64": (3, 62), "aarch64": (183,), "riscv64": (243,)}
READ_BYTES = 1 << 20


def named_target(arguments: argparse.Namespace) -> str:
    """The target that --target or --loader name, by whichever of its names; "" where neither does."""
    if arguments.target or arguments.loader in options.TARGET_NAMES:
        return target(arguments.target or arguments.loader).name
    of_file = target_of_file(Path(arguments.loader).name) if arguments.loader else None
    return of_file.name if of_file else ""


def find_loader(name: str, profile: str, row: Target) -> Path:
    """Return the loader file of a path or of a target's name. Raise ValueError if QEMU cannot start it as `row`."""
    if "/" in name or Path(name).exists():
        path = readable(name, "loader")
        if problem := _problem(path, row):
            raise ValueError(f"--loader {name}: {problem}")
        return path
    built = loader_file(target(name).name if name in options.TARGET_NAMES else name, profile)
    if not built.is_file():
        remedy = "the package has release builds of each target" if IS_INSTALLED else "`make loader`"
        raise ValueError(f"no loader {name}: {built} is not built ({remedy})")
    return built


def _problem(path: Path, row: Target) -> str:
    """Return why a file is no loader of a target, or ""."""
    with path.open("rb") as file:
        head = file.read(READ_BYTES)
    facts = elf.parse(head)
    if facts and facts.entry_version is not None:
        return "this is a Hermit application; it belongs in the place of APP"
    if row.name.endswith("-uefi"):
        return "" if head[:2] == b"MZ" else f"this is no UEFI program, which target {row.name} needs"
    if head[:4] != b"\x7fELF" or len(head) < 20:
        return f"this is no ELF file, which target {row.name} needs"
    (cpu,) = struct.unpack_from(">H" if head[5] == 2 else "<H", head, 18)
    if cpu not in ELF_MACHINES[row.cpu]:
        return f"this ELF file is not for {row.cpu}, which target {row.name} needs (--target selects another)"
    if row.name == "x86_64-multiboot2":
        found = MULTIBOOT2_MAGIC in (head[at : at + 4] for at in range(0, MULTIBOOT2_BYTES, 8))
        return "" if found else "GRUB cannot start it by Multiboot 2: it has no such header"
    if row.cpu == "x86_64" and not _is_startable(head):
        return "QEMU cannot start it: it has neither a Multiboot 1 header nor a PVH note"
    return ""


def _is_startable(head: bytes) -> bool:
    """Return whether QEMU starts an x86 ELF file: by a Multiboot header or by a PVH note."""
    aligned = (head[at : at + 4] for at in range(0, MULTIBOOT_BYTES, 4))
    return MULTIBOOT_MAGIC in aligned or any(note in head for note in PVH_NOTES)
