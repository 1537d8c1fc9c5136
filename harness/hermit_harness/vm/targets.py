# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The targets of the loader, read from the table that make builds them by (loader/targets.mk).

`way` says how the application reaches the loader:

- `initrd`: -kernel LOADER -initrd APP.
- `guest-loader`, `guest-loader@ADDRESS`: QEMU copies the file to a physical address and names it in the device tree.
- `esp`, `esp-boot`: firmware boots a FAT image with the application in EFI/hermit or EFI/BOOT.
- `esp-shell`: a FAT image without a boot file; the UEFI shell starts the loader with arguments, `initrd=` among them.
- `efi-kernel`: firmware runs what -kernel and -initrd name.
- `grub-cdrom`, `grub-disk`: GRUB on an ISO image boots both by Multiboot 1 or 2, from a CD drive or a disk.
- `pvh`: as initrd, with a copy of the loader that has no Multiboot magic, so that QEMU uses the PVH note.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from hermit_harness.paths import TARGETS_TABLE, loader_file

WAYS = ("initrd", "guest-loader", "esp", "esp-boot", "esp-shell", "efi-kernel", "grub-cdrom", "grub-disk", "pvh")
# ELF e_machine -> kind of application, little-endian.
ELF_MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64"}


@dataclass(frozen=True)
class Target:
    """One row. `arch` is the kind of application; `machine` and `way` are the defaults of a boot."""

    name: str
    arch: str
    way: str
    machine: str
    aliases: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of the loader file."""
        return loader_file(self.name).name

    @property
    def cpu(self) -> str:
        """The CPU's name without the byte order."""
        return cpu_of_arch(self.arch)

    @property
    def qemu(self) -> str:
        return f"qemu-system-{self.cpu}"


def cpu_of_arch(arch: str) -> str:
    """The CPU that runs applications of a kind."""
    return arch.removesuffix("_be")


def parse(text: str) -> dict[str, Target]:
    """The targets of a makefile, in its order.

    Two forms of line count, `TARGETS += NAME` and `NAME.KEY := VALUE`. ValueError names the row that is wrong.
    """
    keys: dict[str, dict[str, str]] = {}
    for name, key, value in re.findall(r"^([\w-]+)\.(\w+)[ \t]*:=[ \t]*(.*?)[ \t]*$", text, re.MULTILINE):
        keys.setdefault(name, {})[key] = value
    found: dict[str, Target] = {}
    for name in re.findall(r"^TARGETS[ \t]*\+=[ \t]*([\w-]+)[ \t]*$", text, re.MULTILINE):
        row = keys.get(name, {})
        for key in ("arch", "machine", "way"):
            if not row.get(key):
                raise ValueError(f"target {name} has no {key}")
        for key in ("arch", "app", "machine", "way", "old"):
            if re.search(r"[$\\]", row.get(key, "")):
                raise ValueError(f"target {name}: {key} must be plain text, not {row[key]!r}")
        if row["way"] not in WAYS:
            raise ValueError(f"target {name}: way {row['way']!r} is not one of {', '.join(WAYS)}")
        if name in found:
            raise ValueError(f"target {name} is listed twice")
        aliases = tuple(row.get("old", "").split())
        found[name] = Target(name, row.get("app", row["arch"]), row["way"], row["machine"], aliases)
    if not found:
        raise ValueError("the table has no targets")
    return found


def _read() -> dict[str, Target]:
    try:
        return parse(TARGETS_TABLE.read_text())
    except ValueError as error:
        raise ValueError(f"{TARGETS_TABLE}: {error}") from error


TARGETS = _read()
# Kinds of applications: an ELF machine and a byte order.
ARCHS = tuple(dict.fromkeys(row.arch for row in TARGETS.values()))
# The target that boots an application of a kind by default: the first one in the table.
DEFAULT_TARGETS = {arch: next(row.name for row in TARGETS.values() if row.arch == arch) for arch in ARCHS}


@cache
def target(name: str) -> Target:
    """The target with this name or earlier name. ValueError lists the names."""
    if name in TARGETS:
        return TARGETS[name]
    for row in TARGETS.values():
        if name in row.aliases:
            return row
    raise ValueError(f"unknown target {name!r}; known: {', '.join(TARGETS)}")


def is_big_endian(name: str) -> bool:
    """Whether a target's applications are big-endian."""
    return target(name).arch.endswith("_be")


def target_of_file(file: str) -> Target | None:
    """The target whose loader file has this name, with or without `.debug`; None for any other file."""
    name = file.removesuffix(".debug")
    return next((row for row in TARGETS.values() if row.file == name), None)
