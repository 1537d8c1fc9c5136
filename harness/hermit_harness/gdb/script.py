# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The commands of a debug session, for gdbcmds/session.py and as a standalone GDB script.

The loader hands over in its function arch_handover, whose argument `h` has the application's address. A breakpoint
there needs neither the loader's log nor an earlier boot, so the address cannot be stale.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermit_harness.elf import ET_DYN, ElfFacts
from hermit_harness.elf import read as read_elf
from hermit_harness.fixtures import FixtureImage
from hermit_harness.gdb.program import ARCHITECTURES, WAIT_FOR_ANSWERS, quote, utf8_path
from hermit_harness.gdb.symbols import Symbols
from hermit_harness.paths import BUILD, GDBCMDS, ROOT
from hermit_harness.vm.gdb_relay import Endpoint
from hermit_harness.vm.targets import cpu_of_arch

HEAD = "# SPDX-License-Identifier: Apache-2.0 OR MIT\n# For GDB: "
HAND_OVER = "arch_handover"
LOADER_MAIN = "boot_run"
# Where each processor's calling convention has the first argument.
FIRST_ARGUMENT = {"x86_64": "$rdi", "aarch64": "$x0", "riscv64": "$a0"}
HANDOVER_FIELDS = (("start", "image.start"), ("entry", "entry"))  # of struct handover
# The trampoline runs from a copy in the block, at the next multiple of TRAMPOLINE_ALIGN of arch/CPU/trampoline.h.
TRAMPOLINE = "((unsigned long)({h}->block->window.base + {h}->block->trampoline + {slack}) & ~{slack}UL)"
TRAMPOLINE_ALIGN = {"aarch64": 2048}


@dataclass(frozen=True)
class DebugPlan:
    """What a session is about. `loader` is the file with the loader's symbols, None where nothing is known of it, and
    `loader_moved` what is added to its addresses. `start` is where the image is, as far as it is known beforehand;
    `sources` are commands by which GDB finds the application's."""

    arch: str
    target: str
    machine: str
    app: Path
    facts: ElfFacts
    symbols: Symbols
    loader: Path | None = None
    loader_offset: int = 0
    start: int | None = None
    sources: tuple[str, ...] = ()

    @property
    def lowest_address(self) -> int | None:
        """What is subtracted from the image's start to move the file's addresses; None where they are not moved."""
        return self.facts.low if self.facts.type == ET_DYN else None

    @property
    def trampoline(self) -> dict[str, Any] | None:
        """Return the trampoline's symbol file, its linked address, and a GDB expression for its run-time address.

        The expression is valid in arch_handover, whose argument is `h`.
        """
        file = self.loader.with_suffix(".trampoline") if self.loader else None
        facts = read_elf(file)
        if not file or not facts:
            return None
        slack = TRAMPOLINE_ALIGN.get(cpu_of_arch(self.arch), 1) - 1
        return {
            "file": str(utf8_path(file.resolve())),
            "linked": facts.low,
            "at": TRAMPOLINE.replace("{slack}", str(slack)),
        }


def source_commands(image: FixtureImage) -> tuple[str, ...]:
    """The sources of a real image, whose names are those of the package that fixtures/real/build.sh puts together."""
    real = ROOT / "fixtures" / "real"
    links = {f"src/bin/{image.fixture}.rs": real / image.fixture / "main.rs", "src/shared": real / "shared"}
    moved = (f"set substitute-path {name} {quote(file)}" for name, file in links.items())
    return (f"directory {quote(BUILD / 'fixtures' / 'real' / 'work' / image.kernel)}", *moved)


def setup_commands(plan: DebugPlan) -> list[str]:
    """Return the commands that precede the connection.

    GDB must know the CPU: it would take a machine that starts in 16-bit mode for a 32-bit one.
    """
    commands = [WAIT_FOR_ANSWERS, "set osabi none", f"set architecture {ARCHITECTURES[cpu_of_arch(plan.arch)]}"]
    if plan.arch.endswith("_be"):
        commands.append("set endian big")
    # Source paths in the project's debug information are relative to the checkout.
    commands += [f"directory {quote(ROOT)}", *plan.sources]
    if plan.loader:
        commands.append(f"add-symbol-file {quote(plan.loader.resolve())} -o {plan.loader_offset:#x}")
    return commands


