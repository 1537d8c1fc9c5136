# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The recipe for an era in CONTRIBUTING.md works: followed in a copy of the tree, the new era boots its fixture."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hermit_harness.matrix import corpus
from hermit_harness.paths import BUILD, ROOT, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from lint import recipes

Boot = Callable[[RunSpec], Outcome]
ERA = "loader/core/era/e9.c"
# The edits of the recipe that code needs: file, text that occurs once, its replacement.
EDITS = (
    (ERA, '.name = "e3"', '.name = "e9"'),
    (ERA, ".entry_version = 3", ".entry_version = 9"),
    (ERA, "const struct era era_e3", "const struct era era_e9"),
    ("loader/core/era/era.h", "\tX(e4)\n", "\tX(e4) \\\n\tX(e9)\n"),
    ("loader/core/era/era.h", "1 to 4 (aarch64_be", "1 to 4 and 9 (aarch64_be"),
    (
        "fixtures/corpus/cases.c",
        "\n\t// --- nothing to boot ---\n",
        '\t{ .rule = "good", .name = "good-entry-version-9", .patches = { P8(NOTE_AT + 20, 9) } },\n'
        "\n\t// --- nothing to boot ---\n",
    ),
)


def make(tree: Path, *words: str) -> None:
    done = subprocess.run(["make", "-s", *words], cwd=tree, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]


def copy_with_era(tree: Path) -> None:
    """Copy what is built, and follow the recipe there."""
    for part in ("loader", "fixtures"):
        shutil.copytree(ROOT / part, tree / part)
    shutil.copy(ROOT / "VERSION", tree)
    shutil.copy(tree / "loader/core/era/e3.c", tree / ERA)
    for file, old, new in EDITS:
        text = (tree / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, (file, old)
        (tree / file).write_text(text.replace(old, new), encoding="utf-8")


def test_new_era_and_its_fixture(tmp_path: Path, boot_here: Boot) -> None:
    """The fixture boots with the new loader and is refused by the present one. No other file is touched."""
    recipe = recipes.read((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))["an era"]
    assert {file.replace("e9.c", "<era>.c") for file, _, _ in EDITS} <= set(recipe)
    copy_with_era(tmp_path)
    make(tmp_path, "-f", "loader/loader.mk", "TARGET=x86_64-multiboot", "PROFILE=release", "all")
    make(tmp_path, "-f", "fixtures/fixtures.mk", "ARCH=x86_64", "corpus")
    made = tmp_path / "build/fixtures/corpus/x86_64"
    (case,) = (
        case
        for case in corpus.parse((made / "index.tsv").read_text(encoding="utf-8"))
        if case.file == "0-good-entry-version-9.elf"
    )
    spec = replace(corpus.spec(case), app=made / case.file)
    loader = tmp_path / "build" / loader_file("x86_64-multiboot").relative_to(BUILD)
    outcome = boot_here(replace(spec, loader=loader, loader_debug=None))
    assert outcome.matches("exit 0"), str(outcome)
    refused = boot_here(replace(spec, expect="refused 81 era-unsupported"))
    assert refused.matches("refused 81 era-unsupported"), str(refused)
