# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Remedies for refusals. The loader's line states the defect; docs/statuses.md lists all rules."""

from __future__ import annotations

REBUILD = "the file is damaged or incomplete: build it again, and check that the disk is not full"
NOT_AN_APPLICATION = (
    "a Hermit application is an ELF file that contains the kernel, such as target/*-unknown-hermit/*/NAME of cargo;"
    " Linux programs and libraries cannot be booted"
)

REMEDIES = {
    "no-module": "QEMU needs -initrd APP in addition to -kernel",
    "elf-header-beyond-file": REBUILD,
    "elf-phdrs-beyond-file": REBUILD,
    "elf-segment-beyond-file": REBUILD,
    "app-unknown-format": NOT_AN_APPLICATION,
    "elf-not-64-bit": NOT_AN_APPLICATION,
    "elf-wrong-byte-order": "omit --target and --loader to use the loader for the application's CPU",
    "elf-wrong-machine": "omit --target and --loader to use the loader for the application's CPU",
    "elf-wrong-type": NOT_AN_APPLICATION + "; object files (.o) cannot be booted either",
    "elf-needs-library": NOT_AN_APPLICATION,
    "elf-entry-outside": NOT_AN_APPLICATION,
    "reloc-type": NOT_AN_APPLICATION,
    "era-no-note": NOT_AN_APPLICATION,
    "era-unsupported": "docs/eras.md lists the supported kernels: build with a newer one",
    "image-not-in-ram": "the application is linked to a fixed address: increase the memory with --mem",
    "image-no-room": "increase the memory with --mem",
    "no-room-below-image": "increase the memory with --mem",
    "no-room-to-move": "increase the memory with --mem",
    "option-unknown": "docs/building.md lists the loader's options; words after -- belong to the application",
    "option-value": "docs/building.md lists the loader's options; words after -- belong to the application",
    "hermit-image-unsupported": "unpack it (tar -xzf) and boot the kernel that its hermit.toml names",
    "internal-assert": "please report it, with the file",
    "cpu-exception": "please report it, with the file",
}


def remedy(rule: str) -> str:
    """Return the remedy for a rule, or ""."""
    return REMEDIES.get(rule, "")
