# SPDX-License-Identifier: Apache-2.0 OR MIT
"""docs/elf-rules.md: each rule names code that exists and something that shows it, and no rule is left out."""

from __future__ import annotations

import re

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import corpus
from hermit_harness.paths import ROOT
from hermit_harness.status import statuses
from hermit_harness.vm.targets import ARCHS

PAGE = ROOT / "docs" / "elf-rules.md"
CORE = ROOT / "loader" / "core"
ROW = re.compile(r"^\| (?!rule |---)(.+) \| (.+) \| `(\S+\.c)` `(\w+)` \| (.+) \|$")
ROWS = [match.groups() for line in PAGE.read_text(encoding="utf-8").splitlines() if (match := ROW.match(line))]
ELF_CLASSES = (67, 71, 73, 75, 77, 79, 81)  # statuses that depend on the file alone


def corpus_files() -> set[str]:
    return {case.file.removesuffix(".elf") for arch in ARCHS for case in corpus.cases(arch)}


def host_tests() -> set[str]:
    found = set()
    for path in (ROOT / "loader" / "test").glob("*_test.c"):
        names = re.findall(r"^static void (\w+)\(void\)", path.read_text(encoding="utf-8"), re.M)
        found |= {f"{path.stem.removesuffix('_test')}.{name}" for name in names}
    return found


@pytest.mark.requirement("R-01", "N-14")
def test_every_line_of_a_table_is_a_rule() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    headings = [line for line in lines if line.startswith(("| rule |", "| --- |"))]
    assert len(ROWS) == len(lines) - len(headings) > 50


@pytest.mark.requirement("R-01", "N-14")
@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_rule(row: tuple[str, ...]) -> None:
    """The function is in that file; corpus, images and host tests have what shows the rule."""
    _, _, file, function, shown = row
    assert re.search(rf"^[a-z].*\b{function}\(", (CORE / file).read_text(encoding="utf-8"), re.M)
    known = corpus_files() | set(images()) | host_tests()
    names = re.findall(r"`([^`]+)`", shown)
    assert names
    assert set(names) <= known


def body(file: str, function: str) -> str:
    """Return the text of a function and of the functions of that file that it calls."""
    text = (CORE / file).read_text(encoding="utf-8")
    parts: dict[str, str] = dict(re.findall(r"^[a-z][^\n;]*?\b(?!__)(\w+)\([^;{]*\)\n\{\n(.*?)^\}", text, re.M | re.S))
    return parts[function] + "".join(parts[name] for name in re.findall(r"\b(\w+)\(", parts[function]) if name in parts)


@pytest.mark.requirement("R-01", "N-14")
@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_shown_by_the_refusal_of_that_function(row: tuple[str, ...]) -> None:
    """A corpus file in a row is refused by a status of the row's function. test_corpus.py boots the files."""
    _, _, file, function, shown = row
    cases = [case for arch in ARCHS for case in corpus.cases(arch) if case.number and case.depends_on_file_only]
    rules = {case.rule for case in cases if f"`{case.file.removesuffix('.elf')}`" in shown}
    statuses_there = set(re.findall(r"\bSTATUS_(\w+)", body(file, function)))
    assert {rule.upper().replace("-", "_") for rule in rules} <= statuses_there


@pytest.mark.requirement("R-01", "N-14")
def test_no_refusal_is_left_out() -> None:
    """Each rule word by which a file alone is refused has a corpus file in the tables."""
    shown = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row[4])}
    cases = [case for arch in ARCHS for case in corpus.cases(arch) if case.file.removesuffix(".elf") in shown]
    words = {status.rule for status in statuses() if status.number in ELF_CLASSES}
    assert words - {case.rule for case in cases} == set()


@pytest.mark.requirement("R-01")
def test_refused_tables_are_listed() -> None:
    source = (CORE / "elf_dynamic.c").read_text(encoding="utf-8")
    tags = re.findall(r'\{ (?:0x[0-9a-f]+|\d+), \d+, "(DT_\w+)" \}', source)
    assert len(set(tags)) >= 6
    assert [tag for tag in set(tags) if f"`{tag}`" not in PAGE.read_text(encoding="utf-8")] == []
