# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The corpus on every other target: the same rules, each with its number in QEMU's status and in one line."""

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
# Where semihosting is what carries the number.
SILENT = ("aarch64-elf", "aarch64_be-elf", "aarch64-uefi")


def errors(console: bytes) -> list[tuple[int, str]]:
    return [(int(number), rule.decode()) for number, rule in ERROR.findall(console.replace(b"\r\n", b"\n"))]


def plain() -> Iterator[tuple[str, Case]]:
    """Each case that QEMU itself can start, by each target of its CPU. On x86 what is said about memory and options
    was found out for Multiboot."""
    for name in TARGETS:
        for case in corpus.cases(target(name).arch):
            if case.plain or case.arch != "x86_64":
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
    """Refused with the index's number and rule, in one line and as QEMU's status, within two seconds;
    what only looks odd is booted."""
    outcome = boot_here(corpus.spec(case, name))
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert errors(outcome.console) == ([(case.number, case.rule)] if case.number else [])
    if case.number:
        assert outcome.qemu_status == case.number
        assert outcome.timings["end"] - outcome.timings["cont"] < 2.0


def by_starters() -> Iterator[tuple[str, Case]]:
    """One of each number by the targets that something slower than QEMU itself starts."""
    cases = {case.number: case for case in reversed(corpus.cases()) if case.plain}
    for name in ("x86_64-linux", "x86_64-uefi"):
        for number in sorted(cases):
            yield name, cases[number]


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize(("name", "case"), list(by_starters()), ids=named)
def test_corpus_by_starters(name: str, case: Case, boot_here: Boot) -> None:
    """The same numbers and rules by the Linux entry, and under UEFI where the number is to leave the machine."""
    spec = corpus.spec(case, name)
    if name == "x86_64-linux":
        spec = specs.played(spec, specs.LINUX_STARTER, "good")
    else:
        spec = replace(spec, way="efi-kernel", append="loader.onerror=stop")
    outcome = boot_here(spec)
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert errors(outcome.console) == ([(case.number, case.rule)] if case.number else [])
    if case.number:
        assert outcome.qemu_status == case.number


@pytest.mark.requirement("L-23", "N-12")
@pytest.mark.parametrize(("name", "case"), list(one_of_each_number()), ids=named)
def test_number_by_the_line_alone(name: str, case: Case, boot_here: Boot) -> None:
    """Without semihosting the machine is switched off, and the line tells the same number."""
    outcome = boot_here(replace(corpus.spec(case, name), debug_exit=False))
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert outcome.qemu_status == 0
    assert errors(outcome.console) == [(case.number, case.rule)]
