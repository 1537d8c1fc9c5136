# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Page tables of the three processors: every mapping, or the way to one address.

x86_64 with 4 or 5 levels (Intel SDM volume 3, chapter 4), AArch64 with the 4 KiB granule (Arm ARM, D8), riscv64 with
Sv39, Sv48, Sv57 or none (privileged specification, chapter 4). A table is a page of 512 entries of 8 bytes; level 0 is
the one that maps 4 KiB pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from .memory import Memory, ReadError, Region

PAGE = 4096
ADDRESS = 0x000F_FFFF_FFFF_F000
PAGE_SIZES = {0: "4K", 1: "2M", 2: "1G", 3: "512G", 4: "256T"}
Registers = Callable[[str], int]


@dataclass(frozen=True)
class Entry:
    """A table entry, decoded. `target` is the physical address of a page or of the next table."""

    raw: int
    present: bool
    leaf: bool
    target: int
    flags: str


@dataclass(frozen=True)
class Tables:
    """One set of tables: `root` is the physical address of the top one, `levels` how many there are, `base` what is
    added to the addresses it maps (the upper half of AArch64 has tables of its own)."""

    root: int
    levels: int
    decode: Callable[[int, int], Entry]
    base: int = 0
    signed: bool = True
    name: str = ""

    @property
    def bits(self) -> int:
        return 12 + 9 * self.levels

    def canonical(self, address: int) -> int:
        """The address with the bits that the tables do not look at."""
        if self.signed and address >> (self.bits - 1) & 1:
            return address | (~0 << self.bits & 0xFFFF_FFFF_FFFF_FFFF)
        return address | self.base


@dataclass(frozen=True)
class Mapping:
    """Pages of one size that follow one another in both address spaces. `phys` None: a window into the tables."""

    start: int
    end: int
    phys: int | None
    page: str
    flags: str

    def continues(self, other: Mapping) -> bool:
        """Whether `other` follows this one."""
        if self.phys is None or other.phys is None or self.end != other.start:
            return False
        same = (self.page, self.flags) == (other.page, other.flags)
        return same and self.phys + (self.end - self.start) == other.phys


# --- the processors' entries ---


def x86_entry(raw: int, level: int) -> Entry:
    """Pages are executable unless NX says otherwise; "user" and the cache bits are named where set."""
    leaf = level == 0 or (level < 3 and bool(raw & 1 << 7))
    flags = "r" + ("w" if raw & 2 else "-") + ("-" if raw >> 63 else "x")
    words = [(2, "user"), (3, "write-through"), (4, "uncached")] + ([(8, "global")] if leaf else [])
    flags += "".join(f" {word}" for bit, word in words if raw >> bit & 1)
    low = (1 << (12 + 9 * level)) - 1 if leaf else PAGE - 1
    return Entry(raw, bool(raw & 1), leaf, raw & ADDRESS & ~low, flags)


MEMORY_TYPES = {0x00: "device nGnRnE", 0x04: "device nGnRE", 0x08: "device nGRE", 0x0C: "device GRE", 0x44: "uncached"}


def aarch64_entry(mair: int) -> Callable[[int, int], Entry]:
    """Decode entries whose memory types are in MAIR_EL1. Write-back memory is not mentioned."""

    def decode(raw: int, level: int) -> Entry:
        leaf = level == 0 or not raw & 2
        writable, user = not raw >> 7 & 1, bool(raw >> 6 & 1)
        flags = "r" + ("w" if writable else "-") + ("-" if raw >> 53 & 1 else "x") + (" user" if user else "")
        kind = mair >> (8 * (raw >> 2 & 7)) & 0xFF
        if kind in MEMORY_TYPES:
            flags += f" {MEMORY_TYPES[kind]}"
        flags += "" if raw >> 10 & 1 else " no-access-flag"
        # A block of level 3 or 4 does not exist, and a page entry has both low bits set.
        present = bool(raw & 1) and (level > 0 or bool(raw & 2)) and (not leaf or level < 3)
        low = (1 << (12 + 9 * level)) - 1 if leaf else PAGE - 1
        return Entry(raw, present, leaf, raw & 0x0000_FFFF_FFFF_F000 & ~low, flags)

    return decode


