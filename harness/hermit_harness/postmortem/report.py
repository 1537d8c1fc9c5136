# SPDX-License-Identifier: Apache-2.0 OR MIT
"""After a run that went wrong: registers, a symbolised backtrace of every processor, and the instruction that failed.

The stub is opened after the fact (see gdb/program.py); GDB runs in batch with gdbcmds/postmortem.py.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hermit_harness import elf
from hermit_harness.gdb import load_address, program, symbols
from hermit_harness.paths import GDBCMDS
from hermit_harness.postmortem import cause, cpu_features, fault, frames
from hermit_harness.vm.process import Process
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import cpu_of_arch, target
from hermit_harness.watch.faults import Fault
from hermit_harness.watch.held import StoredState

REPORT_PREFIX = "POSTMORTEM "
NOT_REGISTERS = ("address", "syndrome", "tls", "at", "select")  # names of rows of exceptions.toml


@dataclass(frozen=True)
class RaisedAt:
    """The registers of a core before an exception, by GDB's names: pc, sp, and whatever else is known.

    `is_physical`: sp is a physical address, because the stack is not mapped any more.
    """

    core: int
    registers: Mapping[str, int]
    is_physical: bool = False

    @classmethod
    def of(cls, printed: Fault, state: StoredState) -> Self:
        """Return the registers that the kernel has printed and stored."""
        known = {**state.registers, **printed.values} | ({"sp": state.stack} if state.stack else {})
        registers = {name: value for name, value in known.items() if name not in NOT_REGISTERS}
        return cls(printed.core, registers, state.stack is not None)


@dataclass
class PostMortem:
    """What the post-mortem found: QEMU's registers, GDB's report, why there is none, and what its symbols lack."""

    registers: str = ""
    gdb: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    note: str = ""

    def backtrace(self) -> str:
        """For people: one block a processor."""
        lines = [f"({self.problem})"] if self.problem else []
        for cpu in self.gdb.get("cpus", []):
            lines.append(frames.title(cpu))
            lines += [frames.row(number, frame) for number, frame in enumerate(cpu["frames"])]
            lines += [*_registers(cpu), *(f"    {line}" for line in cpu["disassembly"])]
        lines += [f"({self.note})"] if self.note else []
        return "\n".join(lines) + "\n"

    def screen(self) -> str:
        """For a terminal: per processor the application's frames."""
        lines = frames.screen(self.gdb.get("cpus", []))
        return "\n".join([*lines, f"({self.note})"] if lines and self.note else lines)


def _registers(cpu: dict[str, Any]) -> list[str]:
    """Four registers a line."""
    known = [f"{name:>9} {value:#018x}" for name, value in cpu["registers"].items() if value is not None]
    return ["  ".join(known[at : at + 4]) for at in range(0, len(known), 4)]


def symbol_files(spec: RunSpec, load_start: int | None) -> tuple[list[tuple[str, int]], str]:
    """Return the files with symbols, each with the offset of its addresses, and a note about symbols that are missing.

    The application is at its scraped base, the loader where it is linked.
    """
    found: list[tuple[str, int]] = []
    note = ""
    facts = elf.read(spec.app)
    if spec.app and facts and load_start is not None:
        of_app = symbols.find(spec.app, facts)
        note = of_app.note
        found.append((str(of_app.path.resolve()), facts.offset_for(load_start)))
    loader = load_address.loader_symbols(spec.loader) if spec.loader_debug else spec.loader
    if loader and elf.read(loader):
        found.append((str(loader.resolve()), 0))
    return found, note


def run_gdb(
    process: Process,
    qmp: Qmp,
    files: list[tuple[str, int]],
    arch: str,
    crashed: bool,
    raised: RaisedAt | None = None,
) -> dict[str, Any]:
    """Return GDB's report on the machine. It changes the registers of a machine that crashed.

    `raised`: the state before an exception, where the guest's registers do not show it. Raise OSError or ValueError
    with the reason if GDB fails.
    """
    cpu = cpu_of_arch(arch)
    connect = program.connect_commands(arch, files)
    request = {"connect": connect, "cpu": cpu, "crashed": crashed, "big": arch.endswith("_be")}
    request["raised"] = dataclasses.asdict(raised) if raised else None
    done = program.run_batch(
        process,
        qmp,
        cpu,
        ["-x", str(GDBCMDS / "postmortem.py")],
        {"HERMIT_POSTMORTEM": json.dumps(request)},
    )
    for line in done.stdout.splitlines():
        if line.startswith(REPORT_PREFIX):
            report: dict[str, Any] = json.loads(line[len(REPORT_PREFIX) :])
            return report
    raise ValueError(f"gdb said nothing useful (status {done.returncode}): {done.stderr.strip()[-300:]}")


