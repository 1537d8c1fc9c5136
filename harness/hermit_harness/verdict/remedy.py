# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Remedies for refusals. The loader's line states the defect; docs/statuses.md lists all rules."""

from __future__ import annotations

import re
from collections.abc import Callable

REBUILD = "the file is damaged or incomplete: build it again, and check that the disk is not full"
NOT_AN_APPLICATION = (
    "a Hermit application is an ELF file that contains the kernel, such as target/*-unknown-hermit/*/NAME of cargo;"
    " Linux programs and libraries cannot be booted"
)
DAMAGED_COPY = "the file is damaged or incomplete (gzip -t): copy it again, or pack it again"
NOT_AN_IMAGE = "docs/hermit-images.md describes Hermit images; tar -tzf lists what this one has"

MIB = 1 << 20
MOST_MEMORY = 1 << 40  # bytes; no machine here has more

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
    "era-unsupported": "docs/which-kernels-boot.md lists the supported kernels; for a newer one try loader.era=e4",
    "option-unknown": "docs/building.md lists the loader's options; words after -- belong to the application",
    "option-value": "docs/building.md lists the loader's options; words after -- belong to the application",
    "hermit-image-unsupported": "use a later loader, or unpack it (tar -xzf) and boot the kernel that it names",
    "gzip-truncated": DAMAGED_COPY,
    "gzip-malformed": DAMAGED_COPY,
    "gzip-checksum": DAMAGED_COPY,
    "archive-malformed": NOT_AN_IMAGE,
    "archive-no-config": NOT_AN_IMAGE,
    "archive-no-kernel": NOT_AN_IMAGE,
    "config-syntax": NOT_AN_IMAGE,
    "config-value": NOT_AN_IMAGE,
    "internal-assert": "please report it, with the file",
    "cpu-exception": "please report it, with the file",
}


# QEMU's words, and the remedy (load_elfboot of QEMU's hw/i386/x86.c).
STARTS = {
    "Error loading uncompressed kernel without PVH ELF Note": (
        "QEMU does not boot this loader by -kernel: it is for VMMs that use the 64-bit Linux entry, like Firecracker;"
        " omit --target"
    ),
}
START_REMEDY = "the artifact `argv` has the command line; `hermitctl doctor` shows what is installed"


def start_remedy(message: str) -> str:
    """Return the remedy for a QEMU that ended before the guest ran."""
    return next((remedy for words, remedy in STARTS.items() if words in message), START_REMEDY)


# Panics of kernels that a machine explains: a pattern of the message, and the remedy.
# QEMU's microvm has a second I/O APIC, at 0xfec10000, unless ioapic2=off. Kernels keep one address
# (init_ioapic_address of hermit-kernel, 0.10 to commit b0678ba at least).
PANICS = (
    (
        re.compile(r"/apic\.rs:.* on an `Err` value: VirtAddr\("),
        "this machine's ACPI tables name two I/O APICs, and the kernel accepts one: on microvm "
        "--qemu-arg=-machine --qemu-arg=ioapic2=off removes the second",
    ),
    (
        re.compile(r"requires an ACPI-compliant system|requires an APIC system"),
        "this machine has no ACPI tables: build without the kernel's feature acpi, or choose another --machine",
    ),
)


# Last lines of kernels that wait for ever, and why (hermit-kernel 0.6.6 and later, boot_next_processor of riscv64).
HANGS = (
    (
        re.compile(r"Starting CPU \d+ with hart_id 0$"),
        "the kernel waits for hart 0, which did not start: on sifive_u it has no supervisor mode, and no kernel with "
        "the feature smp boots there; build without smp, or use --machine=virt",
    ),
)


def hang_remedy(last_line: str) -> str:
    """Return the remedy for a kernel that waits after this line, or ""."""
    return next((remedy for pattern, remedy in HANGS if pattern.search(last_line)), "")


def panic_remedy(panic: str) -> str:
    """Return the remedy for a panic of a kernel that the machine does not suit, or ""."""
    return next((remedy for pattern, remedy in PANICS if pattern.search(panic)), "")


def remedy(rule: str, sentence: str = "", ram: range | None = None) -> str:
    """Return the remedy for a refusal, or "". For a lack of memory it depends on the numbers in the sentence.

    `ram` has the machine's addresses, if they are known.
    """
    numbers = [int(number, 16) for number in re.findall(r"\b0x([0-9a-f]+)\b", sentence)]
    if "is ACPI memory NVS" in sentence:
        return NO_SUSPEND
    if "too few page tables" in sentence:
        return FEW_TABLES
    if "is out of reach" in sentence:
        return "the loader cannot map this RAM: link the application to a lower address, or as PIE"
    if rule in BY_NUMBERS and ram and numbers:
        return BY_NUMBERS[rule](numbers, ram)
    return REMEDIES.get(rule, "")


# OVMF keeps memory from 8 MiB on for a resume, but only on a machine that can suspend.
NO_SUSPEND = (
    "the firmware keeps this place for a suspend to RAM: QEMU's words -global ICH9-LPC.disable_s3=1 (on q35, two "
    "--qemu-arg=) free it; or link the application to another address, or as PIE"
)
# MAP_HIGH_GIBS in loader/arch/x86_64/platform.h.
FEW_TABLES = "above 4 GiB the loader maps at most 8 GiB: reduce the application's static data"


def _with_more(size: int) -> str:
    """Advise to give the machine that many bytes, if any machine has them."""
    if size >= MOST_MEMORY:
        return "no machine has so much memory: the application's segments are too large"
    return f"increase the memory: --mem {-(-size // MIB)}M or more"


def _not_in_ram(numbers: list[int], ram: range) -> str:
    start, end = numbers[:2]
    here = f"in RAM ({ram.start:#x} to {ram.stop:#x}), or as PIE"
    if start >= ram.start and ram.stop < end < ram.start + MOST_MEMORY:
        return f"the application is linked to a fixed address above this machine's RAM: {_with_more(end - ram.start)}"
    if start >= ram.start and end <= ram.stop:
        return f"firmware or loader occupy this place: link the application to another address {here}"
    return f"more memory does not help: link the application to an address {here}"


def _no_room_below(numbers: list[int], ram: range) -> str:
    size, start = numbers[0], numbers[-1]
    lowest = ram.start + size + MIB
    if start < lowest:
        return f"more memory does not help: link the application to {lowest:#x} or above, or as PIE"
    return _with_more(len(ram) + size)


BY_NUMBERS: dict[str, Callable[[list[int], range], str]] = {
    "image-not-in-ram": _not_in_ram,
    "image-no-room": lambda numbers, ram: _with_more(max(len(ram) + MIB, numbers[0] + 4 * MIB)),
    "unpack-no-room": lambda numbers, ram: _with_more(len(ram) + numbers[0]),
    "memory-required": lambda numbers, _: _with_more(numbers[0]),
    "no-room-below-image": _no_room_below,
    "no-room-to-move": lambda numbers, ram: _with_more(len(ram) + numbers[-1]),
}