def riscv64_entry(raw: int, level: int) -> Entry:
    """A leaf has one of R, W and X."""
    leaf = bool(raw & 0xE)
    flags = "".join(letter if raw >> bit & 1 else "-" for bit, letter in ((1, "r"), (2, "w"), (3, "x")))
    flags += (" user" if raw >> 4 & 1 else "") + (" global" if raw >> 5 & 1 else "")
    return Entry(raw, bool(raw & 1), leaf, (raw >> 10 & (1 << 44) - 1) << 12, flags)


# --- from registers to tables ---


def tables_of(arch: str, register: Registers) -> list[Tables]:
    """The tables that the processor uses now; none where it uses addresses as they are. `register` gives a register by
    the name that QEMU has for it."""
    return {"x86_64": _x86, "aarch64": _aarch64, "riscv64": _riscv64}[arch.removesuffix("_be")](register)


def _x86(register: Registers) -> list[Tables]:
    if not register("cr0") >> 31 & 1:
        return []
    if not register("efer") >> 10 & 1:
        raise ReadError("the processor translates addresses in 32-bit mode: this is before the loader's 64-bit part")
    levels = 5 if register("cr4") >> 12 & 1 else 4
    return [Tables(register("cr3") & ADDRESS, levels, x86_entry, name="CR3")]


