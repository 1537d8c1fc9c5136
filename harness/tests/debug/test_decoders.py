# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The decoders of `hermit ...` on bytes: each era, each kind of page, and damaged input."""

from __future__ import annotations

import struct

import pytest

from gdbcmds.hermit_gdb import bootinfo, devicetree, image, paging, ring
from gdbcmds.hermit_gdb.memory import Memory, Order, ReadError, Region
from hermit_harness.fixtures import images


class Ram:
    """A few bytes of memory, initially zero. Addresses outside are not readable."""

    def __init__(self, size: int = 1 << 20) -> None:
        self.data = bytearray(size)

    def put(self, at: int, content: bytes) -> None:
        self.data[at : at + len(content)] = content

    def read(self, at: int, size: int) -> bytes:
        if at < 0 or at + size > len(self.data):
            raise ReadError(f"no memory at {at:#x}")
        return bytes(self.data[at : at + size])

    def memory(self, order: Order = "little") -> Memory:
        return Memory(self.read, order)


def cell(text: str) -> bytes:
    return text.encode() + b"\0" + b"\0" * (-(len(text) + 1) % 4)


def small_tree() -> bytes:
    """/ { compatible = "hermit,test"; memory@0 { reg = <0 0x1000>; blob = [01 02 03]; empty; }; };"""
    strings = b"compatible\0reg\0blob\0empty\0"
    body = struct.pack(">I", 1) + cell("")
    body += struct.pack(">III", 3, 12, 0) + cell("hermit,test")
    body += struct.pack(">I", 1) + cell("memory@0")
    body += struct.pack(">IIIII", 3, 8, 11, 0, 0x1000)
    body += struct.pack(">III", 3, 3, 15) + b"\1\2\3\0"
    body += struct.pack(">III", 3, 0, 20)
    body += struct.pack(">IIII", 2, 4, 2, 9)
    reserve = struct.pack(">QQQQ", 0x8000, 0x1000, 0, 0)
    at = 40 + len(reserve)
    head = (0xD00DFEED, at + len(body) + len(strings), at, at + len(body), 40, 17, 16, 0, len(strings), len(body))
    return struct.pack(">10I", *head) + reserve + body + strings


DTS = """\
/dts-v1/;
/memreserve/ 0x8000 0x1000;

/ {
	compatible = "hermit,test";
	memory@0 {
		reg = <0x0 0x1000>;
		blob = [01 02 03];
		empty;
	};
};"""


@pytest.mark.requirement("P-06")
def test_device_tree_as_source() -> None:
    """Reservations, strings, cells, bytes, and properties without a value are shown as source."""
    assert devicetree.source(devicetree.parse(small_tree())) == DTS
    assert devicetree.source(devicetree.parse(small_tree()), "/memory").splitlines()[0] == "memory@0 {"
    with pytest.raises(ReadError, match=r"there is no node nix in /: it has memory@0"):
        devicetree.source(devicetree.parse(small_tree()), "/nix")


def test_damaged_device_trees() -> None:
    """Any corrupted byte causes an error sentence, and never another exception."""
    blob = small_tree()
    for at in range(len(blob)):
        for value in (0, 0xFF, blob[at] ^ 1):
            try:
                devicetree.source(devicetree.parse(blob[:at] + bytes([value]) + blob[at + 1 :]))
            except ReadError:
                continue
    for size in range(len(blob)):
        with pytest.raises(ReadError):
            devicetree.parse(blob[:size])


# entry version -> (CPU, offsets of the load information, the platform tag and the union)
LAYOUTS = {
    "2-x86_64": (24, 72, 80),
    "2-aarch64": (24, 80, 96),
    "3-x86_64": (32, 80, 88),
    "3-x86_64-late": (32, 80, 96),
    "4-x86_64": (32, 80, 88),
    "4-aarch64": (32, 80, 88),
    "4-aarch64-big": (32, 80, 88),
}


