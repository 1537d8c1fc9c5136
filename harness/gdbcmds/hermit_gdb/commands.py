# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The commands: `hermit bootinfo`, `fdt`, `pagetables`, `log`, `image`. Each says a sentence where it cannot do its
work."""

from __future__ import annotations

import gdb

from . import devicetree, guest, image, paging
from .memory import ReadError


class HermitPrefix(gdb.Command):
    """Look at what a Hermit loader handed over."""

    def __init__(self) -> None:
        super().__init__("hermit", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)

    def invoke(self, argument: str, from_tty: bool) -> None:
        gdb.execute("help hermit")


class Command(gdb.Command):
    """A subcommand; `run` gets its words and returns the text to show."""

    word = ""

    def __init__(self) -> None:
        super().__init__(f"hermit {self.word}", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument: str, from_tty: bool) -> None:
        self.dont_repeat()
        try:
            print(self.run(gdb.string_to_argv(argument)))
        except ReadError as error:
            raise gdb.GdbError(str(error)) from None

    def run(self, words: list[str]) -> str:
        raise NotImplementedError


def address_of(text: str) -> int:
    """Evaluate a GDB expression as an address."""
    return guest.evaluate(text)


class BootInfoCommand(Command):
    """hermit bootinfo [--at ADDRESS]: the boot info, decoded.

    It is found by the register that holds it at the application's first instruction, by the loader's record, or by
    looking for it below the image."""

    word = "bootinfo"

    def run(self, words: list[str]) -> str:
        if words[:1] == ["--at"] and len(words) == 2:
            return guest.boot_info(address_of(words[1])).text()
        if words:
            raise ReadError("usage: hermit bootinfo [--at ADDRESS]")
        return guest.boot_info().text()


class FdtCommand(Command):
    """hermit fdt [--at ADDRESS] [PATH]: the device tree that was handed over, or one node of it, as source text."""

    word = "fdt"

    def run(self, words: list[str]) -> str:
        at = None
        if words[:1] == ["--at"] and len(words) > 1:
            at, words = address_of(words[1]), words[2:]
        if len(words) > 1:
            raise ReadError("usage: hermit fdt [--at ADDRESS] [PATH]")
        at = at or self._handed_over()
        with guest.memory() as memory:
            return devicetree.source(devicetree.load(memory.read, at), *words)

    @staticmethod
    def _handed_over() -> int:
        info = guest.boot_info()
        if not info.tree:
            older = "kernels before 0.6.1 know none"
            raise ReadError(f"no device tree was handed over ({older if info.version < 3 else 'its address is 0'})")
        return info.tree


class PageTablesCommand(Command):
    """hermit pagetables [ADDRESS]: what the processor's page tables map, or the way to one address.

    Ranges are joined; the last column names the contents."""

    word = "pagetables"

    def run(self, words: list[str]) -> str:
        used = guest.page_tables()
        if not used:
            return "addresses are not translated: every one is physical"
        regions = guest.regions()
        with guest.memory() as memory:
            if not words:
                return "\n".join(paging.table_text(paging.mappings(memory, t), t, regions) for t in used)
        address = address_of(" ".join(words))
        chosen = paging.tables_for(used, address)
        if chosen is None:
            return f"{address:#x} is not mapped: its upper bits are not those of an address that the tables know"
        with guest.memory() as memory:
            return paging.walk_text(paging.walk(memory, chosen, address), chosen, address, regions)


class LogCommand(Command):
    """hermit log: the last lines of the loader, from its memory."""

    word = "log"

    def run(self, words: list[str]) -> str:
        return guest.loader_log().rstrip("\n")


class ImageCommand(Command):
    """hermit image: the application's address and segments, and the segment of the program counter."""

    word = "image"

    def run(self, words: list[str]) -> str:
        app, file = guest.application()
        lines = [image.text(app, file)]
        try:
            lines.append(f"  pc     {program_counter()}")
        except ReadError:
            lines.append("  pc     (no guest is connected)")
        return "\n".join(lines)


def program_counter() -> str:
    """The program counter as symbol and line."""
    guest.require_guest()
    pc = guest.register("pc")
    shown = gdb.execute(f"info symbol {pc:#x}", to_string=True).strip()
    name = "" if shown.startswith("No symbol") else " in " + shown.partition(" in section")[0]
    line = gdb.find_pc_line(pc)
    return f"{pc:#x}{name}" + (f" ({line.symtab.filename}:{line.line})" if line.symtab else "")


def register() -> None:
    """Make the commands known to GDB."""
    HermitPrefix()
    for kind in (BootInfoCommand, FdtCommand, PageTablesCommand, LogCommand, ImageCommand):
        kind()