def _aarch64(register: Registers) -> list[Tables]:
    if not register("SCTLR_EL1") & 1:
        return []
    tcr, decode, found = register("TCR_EL1"), aarch64_entry(register("MAIR_EL1")), []
    if tcr >> 14 & 3:
        raise ReadError("TCR_EL1 asks for another granule than 4 KiB")
    for name, size, off in (("TTBR0_EL1", tcr & 63, tcr >> 7 & 1), ("TTBR1_EL1", tcr >> 16 & 63, tcr >> 23 & 1)):
        upper = name == "TTBR1_EL1"
        root = register(name) & 0x0000_FFFF_FFFF_FFFE
        if off or not 16 <= size <= 39 or (upper and root == 0):
            continue
        levels = -(-(64 - size - 12) // 9)
        base = ~0 << (64 - size) & 0xFFFF_FFFF_FFFF_FFFF if upper else 0
        found.append(Tables(root & ~(PAGE - 1), levels, decode, base, signed=False, name=name))
    return found


def _riscv64(register: Registers) -> list[Tables]:
    satp = register("satp")
    mode = satp >> 60
    if mode == 0:
        return []
    if mode not in (8, 9, 10):
        raise ReadError(f"satp asks for mode {mode}, which is none of Sv39, Sv48, Sv57")
    return [Tables((satp & (1 << 44) - 1) << 12, mode - 5, riscv64_entry, name=f"satp, Sv{mode * 9 - 33}")]


# --- walking ---


def _mappings(
    memory: Memory, tables: Tables, table: int, level: int, start: int, ancestors: tuple[int, ...]
) -> Iterator[Mapping]:
    data = memory.read(table, PAGE)
    step = 1 << (12 + 9 * level)
    for index in range(512):
        raw = int.from_bytes(data[8 * index : 8 * index + 8], memory.order)
        entry = tables.decode(raw, level)
        if not entry.present:
            continue
        at = start + index * step
        if entry.leaf or (level == 0):
            first = tables.canonical(at)
            yield Mapping(first, first + step, entry.target, PAGE_SIZES[level], entry.flags)
        elif entry.target in (*ancestors, table):
            first = tables.canonical(at)
            yield Mapping(first, first + step, None, f"slot {index}", "recursive")
        else:
            yield from _mappings(memory, tables, entry.target, level - 1, at, (*ancestors, table))


def mappings(memory: Memory, tables: Tables) -> list[Mapping]:
    """All that is mapped, ascending, pages that follow one another joined."""
    found: list[Mapping] = []
    for one in _mappings(memory, tables, tables.root, tables.levels - 1, 0, ()):
        if found and found[-1].continues(one):
            found[-1] = Mapping(found[-1].start, one.end, found[-1].phys, one.page, one.flags)
        else:
            found.append(one)
    return found


@dataclass(frozen=True)
class Step:
    """One table on the way to an address."""

    level: int
    table: int
    index: int
    entry: Entry


def walk(memory: Memory, tables: Tables, address: int) -> list[Step]:
    """Return the entries of the walk for an address, from the top table; the last is a page or not present."""
    steps: list[Step] = []
    table = tables.root
    for level in reversed(range(tables.levels)):
        index = address >> (12 + 9 * level) & 511
        entry = tables.decode(memory.number(table + 8 * index), level)
        steps.append(Step(level, table, index, entry))
        if not entry.present or entry.leaf:
            break
        table = entry.target
    return steps


def tables_for(tables: Sequence[Tables], address: int) -> Tables | None:
    """Return the tables that map an address; None for an address outside all tables."""
    return next((t for t in tables if t.canonical(address & (1 << t.bits) - 1) == address), None)


def physical(memory: Memory, tables: Sequence[Tables], address: int) -> int | None:
    """Return the physical address, or None if the page is not mapped."""
    if not tables:
        return address
    chosen = tables_for(tables, address)
    if chosen is None:
        return None
    last = walk(memory, chosen, address)[-1]
    if not (last.entry.present and last.entry.leaf):
        return None
    return last.entry.target | address & (1 << (12 + 9 * last.level)) - 1


# --- as text ---


def regions_within(regions: Iterable[Region], start: int, end: int) -> list[Region]:
    """Return the places within a range of physical memory, ascending."""
    return sorted((p for p in regions if p.start < end and start < p.end), key=lambda p: p.start)


def table_text(found: Sequence[Mapping], tables: Tables, regions: Sequence[Region]) -> str:
    """List all mappings, one per line, each with its contents."""
    lines = [f"{tables.name}: top table at {tables.root:#x}, {tables.levels} levels"]
    for m in found:
        if m.phys is None:
            lines.append(f"  {m.start:#018x}..{m.end - 1:#018x} -> the tables themselves ({m.page})")
            continue
        size = m.end - m.start
        where = "same" if m.phys == m.start else f"{m.phys:#x}"
        count = size // {name: 1 << (12 + 9 * level) for level, name in PAGE_SIZES.items()}[m.page]
        line = f"  {m.start:#018x}..{m.end - 1:#018x} -> {where:<12} {count:>5} x {m.page}  {m.flags:<4}"
        overlapping = regions_within(regions, m.phys, m.phys + size)
        if len(overlapping) == 1:
            line += f"  {overlapping[0].name}"
        lines.append(line.rstrip())
        if len(overlapping) > 1:
            lines += [f"      {p.start:#x} to {p.end:#x}  {p.name}" for p in overlapping]
    return "\n".join([*lines, f"  {len(found)} ranges"])


def walk_text(steps: Sequence[Step], tables: Tables, address: int, regions: Sequence[Region]) -> str:
    """The way to one address."""
    lines = [f"{address:#x} by {tables.name}:"]
    for step in steps:
        what = f"{step.entry.raw:#018x}"
        if not step.entry.present:
            what += "  not present"
        elif step.entry.leaf:
            what += f"  {PAGE_SIZES[step.level]} page at {step.entry.target:#x}  {step.entry.flags}"
        else:
            what += f"  table at {step.entry.target:#x}  {step.entry.flags}"
        lines.append(f"  level {step.level}  table {step.table:#x}  entry {step.index:>3}  {what}")
    last = steps[-1]
    if last.entry.present and last.entry.leaf:
        phys = last.entry.target | address & (1 << (12 + 9 * last.level)) - 1
        owners = ", ".join(p.name for p in regions_within(regions, phys, phys + 1))
        lines.append(f"{address:#x} is physical {phys:#x}{f', {owners}' if owners else ''}")
    else:
        lines.append(f"{address:#x} is not mapped: the entry of level {last.level} is not present")
    return "\n".join(lines)