@pytest.mark.requirement("R-01")
@pytest.mark.parametrize("case", LAYOUTS)
def test_boot_info_of_versions(case: str) -> None:
    """Entry versions 2 to 4 are decoded with the field offsets of each."""
    version, arch = int(case[0]), case.split("-")[1]
    order: Order = "big" if case.endswith("big") else "little"
    mark = ">" if order == "big" else "<"
    load, tag_at, union = LAYOUTS[case]
    ram, at = Ram(), 0x1000
    ram.put(at, struct.pack(mark + "QQ", 0x111000, 0x222000))
    ram.put(at + 16, struct.pack("<H", 0x3F8) if arch == "x86_64" else struct.pack(mark + "Q", 0x9000000))
    if version > 2:
        ram.put(at + 24, struct.pack(mark + "Q", 0x4000))
        ram.put(0x4000, small_tree())
    ram.put(at + load, struct.pack(mark + "6Q", 0x200000, 0x234567, 0x201000, 24, 1032, 64))
    ram.put(at + tag_at, struct.pack(mark + "I", 0))
    if arch == "x86_64":
        line = b"a -- b" + (b"  " if version == 3 else b"")  # the loader's blanks belong to the length only
        ram.put(at + union, struct.pack("<QQQ", 0x3000, len(line), 0x3100))
        ram.put(0x3000, line)
    info = bootinfo.decode(ram.memory(order), at, arch, version)
    rows = dict(info.rows)
    assert (info.image_start, info.image_end) == (0x200000, 0x234567)
    assert rows["phys_addr_end"] == "0x222000"
    assert rows["serial_port_base"] == ("0x3f8" if arch == "x86_64" else "0x9000000")
    assert rows["tls.align"] == "0x40  (64)"
    assert rows["platform"] == ("0  Multiboot" if arch == "x86_64" else "0  LinuxBoot")
    if arch == "x86_64":
        assert rows["  command_line"] == '0x3000  "a -- b"' + ("  and blanks" if version == 3 else "")
        assert rows["  multiboot_info_addr"] == "0x3100"
    assert bootinfo.search(ram.memory(order), 0x800, 0x2000, arch, 0x200000).address == at


@pytest.mark.requirement("R-01")
def test_boot_info_of_the_first_aarch64() -> None:
    """Entry version 1 on AArch64 has the start of RAM between base and limit."""
    ram = Ram()
    ram.put(0x100, struct.pack("<IIQQQQ", 0xC0DECAFE, 1, 0x40200000, 0x40000000, 0x60000000, 0x1000))
    ram.put(0x100 + 140, struct.pack("<I", 0x1000))
    rows = dict(bootinfo.decode(ram.memory(), 0x100, "aarch64").rows)
    assert (rows["ram_start"], rows["image_size"], rows["uartport"]) == ("0x40000000", "0x1000  (4096)", "0x1000")


@pytest.mark.requirement("R-01")
def test_header_in_the_image() -> None:
    """Kernels up to 0.3.9 and the C kernel have their boot info at the start of their image."""
    ram, at = Ram(), 0x2000
    ram.put(at, struct.pack("<IIQQQQ", 0xC0DECAFE, 0, at, 0, 0x80000, at + 0x80))
    ram.put(at + 64, struct.pack("<QQQ", 0x1000, 0x1100, 5))
    ram.put(at + 108, struct.pack("<HBB4s", 0x3F8, 1, 0, bytes([10, 0, 5, 3])))
    ram.put(0x1100, b"a -- b")
    info = bootinfo.decode(ram.memory(), at, "x86_64")
    rows = dict(info.rows)
    assert info.text().startswith("header in the image (kernels up to 0.3.9) at 0x2000")
    assert (info.image_end, rows["mb_info"], rows["uartport"], rows["hcip"]) == (
        0x82000,
        "0x1000",
        "0x3f8",
        "10.0.5.3",
    )
    assert rows["cmdline"] == '0x1100  "a -- "'
    with pytest.raises(ReadError):  # the header describes another image
        bootinfo.decode(ram.memory(), at + 0x1000, "x86_64")
    ram.put(0x1800, ram.memory().read(at, 128))  # as the loader writes it, before it is copied to the image
    with pytest.raises(ReadError):
        bootinfo.search(ram.memory(), 0x1000, at, "x86_64", at)

    ram = Ram()
    ram.put(at, b"\xe9\x00\x10\x00\x00\x90\x90\x90" + struct.pack("<QQ", at, 0x8000000))
    ram.put(at + 0x38, struct.pack("<Q", 0x300000))
    ram.put(at + 0x98, struct.pack("<QQQ", 0x3F8, 0x1100, 5))
    ram.put(at + 0xB0, bytes([10, 0, 5, 2]))
    ram.put(0x1100, b"a -- b")
    info = bootinfo.decode(ram.memory(), at, "x86_64")
    rows = dict(info.rows)
    assert info.text().startswith("header in the image of the C kernel at 0x2000")
    assert (info.image_end, rows["uartport"], rows["hcip"], rows["cmdline"]) == (
        0x302000,
        "0x3f8",
        "10.0.5.2",
        '0x1100  "a -- "',
    )


