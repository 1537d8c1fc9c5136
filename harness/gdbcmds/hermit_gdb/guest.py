# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The guest at the other end of GDB's connection: registers, physical memory, hand-over."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gdb

from . import bootinfo, image, paging, ring
from .memory import Memory, Order, ReadError, Region

ARCHITECTURES = {"i386:x86-64": "x86_64", "aarch64": "aarch64", "riscv:rv64": "riscv64"}
# Where the pointer to the boot info is at the application's first instruction.
INFO_REGISTERS = {"x86_64": "rdi", "aarch64": "x0", "riscv64": "a1"}
# How far below the image the loader's things are looked for when nothing says where they are.
REACH = 4 << 20
PIECES = ("stack", "tables", "info", "cmdline", "multiboot", "rsdp", "boot_params", "fdt", "trampoline")
PIECE_NAMES = {
    "tables": "page tables",
    "info": "boot info",
    "cmdline": "command line",
    "multiboot": "Multiboot information",
    "rsdp": "ACPI root pointer",
    "boot_params": "zero page",
    "fdt": "device tree",
}


def settings() -> dict[str, Any]:
    """Return the settings of the session that started GDB; empty if a user sourced this file."""
    return dict(json.loads(os.environ.get("HERMIT_GDB") or "{}"))


def number(value: object) -> int | None:
    """A setting that may be a number or its text."""
    if value is None or value == "":
        return None
    return value if isinstance(value, int) else int(str(value), 0)


def evaluate(expression: str) -> int:
    """An expression's value, or a function's address, as an unsigned number; gdb.error. No casts: they would be written
    in the language of the selected frame, which may be Rust."""
    value = gdb.parse_and_eval(expression)
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_FUNC:
        value = value.address
    return int(value) & 0xFFFF_FFFF_FFFF_FFFF


def register(name: str) -> int:
    """A register as an unsigned number; ReadError if this machine has none of that name. QEMU calls some of AArch64's
    registers without their _EL1."""
    for known in (name, name.removesuffix("_EL1")):
        with contextlib.suppress(gdb.error):
            return evaluate(f"${known}")
    raise ReadError(f"this guest has no register {name}")


def require_guest() -> None:
    """ReadError unless a guest is there to be asked."""
    if not any(thread.is_valid() for thread in gdb.selected_inferior().threads()):
        raise ReadError("no guest is connected: target remote first")


def arch() -> str:
    """The guest's processor."""
    arch_setting = settings().get("arch")
    if arch_setting:
        return str(arch_setting).removesuffix("_be")
    shown = gdb.execute("show architecture", to_string=True)
    for name, cpu in ARCHITECTURES.items():
        if f'"{name}"' in shown:
            return cpu
    raise ReadError(f"GDB's architecture is none of Hermit's: {shown.strip()}")


def order() -> Order:
    """The byte order of the guest's data: of the application, or of whatever GDB has a file of. GDB's own setting is
    that of registers, which are little-endian in any case."""
    if settings().get("arch"):
        return "big" if str(settings()["arch"]).endswith("_be") else "little"
    facts = _linked(app_file())
    return facts.order if facts else "little"


def _physical_mode(on: bool) -> None:
    answer = gdb.execute(f"maintenance packet Qqemu.PhyMemMode:{int(on)}", to_string=True)
    if '"OK"' not in answer:
        raise ReadError("this guest's stub does not read physical memory (QEMU's does, from 4.1 on)")


@contextlib.contextmanager
def physical_mode() -> Iterator[None]:
    """Addresses are physical ones while this lasts."""
    _physical_mode(True)
    try:
        yield
    finally:
        _physical_mode(False)


def _read(address: int, size: int) -> bytes:
    try:
        return bytes(gdb.selected_inferior().read_memory(address, size))
    except (gdb.error, OverflowError) as error:
        raise ReadError(f"no memory at {address:#x} ({error})") from None


@contextlib.contextmanager
def memory() -> Iterator[Memory]:
    """Physical memory, to be read while this lasts."""
    require_guest()
    with physical_mode():
        yield Memory(_read, order())


def symbol(name: str) -> int | None:
    """The address of a symbol of any file, static ones too."""
    with contextlib.suppress(gdb.error):
        return evaluate(f"&{name}")
    return None


# --- the application ---


def _linked(file: str) -> image.LoadedImage | None:
    with contextlib.suppress(OSError, ReadError):
        return image.parse(Path(file).read_bytes())
    return None


def app_file() -> str:
    """Return the application's file: from the settings, GDB's first file with a Hermit note, GDB's first file that is
    not a loader (kernels before 0.4.3 have no note), or GDB's main file."""
    app_setting = settings().get("app")
    if app_setting:
        return str(app_setting)
    files = [(file, _linked(file.filename)) for file in gdb.objfiles()]
    for file, facts in files:
        if facts and facts.entry_version is not None:
            return str(file.filename)
    for file, facts in files:
        if facts and _boot_state(file) is None:
            return str(file.filename)
    return gdb.current_progspace().filename or ""


def _lowest_section(file: str) -> int | None:
    """The lowest address at which GDB has a section of a file that is loaded."""
    _, found, text = gdb.execute("maintenance info sections -all-objects", to_string=True).partition(f"`{file}'")
    rows = re.findall(r"^\s*\[\d+\]\s+(0x[0-9a-f]+)->\S+ at \S+ \S+ ALLOC", text.partition("Object file:")[0], re.M)
    return min((int(address, 16) for address in rows), default=None) if found else None