def session_environment(plan: DebugPlan, remote: str, **fields: Any) -> dict[str, str]:
    """The environment that gdbcmds/session.py reads; `more` are its further fields."""
    low = plan.lowest_address
    known = {
        "arch": plan.arch,
        "target": plan.target,
        "machine": plan.machine,
        "app": str(utf8_path(plan.app.resolve())),
        "app_offset": plan.start - low if plan.start is not None and low is not None else 0,
        "loader_symbols": str(utf8_path(plan.loader.resolve())) if plan.loader else "",
        "start": plan.start or 0,
        "end": plan.start + plan.facts.size if plan.start is not None else 0,
        "remote": remote,
    }
    commands = GDBCMDS / "hermit.py"
    session = {
        "settings": setup_commands(plan),
        "remote": remote,
        "symbols": str(utf8_path(plan.symbols.path.resolve())),
        "low": low,
        "entry": plan.facts.entry,
        "size": plan.facts.size,
        "start": plan.start,
        "hand_over": HAND_OVER if plan.loader else "",
        "trampoline": plan.trampoline,
        "argument": FIRST_ARGUMENT[cpu_of_arch(plan.arch)],
        "loader_main": LOADER_MAIN,
        "hermit": str(utf8_path(commands)) if commands.is_file() else "",
        **fields,
    }
    return {"HERMIT_GDB": json.dumps(known), "HERMIT_SESSION": json.dumps(session)}


def symbol_commands(plan: DebugPlan) -> list[str]:
    """GDB's commands for a client of its own connection. `plan.start` is known."""
    moved_by = plan.facts.offset_for(plan.start or 0)
    return [*setup_commands(plan), f"symbol-file {quote(plan.symbols.path.resolve())} -o {moved_by:#x}"]


def lldb_commands(plan: DebugPlan) -> list[str]:
    """The same for LLDB, after `target create` for the application's symbols and the connection."""
    files = [(plan.symbols.path.resolve(), plan.facts.offset_for(plan.start or 0))]
    commands = []
    if plan.loader:
        files.append((plan.loader.resolve(), plan.loader_offset))
        commands.append(f"target modules add {quote(plan.loader.resolve())}")
    return commands + [f"target modules load --file {quote(file)} --slide {offset:#x}" for file, offset in files]


def standalone_script(plan: DebugPlan, endpoint: Endpoint, breaks: list[str], qemu: str) -> str:
    """The session as a plain script of GDB commands, which needs neither Python nor this program."""
    symbols = quote(plan.symbols.path.resolve())
    lines = [f"{HEAD}{plan.app} on {plan.target}, {plan.machine}."]
    if plan.arch.endswith("_be"):
        lines += ["# QEMU sends registers in the other byte order. Start the machine by what turns them first:"]
        lines += [f"#   {shlex.join(['hermitctl', 'debug', '--port', endpoint.word, str(plan.app)])}", ""]
    else:
        lines += ["# Start the machine by this line first:", *(f"#   {line}" for line in qemu.splitlines()), ""]
    lines += [*setup_commands(plan), f"target remote {endpoint.remote}"]
    if plan.loader:
        lines += ["", "# The loader's last function: from now on it is known where the application is."]
        lines += [f"thbreak *{HAND_OVER}", "continue", f"set $h = {FIRST_ARGUMENT[cpu_of_arch(plan.arch)]}"]
        lines += [f"set ${name} = (unsigned long)((struct handover *)$h)->{field}" for name, field in HANDOVER_FIELDS]
        offset = "0" if plan.lowest_address is None else f"$start - {plan.lowest_address:#x}"
        lines.append(_eval(f"symbol-file {symbols} -o", offset))
        if trampoline := plan.trampoline:
            offset = f"{trampoline['at'].format(h='((struct handover *)$h)')} - {trampoline['linked']:#x}"
            lines.append(_eval(f"add-symbol-file {quote(trampoline['file'])} -o", offset))
        entry = ['eval "thbreak *%#lx", $entry']
    else:
        moved_by = plan.facts.offset_for(plan.start or 0)
        lines.append(f"symbol-file {symbols} -o {moved_by:#x}")
        entry = [f"thbreak *{plan.facts.entry + moved_by:#x}"]
    lines += [
        "",
        "# In hardware: a breakpoint of the other kind is an instruction in memory, which may still be loaded.",
    ]
    lines += [f"hbreak {place}" for place in breaks] or entry
    return "\n".join((*lines, "continue", ""))


def _eval(command: str, number: str) -> str:
    """Return a GDB command whose last argument is the value of an expression."""
    escaped = command.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'eval "{escaped} %#lx", {number}'
