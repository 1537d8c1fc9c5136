# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The corpus of what must be refused (and of what looks odd and must not be), from the index that its generator
writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.fixtures import end_for
from hermit_harness.matrix.specs import MULTIBOOT_SIMULATOR, debug_file, with_simulator
from hermit_harness.paths import FIXTURES, loader_file
from hermit_harness.vm.machines import machine
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target


def directory(arch: str = "x86_64") -> Path:
    """Return the directory with the corpus of a CPU."""
    return FIXTURES / "corpus" / arch


@dataclass(frozen=True)
class Case:
    """One line of the index. Number 0 means: is booted, and the application ends with 0."""

    file: str  # "" is no application at all
    number: int
    rule: str
    profile: str
    scenario: str  # scenario of the guest that simulates another VMM; "" is QEMU itself
    append: str
    cpu: str
    memory: str
    arch: str = "x86_64"

    @property
    def id(self) -> str:
        extra = [text for text in (self.scenario, self.append, self.cpu) if text]
        return "/".join([str(self.number), self.rule, self.file.removesuffix(".elf") or "none", *extra])

    @property
    def path(self) -> Path:
        return directory(self.arch) / self.file

    @property
    def expect(self) -> str:
        return f"refused {self.number} {self.rule}" if self.number else "exit 0"

    @property
    def depends_on_file_only(self) -> bool:
        """Whether the file alone earns the refusal, whoever starts the loader."""
        return bool(self.file) and not (self.scenario or self.append or self.cpu or self.profile != "release")


def parse(text: str, arch: str = "x86_64") -> list[Case]:
    """Lines of the index; a dash is nothing special."""
    cases = []
    for line in text.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        file, number, rule, profile, start, append, cpu, memory = (
            "" if word == "-" else word for word in line.split("\t")
        )
        cases.append(Case(file, int(number), rule, profile or "release", start, append, cpu, memory, arch))
    return cases


def cases(arch: str = "x86_64") -> list[Case]:
    """Return the corpus of a CPU; empty if it is not built, which the test session reports at its start."""
    index = directory(arch) / "index.tsv"
    return parse(index.read_text(encoding="utf-8"), arch) if index.is_file() else []


def spec(case: Case, target_name: str = "x86_64-multiboot") -> RunSpec:
    """Return the boot of a case by a target.

    With a scenario, a simulator is QEMU's kernel and gets loader and application as modules; on RISC-V it is the
    firmware.
    """
    loader = loader_file(target_name, case.profile)
    # microvm starts in half the CPU time of a PC, which refuses the same files by PVH.
    is_any_machine = target_name == "x86_64-multiboot" and case.depends_on_file_only
    row = machine("microvm" if is_any_machine else target(target_name).machine, target(target_name).cpu)
    plain = RunSpec(
        loader=loader,
        loader_debug=debug_file(loader),
        app=case.path if case.file else None,
        machine=row.name,
        cpu=case.cpu,
        memory=case.memory or row.memory,
        append=case.append,
        expect=case.expect,
        end=end_for("bare", case.arch),
        target=target_name,
    )
    if not case.scenario:
        return plain
    if case.arch == "riscv64":
        return replace(plain, machine=f"virt-{case.scenario}", smp=4)
    return with_simulator(plain, MULTIBOOT_SIMULATOR, case.scenario)