def load_start(linked: image.LoadedImage | None, file: str) -> int | None:
    """Return the load address. A setting of 0 means that it was unknown when the session started."""
    start_setting = number(settings().get("start"))
    if start_setting:
        return start_setting
    if linked and not linked.is_dynamic:
        return linked.start
    offset = number(settings().get("app_offset"))
    if offset and linked:
        return linked.start + offset
    lowest = _lowest_section(file)
    return None if lowest is None or not linked else linked.start + lowest - linked.lowest_section


def application() -> tuple[image.LoadedImage, str]:
    """The application where it was loaded, and its file. ReadError if neither is known."""
    file = app_file()
    linked = _linked(file)
    start = load_start(linked, file)
    if linked is None and start is not None:
        with memory() as physical:
            linked = image.parse(physical.read(start, 4096))
        file = "(from memory)"
    if linked is None:
        raise ReadError("which application this is is not known: file APP, or symbol-file APP -o START")
    if start is None and linked.is_dynamic:
        raise ReadError(f"where {file} was loaded is not known: symbol-file -o START, the loader prints START")
    return linked.loaded_at(start or 0), file


# --- the loader's record ---


def _boot_state(file: Any) -> Any | None:
    """The static variable `boot_state` of boot.c in a file of GDB; None if the file is no loader."""
    found = file.lookup_static_symbol("boot_state") if hasattr(file, "lookup_static_symbol") else None
    return found if found is not None and found.symtab.filename.endswith("core/boot.c") else None


def loader_record() -> Any | None:
    """The loader's record of the hand-over, the static variable `boot_state` of boot.c, or None without its symbols.

    Also None for a big-endian guest: GDB would read it in the byte order of the registers."""
    if order() == "big":
        return None
    for file in gdb.objfiles():
        found = _boot_state(file)
        if found is None:
            continue
        with memory():
            value = found.value()
            value.fetch_lazy()
            block = value["block"]
            if int(block["window"]["base"]):
                return value
    return None


def handover_regions(run: Any) -> list[Region]:
    """The pieces of what was handed over, by the loader's record."""
    block = run["block"]
    base = int(block["window"]["base"])
    # A piece that is not there has the start of the next one: the order of PIECES is that of the block.
    starts = sorted(((base + int(block[name]), name) for name in PIECES), key=lambda piece: piece[0])
    ends = [start for start, _ in starts[1:]] + [base + int(block["size"])]
    return [Region(s, e, PIECE_NAMES.get(n, n)) for (s, n), e in zip(starts, ends) if s < e]  # noqa: B905


def boot_info(at: int | None = None) -> bootinfo.BootInfo:
    """The boot info: at an address, by the register of the hand-over, by the loader's record, or by looking for
    it below the image."""
    require_guest()
    processor = arch()
    app: image.LoadedImage | None = None
    with contextlib.suppress(ReadError):
        app = application()[0]
    version = app.entry_version if app else None
    run = loader_record() if at is None else None
    tables: list[paging.Tables] = []
    with contextlib.suppress(ReadError, gdb.error):
        tables = page_tables()
    with memory() as untranslated:

        def translate(address: int) -> int:
            found = paging.physical(untranslated, tables, address)
            return address if found is None else found

        physical = replace(untranslated, translate=translate)
        if at is not None:
            return bootinfo.decode(physical, at, processor, version)
        candidates = []
        if app is None or register("pc") == app.entry + app.load_offset:
            candidates.append(register(INFO_REGISTERS[processor]))
        if run is not None:
            candidates.append(int(run["block"]["window"]["base"]) + int(run["block"]["info"]))
        if app is not None and version is None:
            candidates.append(app.start)  # the oldest kernels have a header there
        for candidate in candidates:
            with contextlib.suppress(ReadError):
                found = bootinfo.decode(physical, candidate, processor, version)
                if app is None or found.image_start == app.start:
                    return found
        if app is None:
            raise ReadError(
                "no register and no log of a loader points to a boot info: use hermit bootinfo --at ADDRESS"
            )
        return bootinfo.search(physical, *_below(app.start), processor, app.start)


def _below(start: int) -> tuple[int, int]:
    """Return the memory below an image, from the start of its RAM."""
    ram_start = {"x86_64": 0x1000, "aarch64": 0x4000_0000, "riscv64": 0x8000_0000}[arch()]
    return max(ram_start, start - REACH), start


def loader_log() -> str:
    """The lines of the loader's log."""
    require_guest()
    where = symbol("log_ring")
    start = None if where is not None else application()[0].start
    with memory() as physical:
        if where is None and start is not None:
            where = ring.search(physical, *_below(start))
        assert where is not None
        return ring.read(physical, where)


def regions() -> list[Region]:
    """All that is known to lie in the guest's memory."""
    found: list[Region] = []
    with contextlib.suppress(ReadError):
        found += application()[0].regions()
    with contextlib.suppress(ReadError, gdb.error):
        run = loader_record()
        if run is not None:
            return found + handover_regions(run)
    with contextlib.suppress(ReadError):
        info = boot_info()
        found += [Region(info.address, info.address + info.size, "boot info"), *info.regions]
    return found


def page_tables() -> list[paging.Tables]:
    """The page tables in use."""
    require_guest()
    return paging.tables_of(arch(), register)


def without_disambiguators(name: str) -> str:
    """A demangled name without Rust's disambiguators: `hermit[ea54f3a986fb02e1]::initd`, `initd::h0123456789abcdef`."""
    return re.sub(r"\[[0-9a-f]{1,16}\](?=::)|::h[0-9a-f]{16}$", "", name)