@pytest.mark.requirement("R-01")
@pytest.mark.parametrize(("tag", "name"), [(1, "Uhyve"), (2, "LinuxBootParams"), (3, "Fdt"), (9, "unknown")])
def test_platforms(tag: int, name: str) -> None:
    """Each platform of entry version 4 is named; an unknown tag is reported as unknown."""
    ram = Ram()
    ram.put(32, struct.pack("<QQ", 0x200000, 0x201000))
    ram.put(80, struct.pack("<I", tag))
    text = bootinfo.decode(ram.memory(), 0, "x86_64", 4).text()
    assert name in text


def test_no_boot_info() -> None:
    """Other memory is refused with one sentence."""
    ram = Ram()
    with pytest.raises(ReadError, match="no boot info at 0x40"):
        bootinfo.decode(ram.memory(), 0x40, "x86_64")
    with pytest.raises(ReadError, match="no boot info for the image at 0x200000"):
        bootinfo.search(ram.memory(), 0, 0x1000, "x86_64", 0x200000)


def entries(ram: Ram, table: int, *rows: tuple[int, int]) -> None:
    for index, value in rows:
        ram.put(table + 8 * index, value.to_bytes(8, "little"))


def texts(ram: Ram, arch: str, registers: dict[str, int], places: list[Region] | None = None) -> list[str]:
    """Return the lines of `hermit pagetables`."""
    (tables,) = paging.tables_of(arch, lambda name: registers.get(name, 0))
    found = paging.mappings(ram.memory(), tables)
    return [" ".join(line.split()) for line in paging.table_text(found, tables, places or []).splitlines()]


LONG_MODE = {"cr0": 1 << 31, "efer": 1 << 10, "cr3": 0x1000}


@pytest.mark.requirement("P-06")
def test_x86_pages() -> None:
    """1 GiB, 2 MiB and 4 KiB pages are joined if they are adjacent and have the same rights."""
    ram = Ram()
    entries(ram, 0x1000, (0, 0x2003), (256, 0x2003), (511, 0x1003))
    entries(ram, 0x2000, (0, 0x3003), (1, 0x4000_0000 | 0x83), (2, 0x8000_0000 | 0x83))
    entries(ram, 0x3000, (0, 0x4003), (1, 0x20_0083), (2, 0x40_0083 | 1 << 63), (4, 0x60_0083))
    entries(ram, 0x4000, (1, 0x7003), (2, 0x8003), (3, 0x9001), (4, 0xA000))
    lines = texts(ram, "x86_64", LONG_MODE, [Region(0x7000, 0x7100, "boot info")])
    assert lines[:8] == [
        "CR3: top table at 0x1000, 4 levels",
        "0x0000000000001000..0x0000000000002fff -> 0x7000 2 x 4K rwx boot info",
        "0x0000000000003000..0x0000000000003fff -> 0x9000 1 x 4K r-x",
        "0x0000000000200000..0x00000000003fffff -> same 1 x 2M rwx",
        "0x0000000000400000..0x00000000005fffff -> same 1 x 2M rw-",
        "0x0000000000800000..0x00000000009fffff -> 0x600000 1 x 2M rwx",
        "0x0000000040000000..0x00000000bfffffff -> same 2 x 1G rwx",
        "0xffff800000001000..0xffff800000002fff -> 0x7000 2 x 4K rwx boot info",
    ]
    assert lines[-2] == "0xffffff8000000000..0xffffffffffffffff -> the tables themselves (slot 511)"


@pytest.mark.requirement("P-06")
def test_x86_addresses() -> None:
    """The walk of an address ends at its page, at an unmapped entry, or outside all tables."""
    ram = Ram()
    entries(ram, 0x1000, (0, 0x2003))
    entries(ram, 0x2000, (1, 0x4000_0000 | 0x83))
    used = paging.tables_of("x86_64", lambda name: LONG_MODE.get(name, 0))
    memory = ram.memory()
    assert paging.physical(memory, used, 0x4012_3456) == 0x4012_3456
    assert paging.physical(memory, used, 0x123) is None
    assert paging.tables_for(used, 0x8000_0000_0000_0000) is None
    assert paging.tables_of("x86_64", lambda name: 0) == []


