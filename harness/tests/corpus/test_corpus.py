# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each file that cannot boot causes one line with its status, in QEMU and in the host program."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix import corpus, specs
from hermit_harness.matrix.corpus import Case
from hermit_harness.paths import BUILD, loader_file
from hermit_harness.status import statuses
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import ARCHS

Boot = Callable[[RunSpec], Outcome]
ERROR = re.compile(rb"^\[LOADER\]\[ERROR\] (\d+) ([a-z0-9-]+): .+$", re.M)
CASES = corpus.cases()
FILES = [case for case in CASES if case.depends_on_file_only]


def errors(console: bytes) -> list[tuple[int, str]]:
    return [(int(number), rule.decode()) for number, rule in ERROR.findall(console.replace(b"\r\n", b"\n"))]


@pytest.mark.requirement("N-12", "P-12", "R-01")
@pytest.mark.parametrize("case", [case for case in CASES if case.number], ids=lambda case: case.id)
def test_refused(case: Case, boot_here: Boot) -> None:
    """Status and rule match the index, in one line, within two seconds of the guest's start."""
    outcome = boot_here(corpus.spec(case))
    assert outcome.matches(case.expect), f"{outcome}; expected {case.expect}"
    assert outcome.qemu_status == case.number
    assert errors(outcome.console) == [(case.number, case.rule)]
    assert outcome.timings["end"] - outcome.timings["cont"] < 2.0


@pytest.mark.requirement("R-01", "L-09")
@pytest.mark.parametrize("case", [case for case in CASES if not case.number], ids=lambda case: case.id)
def test_unusual_file_boots(case: Case, boot_here: Boot) -> None:
    """Valid but unusual files boot in QEMU, and with an emulated VMM that differs from QEMU."""
    outcome = boot_here(corpus.spec(case))
    assert outcome.matches("exit 0"), str(outcome)
    assert errors(outcome.console) == []


@pytest.mark.requirement("N-12", "P-12")
@pytest.mark.parametrize("case", FILES, ids=lambda case: case.id)
def test_same_status_under_asan(case: Case) -> None:
    """The loader's core gives the same status as a host program with sanitizers."""
    memory = case.memory or "128M"
    command = [str(BUILD / "host" / "hermit-host"), "--mem", memory, str(case.path)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert b"Sanitizer" not in done.stderr and b"runtime error" not in done.stderr, done.stderr.decode()
    assert done.returncode == case.number, done.stdout.decode()
    assert errors(done.stdout) == ([(case.number, case.rule)] if case.number else [])


@pytest.mark.requirement("N-12")
def test_every_rule_has_a_case() -> None:
    """A rule without a case, and a case for an unknown rule, are errors.

    The host tests show the rules that QEMU cannot trigger: their suite `rules` fails if no other suite broke one.
    """
    rules = {(status.number, status.rule) for status in statuses()}
    earned = {(case.number, case.rule) for arch in ARCHS for case in corpus.cases(arch) if case.number}
    assert sorted(earned - rules) == []
    assert sorted(rule for _, rule in rules - earned) == [
        "fdt-content",
        "fdt-malformed",
        "fdt-missing",
        "firmware-refused",
        "start-state",
    ]


@pytest.mark.requirement("L-12", "L-13", "N-12")
def test_statuses_fit_isa_debug_exit() -> None:
    """Statuses are odd, from 65 to 119, with one word per class."""
    classes: dict[int, set[str]] = {}
    for status in statuses():
        classes.setdefault(status.number, set()).add(status.class_word)
    assert all(number % 2 == 1 and 65 <= number <= 119 for number in classes)
    assert all(len(words) == 1 for words in classes.values())


@pytest.mark.requirement("N-12")
def test_exception_in_the_loader_is_reported(boot_here: Boot) -> None:
    """Registers, address and function follow the line."""
    (case,) = [case for case in CASES if case.append == "loader.selftest=ud"]
    outcome = boot_here(corpus.spec(case))
    text = outcome.console.decode()
    assert re.search(r"101 cpu-exception: #UD at 0x[0-9a-f]+ \(selftest\+0x[0-9a-f]+\)", text), text
    assert all(f"{register}=0x" in text for register in ("rax", "rsp", "r15", "rflags", "cr2"))


REGISTERS = {
    "x86_64-multiboot": (0x5E01, "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15"),
    "aarch64-elf": (0x5E00, " ".join(f"x{number}" for number in range(31))),
    "aarch64_be-elf": (0x5E00, " ".join(f"x{number}" for number in range(31))),
    "riscv64-sbi": (
        0x501,
        "ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 " + "s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6",
    ),
}


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("name", REGISTERS)
def test_report_has_the_value_of_each_register(name: str, boot_here: Boot) -> None:
    """The self-test gives each register a value of its own; the report has them under the right names."""
    first, names = REGISTERS[name]
    loader = loader_file(name, "debug")
    spec = specs.release("hello", target_name=name, append="loader.selftest=registers")
    outcome = boot_here(replace(spec, loader=loader, loader_debug=specs.debug_file(loader)))
    found = dict(re.findall(rb"\b([a-z]+\d*)=0x([0-9a-f]+)", outcome.console))
    got = {register: int(found.get(register.encode(), b"0"), 16) for register in names.split()}
    assert got == {register: first + place for place, register in enumerate(names.split())}
