# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The boot info of every era: a header in the image for the oldest kernels, by magic number for those before
0.5, by entry version after.

Layouts are tables of (offset, size, name, kind). Kinds: "address", "size", "number", "ip", "tree" (a device tree),
"text" (an address; the length is the next field).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from .devicetree import total_size
from .memory import Memory, ReadError, Region

MAGIC = 0xC0DECAFE
NEAR_JUMP = 0xE9
MAX_IMAGE = 1 << 32
Layout = Sequence[tuple[int, int, str, str]]

# Pseudo versions for boot info at the start of the image itself.
C_KERNEL, HEADER = -1, 0
# The C kernel: a jump (opcode E9) to its entry, and these fields, which are not aligned.
C_X86: Layout = (
    (0x08, 8, "base", "address"),
    (0x10, 8, "limit", "address"),
    (0x18, 4, "cpu_freq", "number"),
    (0x1C, 4, "boot_processor", "address"),
    (0x20, 4, "cpu_online", "number"),
    (0x24, 4, "possible_cpus", "number"),
    (0x30, 4, "current_boot_id", "number"),
    (0x34, 4, "isle", "address"),
    (0x38, 8, "image_size", "size"),
    (0x60, 4, "possible_isles", "number"),
    (0x74, 4, "disable_x2apic", "number"),
    (0x78, 4, "single_kernel", "number"),
    (0x7C, 8, "mb_info", "address"),
    (0x94, 4, "uhyve", "number"),
    (0x98, 8, "uartport", "address"),
    (0xA0, 8, "cmdline", "text"),
    (0xA8, 8, "cmdsize", "size"),
    (0xB0, 4, "hcip", "ip"),
    (0xB4, 4, "hcgateway", "ip"),
    (0xB8, 4, "hcmask", "ip"),
    (0xBC, 8, "host_logical_addr", "address"),
)


def _packed(*fields: tuple[int, str, str]) -> Layout:
    """Return consecutive fields (size, name, kind) from offset 0."""
    ends = accumulate(size for size, _, _ in fields)
    return tuple((end - field[0], *field) for end, field in zip(ends, fields, strict=True))


# What the structures by base and size have in common.
_HEAD = ((4, "magic", "address"), (4, "version", "number"), (8, "base", "address"))
_SIZES = ((8, "limit", "address"), (8, "image_size", "size"))
_TLS = ((8, "tls_start", "address"), (8, "tls_filesz", "size"), (8, "tls_memsz", "size"))
_TLS_ALIGN = (8, "tls_align", "size")
_STATE = (
    (8, "current_stack_address", "address"),
    (8, "current_percore_address", "address"),
    (8, "host_logical_addr", "address"),
    (8, "boot_gtod", "number"),
)
_START = (
    (8, "cmdline", "text"),
    (8, "cmdsize", "size"),
    (4, "cpu_freq", "number"),
    (4, "boot_processor", "address"),
    (4, "cpu_online", "number"),
    (4, "possible_cpus", "number"),
    (4, "current_boot_id", "number"),
)
_HOST = (
    (1, "single_kernel", "number"),
    (1, "uhyve", "number"),
    (4, "hcip", "ip"),
    (4, "hcgateway", "ip"),
    (4, "hcmask", "ip"),
)
_X86_END = (*_STATE, (8, "mb_info", "address"), *_START, (2, "uartport", "address"), *_HOST)
# Rust kernels up to 0.3.9; their boot stack follows.
HEADER_X86 = _packed(*_HEAD, *_SIZES, *_X86_END)
# Entry version 1, and kernels 0.3.10 to 0.4.2, which carry no note.
E1_X86 = (*_packed(*_HEAD, *_SIZES, *_TLS, *_X86_END), (152, *_TLS_ALIGN))
E1_AARCH64 = _packed(
    *(*_HEAD, (8, "ram_start", "address"), *_SIZES, *_TLS, _TLS_ALIGN),
    *(*_STATE, *_START, (4, "uartport", "address"), *_HOST),
)
_LOAD = ("kernel_image_start", "kernel_image_end", "tls.start", "tls.filesz", "tls.memsz", "tls.align")
_LOAD_KINDS = ("address", "address", "address", "size", "size", "size")
_LINUX: Layout = ((0, 8, "command_line", "text"), (8, 8, "command_line_len", "size"), (16, 8, "boot_params", "address"))
_MULTIBOOT: Layout = (*_LINUX[:2], (16, 8, "multiboot_info_addr", "address"))
_UHYVE: Layout = ((0, 1, "has_pci", "number"), (8, 8, "num_cpus", "number"), (16, 4, "cpu_freq (kHz)", "number"))
TAGS_X86 = (("Multiboot", _MULTIBOOT), ("Uhyve", _UHYVE), ("LinuxBootParams", _LINUX), ("Fdt", ()))
TAGS_OTHER = (("LinuxBoot", ()), *TAGS_X86[1:])
TAGS_OF_VERSION = {2: 2, 3: 3, 4: 4}  # how many of them a version has
KERNEL_VERSIONS = {1: "0.3.10 to 0.4.4", 2: "0.5.0 to 0.6.0", 3: "0.6.1 to 0.6.9", 4: "0.7.0 and later"}
TITLES = {
    C_KERNEL: "header in the image of the C kernel",
    HEADER: "header in the image (kernels up to 0.3.9)",
    **{
        version: f"boot info of entry version {version} (kernels {kernels})"
        for version, kernels in KERNEL_VERSIONS.items()
    },
}