@pytest.mark.requirement("P-06")
def test_riscv_pages() -> None:
    """Sv39, its upper half, and no translation at all."""
    ram = Ram()
    page = 0x8000_0000 >> 12 << 10
    entries(ram, 0x1000, (2, page | 0xCF), (510, 0x2000 >> 12 << 10 | 1))
    entries(ram, 0x2000, (511, 0x20_0000 >> 12 << 10 | 0x47))
    assert texts(ram, "riscv64", {"satp": 8 << 60 | 1})[1:3] == [
        "0x0000000080000000..0x00000000bfffffff -> same 1 x 1G rwx",
        "0xffffffffbfe00000..0xffffffffbfffffff -> 0x200000 1 x 2M rw-",
    ]
    assert paging.tables_of("riscv64", lambda name: 0) == []
    with pytest.raises(ReadError, match="mode 5"):
        paging.tables_of("riscv64", lambda name: 5 << 60)


@pytest.mark.requirement("P-06")
def test_aarch64_pages() -> None:
    """2 MiB blocks, device memory, read-only and non-executable pages, and 39-bit tables for the upper half."""
    ram = Ram()
    entries(ram, 0x1000, (0, 0x2003))
    entries(ram, 0x2000, (1, 0x3003))
    entries(ram, 0x3000, (0, 0x4000_0711), (1, 0x4020_0711 | 1 << 53), (2, 0x5003))
    entries(ram, 0x5000, (0, 0x900_0000 | 0x407), (1, 0x4040_1793))
    registers = {
        "SCTLR_EL1": 1,
        "TCR_EL1": 16 | 25 << 16 | 2 << 30,
        "MAIR_EL1": 0xFF << 32 | 0x0400,
        "TTBR0_EL1": 0x1000,
    }
    assert texts(ram, "aarch64", registers)[1:5] == [
        "0x0000000040000000..0x00000000401fffff -> same 1 x 2M rwx",
        "0x0000000040200000..0x00000000403fffff -> same 1 x 2M rw-",
        "0x0000000040400000..0x0000000040400fff -> 0x9000000 1 x 4K rwx device nGnRE",
        "0x0000000040401000..0x0000000040401fff -> same 1 x 4K r-x",
    ]
    both = paging.tables_of("aarch64", lambda name: {**registers, "TTBR1_EL1": 0x8000}.get(name, 0))
    assert [(t.name, t.levels, hex(t.base)) for t in both] == [
        ("TTBR0_EL1", 4, "0x0"),
        ("TTBR1_EL1", 3, "0xffffff8000000000"),
    ]


@pytest.mark.requirement("P-06")
def test_log_ring() -> None:
    """The newest lines appear in order; a line that is partly overwritten is omitted."""
    ram = Ram()
    head = b"HERMITLG" + struct.pack("<II", 32, 12)
    ram.put(0x100, head + b"first\nsecon\n".ljust(32))
    assert ring.read(ram.memory(), 0x100) == "first\nsecon\n"
    ram.put(0x100, b"HERMITLG" + struct.pack("<II", 32, 70) + b"wrap\n.overwritten\nnext line\nlast")
    assert ring.read(ram.memory(), 0x100) == "...\nnext line\nlastwrap\n."
    assert ring.search(ram.memory(), 0, 0x1000) == 0x100
    with pytest.raises(ReadError, match="no log of a loader"):
        ring.search(ram.memory(), 0x200, 0x1000)


@pytest.mark.requirement("L-25")
@pytest.mark.parametrize(("arch", "name"), [("x86_64", "tls"), ("aarch64_be", "tls-fixed"), ("riscv64", "hello")])
def test_images(arch: str, name: str) -> None:
    """An image is decoded equally from its file and from its first page in memory."""
    data = images(arch)[name].path.read_bytes()
    found = image.parse(data)
    assert (found.arch, found.is_dynamic, found.entry_version) == (arch, not name.endswith("fixed"), 4)
    first_page = image.parse(data[:4096])
    assert first_page.loads == found.loads
    assert found.loaded_at(found.start + 0x20_0000).load_offset == (0x20_0000 if found.is_dynamic else 0)
    for size in range(512):
        try:
            image.parse(data[:size])
        except ReadError:
            continue
