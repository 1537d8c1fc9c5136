# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of targets: what the loader is built for, and how QEMU is given such a loader and its application.

`way` is how the application reaches the loader: `initrd` (-kernel LOADER -initrd APP), `guest-loader` or
`guest-loader@ADDRESS` (the file is put at a physical address, which the device tree tells), `esp` and `esp-boot` (a FAT
image that firmware boots from, with the application in EFI/hermit or EFI/BOOT), `esp-shell` (a FAT image without a
boot file, from which the firmware's shell starts the loader with arguments, `initrd=` among them), `efi-kernel`
(-kernel and -initrd, which firmware takes over), `pvh` (as initrd, with a copy of the loader whose Multiboot magic is
overwritten, so that QEMU sees the PVH note).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from hermit_harness.paths import loader_file

PLACE = "0x48000000"
WAYS = ("initrd", "guest-loader", "esp", "esp-boot", "esp-shell", "efi-kernel", "pvh")
# Kinds of application files: an ELF machine and a byte order.
ARCHS = ("x86_64", "aarch64", "aarch64_be", "riscv64")
# ELF e_machine -> name of the kind, little-endian.
ELF_MACHINES = {62: "x86_64", 183: "aarch64", 243: "riscv64"}


@dataclass(frozen=True)
class Target:
    """One row. `machine` is where it boots unless something else is asked for."""

    name: str
    arch: str
    way: str = "initrd"
    machine: str = "pc"
    aliases: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Name of the loader file."""
        return loader_file(self.name).name

    @property
    def cpu(self) -> str:
        """The processor's name, whatever its byte order."""
        return cpu_of_arch(self.arch)

    @property
    def qemu(self) -> str:
        return f"qemu-system-{self.cpu}"


def cpu_of_arch(arch: str) -> str:
    """The processor that runs applications of a kind."""
    return arch.removesuffix("_be")


TARGETS: dict[str, Target] = {
    t.name: t
    for t in (
        Target("x86_64-multiboot", "x86_64"),
        Target("x86_64", "x86_64"),
        Target("x86_64-pvh", "x86_64"),
        Target("x86_64-linux", "x86_64", aliases=("x86_64-fc",)),
        Target("x86_64-uefi", "x86_64", "esp", "ovmf"),
        Target("aarch64-elf", "aarch64", "guest-loader", "virt", aliases=("aarch64",)),
        Target("aarch64_be-elf", "aarch64_be", "guest-loader", "virt", aliases=("aarch64_be",)),
        Target("aarch64-uefi", "aarch64", machine="virt", aliases=("aarch64-image",)),
        Target("riscv64-sbi", "riscv64", machine="virt", aliases=("riscv64",)),
    )
}
# The target that boots an application of a kind when none is named.
BY_ARCH = {
    "x86_64": "x86_64-multiboot",
    "aarch64": "aarch64-elf",
    "aarch64_be": "aarch64_be-elf",
    "riscv64": "riscv64-sbi",
}


@cache
def target(name: str) -> Target:
    """The row called `name`, or one of its older names; ValueError with the list of names otherwise."""
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
    plain = file.removesuffix(".debug")
    return next((row for row in TARGETS.values() if row.file == plain), None)