@dataclass
class BootInfo:
    """One decoded structure. `rows` are (name, text for people); `places` what it points to."""

    address: int
    version: int
    size: int
    image_start: int
    image_end: int
    tree: int = 0
    rows: list[tuple[str, str]] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    def text(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        head = f"{TITLES[self.version]} at {self.address:#x}"
        return "\n".join([head, *(f"  {name:<{width}}  {value}" for name, value in self.rows)])


def _text_of(memory: Memory, info: BootInfo, name: str, address: int, size: int) -> str:
    if address == 0:
        return "0x0  (none)"
    # The loader maps the line of entry version 3 at another address, and extends it by blanks.
    at = memory.translate(address)
    try:
        text = memory.text(at, min(size, 4096))
    except ReadError as error:
        return f"{address:#x}  ({error})"
    info.regions.append(Region(at, at + size, "command line"))
    shown = text.rstrip(" ") if info.version == 3 else text
    return f'{address:#x}  "{shown}"' + ("  and blanks" if shown != text else "")


def _tree_of(memory: Memory, info: BootInfo, address: int) -> str:
    if address == 0:
        return "0x0  (none)"
    try:
        size = total_size(memory.read, address)
    except ReadError as error:
        return f"{address:#x}  ({error})"
    info.regions.append(Region(address, address + size, "device tree"))
    return f"{address:#x}  (device tree, {size} bytes: hermit fdt)"


def _decode_fields(memory: Memory, info: BootInfo, at: int, layout: Layout, prefix: str = "") -> dict[str, int]:
    """Decode the fields of a layout at `at`; their values by name."""
    values: dict[str, int] = {}
    for offset, size, name, _ in layout:
        values[name] = memory.number(at + offset, size)
    for index, (offset, _, name, kind) in enumerate(layout):
        value = values[name]
        if kind == "ip":
            shown = ".".join(str(byte) for byte in memory.read(at + offset, 4))
        elif kind == "text":
            shown = _text_of(memory, info, name, value, values[layout[index + 1][2]])
        elif kind == "tree":
            shown = _tree_of(memory, info, value)
        elif kind == "address":
            shown = f"{value:#x}"
        elif kind == "size":
            shown = f"{value:#x}  ({value})" if value > 9 else str(value)
        else:
            shown = str(value)
        info.rows.append((prefix + name, shown))
    return values


def _by_base(memory: Memory, address: int, version: int, size: int, layout: Layout) -> BootInfo:
    """Decode the structures that describe the image by base and size."""
    info = BootInfo(address, version, size, 0, 0)
    values = _decode_fields(memory, info, address, layout)
    info.image_start = values["base"]
    info.image_end = info.image_start + values["image_size"]
    if stack := values.get("current_stack_address"):
        info.regions.append(Region(stack, stack + 0x8000, "stack"))
    if values.get("mb_info"):
        info.regions.append(Region(values["mb_info"], values["mb_info"] + 116, "Multiboot information"))
    return info


def _raw_layout(arch: str, version: int) -> tuple[Layout, int]:
    """Return the layout of entry versions 2 to 4, and the offset of the platform tag."""
    load = 24 if version == 2 else 32
    port = 2 if arch == "x86_64" else 8
    rows: list[tuple[int, int, str, str]] = [
        (0, 8, "phys_addr_start", "address"),
        (8, 8, "phys_addr_end", "address"),
        (16, port, "serial_port_base", "address"),
    ]
    if version != 2:
        rows.append((24, 8, "device_tree", "tree"))
    rows += [(load + 8 * i, 8, _LOAD[i], _LOAD_KINDS[i]) for i in range(6)]
    # Version 2 elsewhere than on x86 ends its blocks at multiples of 16, the alignment of a 128-bit number.
    return rows, (80 if version == 2 and arch != "x86_64" else load + 48)


def _union_at(memory: Memory, address: int, arch: str, version: int, tag_at: int) -> int:
    """Return the offset of the platform's fields. Kernels 0.6.1 to 0.6.8 built by a compiler of 2024 have them 8 bytes
    later, which shows by a first word of 0 where a pointer should be."""
    if version == 4 or (version == 2 and arch == "x86_64"):
        return tag_at + 8
    if arch != "x86_64":
        return tag_at + 16
    first, second = memory.number(address + tag_at + 8), memory.number(address + tag_at + 16)
    third = memory.number(address + tag_at + 32)
    return tag_at + (16 if first == 0 and third != 0 and second != 0 else 8)


def _decode_raw(memory: Memory, address: int, arch: str, version: int) -> BootInfo:
    layout, tag_at = _raw_layout(arch, version)
    info = BootInfo(address, version, 128 if version == 4 else 144, 0, 0)
    values = _decode_fields(memory, info, address, layout)
    info.image_start, info.image_end = values["kernel_image_start"], values["kernel_image_end"]
    info.tree = values.get("device_tree", 0)
    tag = memory.number(address + tag_at, 4)
    tags = (TAGS_X86 if arch == "x86_64" else TAGS_OTHER)[: TAGS_OF_VERSION[version]]
    if tag >= len(tags):
        info.rows.append(("platform", f"{tag}  (unknown: entry version {version} has 0 to {len(tags) - 1})"))
        return info
    name, fields = tags[tag]
    info.rows.append(("platform", f"{tag}  {name}"))
    at = address + _union_at(memory, address, arch, version, tag_at)
    _decode_fields(memory, info, at, fields, "  ")
    return info


def _decode_as(memory: Memory, address: int, arch: str, version: int) -> BootInfo | None:
    """The structure as that of a version; None where its first bytes are another's."""
    if version > 1:
        return _decode_raw(memory, address, arch, version)
    first = memory.number(address, 4)
    # The number after the magic one distinguishes a header, of which the loader keeps a copy, from that structure.
    if first == MAGIC and memory.number(address + 4, 4) != version:
        return None
    if version == 1:
        layout = E1_X86 if arch == "x86_64" else E1_AARCH64
        return _by_base(memory, address, 1, 160, layout) if first == MAGIC else None
    if arch != "x86_64" or memory.number(address + 8) != address:  # not the image's own start
        return None
    if version == HEADER:
        return _by_base(memory, address, HEADER, 124, HEADER_X86) if first == MAGIC else None
    return _by_base(memory, address, C_KERNEL, 0xC4, C_X86) if first & 0xFF == NEAR_JUMP else None


def decode(memory: Memory, address: int, arch: str, version: int | None = None) -> BootInfo:
    """Decode the boot info at an address.

    Without `version`, the magic number or the position of the image's start and end identifies the layout. Raise
    ReadError if there is no boot info.
    """
    if version and version not in KERNEL_VERSIONS:
        raise ReadError(f"entry version {version} is not known: 1 to 4 are")
    for candidate in [version] if version else [C_KERNEL, HEADER, 1, 4, 3, 2]:
        info = _decode_as(memory, address, arch, candidate)
        if info and is_plausible(memory, info, arch):
            return info
    raise ReadError(f"no boot info at {address:#x}")


def is_plausible(memory: Memory, info: BootInfo, arch: str) -> bool:
    """Whether it names an image, and a device tree where it names one."""
    size = info.image_end - info.image_start
    if not 0 < size < MAX_IMAGE or info.image_start % 4096:
        return False
    if info.version == 2 and info.tree == 0:
        return memory.number(info.address + _raw_layout(arch, 2)[1], 4) < 2
    if info.tree == 0:
        return True
    return any(place.name == "device tree" for place in info.regions)


def search(memory: Memory, start: int, end: int, arch: str, image_start: int) -> BootInfo:
    """The structure in [start, end) that names this image; the loader lays it out at a multiple of 8."""
    data = memory.read(start, end - start)
    wanted = image_start.to_bytes(8, memory.order)
    at = data.find(wanted)
    while at >= 0:
        for version, offset in ((4, 32), (1, 8), (2, 24)):
            where = start + at - offset
            if where >= start and where % 8 == 0:
                try:
                    return decode(memory, where, arch, version)
                except ReadError:
                    continue
        at = data.find(wanted, at + 1)
    raise ReadError(f"no boot info for the image at {image_start:#x} in {start:#x} to {end:#x}")
