# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of mutations: each applies to the tree and names a check that exists. `make mutants` runs them."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import expand, probe
from hermit_harness.mutants.table import Mutation, mutations, parse
from hermit_harness.paths import ROOT

GOOD = """
[[mutant]]
name = "one"
description = "A defect."
cell = "a/b"
file = "loader/x.c"
old = "1"
new = "2"
"""


def test_there_are_enough_mutations() -> None:
    assert len(mutations()) >= 50


def test_each_cell_is_in_the_matrix() -> None:
    planned = {cell.id for cell in expand.expand_for_host(probe.Probe()).cells()}
    assert [mutation.cell for mutation in mutations() if mutation.cell and mutation.cell not in planned] == []


@pytest.mark.parametrize("mutation", [each for each in mutations() if each.test], ids=lambda each: each.name)
def test_each_test_is_defined(mutation: Mutation) -> None:
    file, _, function = mutation.test.partition("::")
    tree = ast.parse((ROOT / "harness" / "tests" / file).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert function.partition("[")[0] in names


@pytest.mark.parametrize("mutation", mutations(), ids=lambda each: each.name)
def test_old_text_occurs_once_and_is_small(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text(encoding="utf-8").count(mutation.old) == 1
    assert max(mutation.old.count("\n"), mutation.new.count("\n")) <= 1


@pytest.mark.parametrize("text", ["", "1 1"], ids=["absent", "twice"])
def test_ambiguous_text_is_not_replaced(tmp_path: Path, text: str) -> None:
    (mutation,) = parse(GOOD)
    file = tmp_path / mutation.file
    file.parent.mkdir()
    file.write_text(text)
    with pytest.raises(ValueError, match="instead of once"):
        mutation.apply(tmp_path)
    assert file.read_text() == text


def test_mutation_replaces_the_text(tmp_path: Path) -> None:
    (mutation,) = parse(GOOD)
    file = tmp_path / mutation.file
    file.parent.mkdir()
    file.write_text("a1b")
    replace(mutation, new="").apply(tmp_path)
    assert file.read_text() == "ab"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (GOOD + 'test = "x.py::test_x"', "exactly one of cell and test"),
        (GOOD.replace('cell = "a/b"', ""), "exactly one of cell and test"),
        (GOOD.replace("loader/", "docs/"), "the file must be in"),
        (GOOD.replace('"2"', '"1"'), "differs from new"),
        (GOOD + GOOD, "occurs twice"),
    ],
    ids=["two-checks", "no-check", "file", "no-change", "name"],
)
def test_inconsistent_entry_is_refused(entry: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse(entry)