def examine(
    spec: RunSpec,
    process: Process,
    qmp: Qmp,
    load_start: int | None,
    registers: str,
    crashed: bool,
    raised: RaisedAt | None = None,
) -> PostMortem:
    """Return the post-mortem of a paused machine. Errors are reported in `problem`."""
    report = PostMortem(registers=registers)
    try:
        qmp.execute("stop")
        report.registers = report.registers or qmp.hmp("info registers -a")
        files, report.note = symbol_files(spec, load_start)
        report.gdb = run_gdb(process, qmp, files, target(spec.target).arch, crashed, raised)
        report.problem = report.gdb.get("error", "")
    except (QmpError, OSError, ValueError, subprocess.SubprocessError) as error:
        report.problem = str(error)
    return report


def explain_cause(
    spec: RunSpec, verdict: str, report: PostMortem, load_range: tuple[int, int] | None, printed: Fault | None = None
) -> str:
    """The sentence that a report begins with: the exception that the kernel printed, else what the first processor with
    a reason died of, else where it is."""
    cpus = report.gdb.get("cpus", [])
    if not cpus:
        return ""
    image = range(*load_range) if load_range else None
    raising = [cpu for cpu in cpus if printed and cpu["fault"] and cpu["fault"]["address"] == printed.pc]
    if printed and raising:
        return fault.explain(printed, raising[0], image)
    return cause.explain(target(spec.target).cpu, verdict, cpus, image) or f"at {cause.location_text(cpus[0]['here'])}"


def missing_feature(
    spec: RunSpec, cpu: str, console: str, report: PostMortem, load_start: int | None, crashed: bool = True
) -> str:
    """Name the missing CPU feature that ended the guest, or the features that -cpu disables; "" if there is none."""
    feature_in_console = cpu_features.feature_named_in(console)
    if feature_in_console:
        return f"the guest says that it needs the CPU feature {feature_in_console}; -cpu is {cpu}"
    arch = target(spec.target).cpu
    for code, ecx in _failing_code(spec, console, report, load_start) if arch == "x86_64" else ():
        word, feature = cpu_features.feature_needed_by(code, ecx)
        if feature:
            return _missing_feature_sentence(word, feature, cpu)
    for cpu_report in report.gdb.get("cpus", []) if crashed else ():
        text = cause.undefined_instruction(arch, cpu_report)
        feature = cpu_features.feature_of_instruction(arch, text)
        if feature:
            return _missing_feature_sentence(text.partition(" ")[0], feature, cpu)
    off = cpu_features.disabled_features(spec.cpu)
    return f"-cpu switches off {' and '.join(off)}, which may be why (-cpu {cpu})" if off else ""


def _missing_feature_sentence(word: str, feature: str, cpu: str) -> str:
    reason = "which -cpu switches off" if feature in cpu_features.disabled_features(cpu) else "which this CPU may lack"
    return f"it stopped at {word}, which needs the CPU feature {feature}, {reason} (-cpu {cpu})"


def _failing_code(
    spec: RunSpec, console: str, report: PostMortem, load_start: int | None
) -> list[tuple[bytes, int | None]]:
    found: list[tuple[bytes, int | None]] = []
    for cpu in report.gdb.get("cpus", []):
        found.append((bytes.fromhex(cpu["code"]), (cpu["registers"]["rcx"] or 0) & 0xFFFFFFFF))
    pointer, facts = cpu_features.instruction_pointer_in(console), elf.read(spec.app)
    if pointer is not None and facts and spec.app and load_start is not None:
        offset = facts.file_offset(pointer - facts.offset_for(load_start))
        if offset is not None:
            found.append((spec.app.read_bytes()[offset : offset + 16], None))
    return found
