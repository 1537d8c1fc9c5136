# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Read harness/mutants.toml: each mutation as a text replacement in one file, with the check that must detect it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from hermit_harness.matrix.table import HARNESS

MUTABLE = ("loader/", "harness/hermit_harness/", "netsetup/", "ci/", "Makefile")


@dataclass(frozen=True)
class Mutation:
    """One deliberate defect.

    Exactly one of `cell` (an id) and `test` (relative to harness/tests) names the check that must fail. The loader is
    built for the cell's target, or for `target` if the check is a test, in `profile`.
    """

    name: str
    description: str
    file: str
    old: str
    new: str
    cell: str = ""
    test: str = ""
    target: str = "x86_64-multiboot"
    profile: str = "release"

    @property
    def directory(self) -> str:
        """Return the top-level directory of the mutated file."""
        return self.file.partition("/")[0]

    @property
    def of_loader(self) -> bool:
        return self.directory == "loader"

    @property
    def check(self) -> str:
        return self.cell or self.test

    def apply(self, tree: Path) -> None:
        """Replace the text in the file below `tree`.

        Raises ValueError if the text does not occur exactly once, and OSError if there is no such file.
        """
        path = tree / self.file
        text = path.read_text(encoding="utf-8")
        count = text.count(self.old)
        if count != 1:
            raise ValueError(f"mutation {self.name}: {self.file} contains the text {count} times instead of once")
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")


def parse(text: str) -> list[Mutation]:
    """Read mutations from TOML text. Raises ValueError if an entry is inconsistent."""
    found = [Mutation(**entry) for entry in tomllib.loads(text)["mutant"]]
    names = [mutation.name for mutation in found]
    for mutation in found:
        problem = _problem(mutation)
        if not problem and names.count(mutation.name) > 1:
            problem = "the name occurs twice"
        if problem:
            raise ValueError(f"mutation {mutation.name}: {problem}")
    return found


def _problem(mutation: Mutation) -> str:
    """Return why an entry is inconsistent, or an empty string."""
    if bool(mutation.cell) == bool(mutation.test):
        return "exactly one of cell and test is required"
    if not mutation.file.startswith(MUTABLE):
        return f"the file must be in {' or '.join(MUTABLE)}"
    if not mutation.old or mutation.old == mutation.new:
        return "old must be a text that differs from new"
    return ""


def mutations() -> list[Mutation]:
    """Return all entries of mutants.toml."""
    return parse((HARNESS / "mutants.toml").read_text(encoding="utf-8"))
