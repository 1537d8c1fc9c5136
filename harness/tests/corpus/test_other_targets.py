# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The corpus on each other target: the same rules, each with its status in one line and in QEMU's exit status."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from hermit_harness.matrix import corpus, specs
from hermit_harness.matrix.corpus import Case
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

Boot = Callable[[RunSpec], Outcome]
ERROR = re.compile(rb"\[LOADER\]\[ERROR\] (\d+) ([a-z0-9-]+): .+$", re.M)
TARGETS = ("aarch64-elf", "aarch64_be-elf", "aarch64-uefi", "riscv64-sbi", "x86_64-pvh")
# Machines whose exit device is semihosting.
SILENT = ("aarch64-elf", "aarch64_be-elf", "aarch64-uefi")


def errors(console: bytes) -> list[tuple[int, str]]:
    return [(int(number), rule.decode()) for number, rule in ERROR.findall(console.replace(b"\r\n", b"\n"))]


def plain() -> Iterator[tuple[str, Case]]:
    """Return each case that QEMU can start itself, per target of its CPU.

    On x86, memory and option cases apply to Multiboot.
    """
    for name in TARGETS:
        for case in corpus.cases(target(name).arch):
            if case.depends_on_file_only or case.arch != "x86_64":
                yield name, case


def one_of_each_number() -> Iterator[tuple[str, Case]]:
    seen: set[tuple[str, int]] = set()
    for name, case in plain():
        if name in SILENT and case.number and (name, case.number) not in seen:
            seen.add((name, case.number))
            yield name, case


def named(value: object) -> str:
    return value.id if isinstance(value, Case) else str(value)


@pytest.mark.requirement("N-12", "P-12", "L-23")
@pytest.mark.parametrize(("name", "case"), list(plain()), ids=named)
def test_corpus(name: str, case: Case, boot_here: Boot) -> None:
    """Refusals have the index's status and rule, in one line and as QEMU's exit status, within two seconds.

    Unusual files boot.
    """
    outcome = boot_here(corpus.spec(case, name))
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert errors(outcome.console) == ([(case.number, case.rule)] if case.number else [])
    if case.number:
        assert outcome.qemu_status == case.number
        assert outcome.timings["end"] - outcome.timings["cont"] < 2.0


def by_vmms() -> Iterator[tuple[str, Case]]:
    """Return one case per status for the targets with a slower start than QEMU's own."""
    cases = {case.number: case for case in reversed(corpus.cases()) if case.depends_on_file_only}
    for name in ("x86_64-linux", "x86_64-uefi"):
        for number in sorted(cases):
            yield name, cases[number]


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize(("name", "case"), list(by_vmms()), ids=named)
def test_corpus_by_vmms(name: str, case: Case, boot_here: Boot) -> None:
    """The Linux entry and UEFI give the same statuses and rules."""
    spec = corpus.spec(case, name)
    if name == "x86_64-linux":
        spec = specs.with_simulator(spec, specs.LINUX_SIMULATOR, "good")
    else:
        spec = replace(spec, way="efi-kernel", append="loader.onerror=stop")
    outcome = boot_here(spec)
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert errors(outcome.console) == ([(case.number, case.rule)] if case.number else [])
    if case.number:
        assert outcome.qemu_status == case.number


@pytest.mark.requirement("L-23", "N-12")
@pytest.mark.parametrize(("name", "case"), list(one_of_each_number()), ids=named)
def test_status_by_the_line_alone(name: str, case: Case, boot_here: Boot) -> None:
    """Without semihosting the machine powers off, and the line has the same status."""
    outcome = boot_here(replace(corpus.spec(case, name), debug_exit=False))
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert outcome.qemu_status == 0
    assert errors(outcome.console) == [(case.number, case.rule)]
