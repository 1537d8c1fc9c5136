# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a person can do about a refusal of the loader's. Its line says what is wrong; the docs list all rules."""

from __future__ import annotations

REBUILD = "the file is damaged or was copied in part: build it again, and look whether the disk is full"
NOT_AN_APPLICATION = (
    "an application for Hermit is an ELF file with the kernel in it, of cargo's target/*-unknown-hermit/*/NAME; a"
    " program or a library of Linux cannot be booted"
)

REMEDIES = {
    "no-module": "QEMU needs -initrd APP besides -kernel",
    "elf-header-beyond-file": REBUILD,
    "elf-phdrs-beyond-file": REBUILD,
    "elf-segment-beyond-file": REBUILD,
    "app-unknown-format": NOT_AN_APPLICATION,
    "elf-not-64-bit": NOT_AN_APPLICATION,
    "elf-wrong-byte-order": "leave out --target and --loader: the loader is then the one for the application's CPU",
    "elf-wrong-machine": "leave out --target and --loader: the loader is then the one for the application's CPU",
    "elf-wrong-type": NOT_AN_APPLICATION + "; nor can an object file (.o)",
    "elf-needs-library": NOT_AN_APPLICATION,
    "elf-entry-outside": NOT_AN_APPLICATION,
    "reloc-type": NOT_AN_APPLICATION,
    "era-no-note": NOT_AN_APPLICATION,
    "era-unsupported": "docs/eras.md says which kernels can be booted: build with a newer one",
    "image-not-in-ram": "the application is linked to a fixed address: give more memory by --mem",
    "image-no-room": "give more memory by --mem",
    "no-room-below-image": "give more memory by --mem",
    "no-room-to-move": "give more memory by --mem",
    "option-unknown": "the README lists the loader's own words; those behind -- are the application's",
    "option-value": "the README lists the loader's own words; those behind -- are the application's",
    "hermit-image-unsupported": "unpack it (tar -xzf) and give the kernel that its hermit.toml names",
    "internal-assert": "please report it, with the file",
    "cpu-exception": "please report it, with the file",
}


def remedy(rule: str) -> str:
    """A sentence for the hint, "" where the loader's own line says it all."""
    return REMEDIES.get(rule, "")
