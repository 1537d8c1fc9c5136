# SPDX-License-Identifier: Apache-2.0 OR MIT
"""python -m hermit_harness.mutants [NAME...]: each sabotage turns its named cell red, and without it the cell is green.

A mutant is a patch of loader/, or of harness/hermit_harness/. It is built in build/mutants/NAME, a tree of links around
a patched copy of that, and the cell (or the test) that mutants.toml names for it runs there, by the same pytest as
ever.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from hermit_harness.matrix.prerequisites import PREPARED, BuildError, make
from hermit_harness.matrix.probe import VARIABLE
from hermit_harness.matrix.table import HARNESS, matrix
from hermit_harness.paths import BUILD, ROOT

FOLDER = HARNESS / "mutants"
SHADOWS = BUILD / "mutants"
RED, GREEN = 1, 0
NOT_THE_GUEST = ("infra:", "harness-bug:")  # red for a reason that has nothing to do with the loader


@dataclass(frozen=True)
class Mutant:
    """One sabotage. Exactly one of `cell` (an id) and `test` (a test below tests/) says what must turn red; the target
    is the cell's, a test's stands in `target`."""

    name: str
    what: str
    cell: str = ""
    test: str = ""
    target: str = "x86_64-multiboot"

    @property
    def patch(self) -> Path:
        return FOLDER / f"{self.name}.patch"

    @property
    def of_loader(self) -> bool:
        return "+++ b/loader/" in self.patch.read_text(encoding="utf-8")

    @property
    def check(self) -> str:
        return self.cell or self.test

    @property
    def pytest(self) -> list[str]:
        tests = ROOT / "harness" / "tests"
        return [str(tests / "boot"), "--cell", self.cell] if self.cell else [str(tests / self.test)]


def mutants() -> list[Mutant]:
    """All of mutants.toml; ValueError where it and the patches beside it do not agree."""
    data = tomllib.loads((FOLDER / "mutants.toml").read_text(encoding="utf-8"))
    found = [Mutant(**entry) for entry in data["mutant"]]
    for mutant in found:
        if bool(mutant.cell) == bool(mutant.test):
            raise ValueError(f"mutant {mutant.name}: one of cell and test is wanted")
    files = {path.stem for path in FOLDER.glob("*.patch")}
    names = {mutant.name for mutant in found}
    if files != names or len(names) != len(found):
        raise ValueError(f"patches and mutants.toml differ: {', '.join(sorted(files ^ names))}")
    return found


def shadow(name: str, patch: Path | None, of_loader: bool) -> Path:
    """A tree in which only what is patched (loader/ without a patch) and what is built of the loader are its own."""
    tree = SHADOWS / name
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "build").mkdir(parents=True)
    own = "loader" if of_loader else "harness"
    shutil.copytree(ROOT / own, tree / own, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    links = ("README.md", "loader", "harness", "netsetup", "fixtures", "build/fixtures", "build/venv", "build/release")
    for link in links:
        if link != own and not (of_loader and link == "build/release"):
            (tree / link).symlink_to(ROOT / link)
    if patch is not None:
        done = subprocess.run(
            ["patch", "-s", "-p1", "-i", str(patch)], cwd=tree, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BuildError(f"{patch.name} does not apply: {done.stdout.strip()}")
    return tree


def build(tree: Path, mutant: Mutant) -> None:
    """The release loader of the tree, and a padded one where the cell asks for it. Another patch's tree has ours."""
    if (tree / "build" / "release").is_symlink():
        return
    name = mutant.cell.split("/")[0] or mutant.target
    common = ("-f", "loader/loader.mk", "PROFILE=release", f"TARGET={name}")
    make(*common, "all", cwd=tree)
    for name, size in matrix().pads.items():
        if mutant.cell.endswith(f"/pad{name}"):
            make(*common, f"O=build/pad{name}", f"LOADER_PAD={size}", "all", cwd=tree)


def run(tree: Path, mutant: Mutant) -> tuple[int, str]:
    """pytest's exit status in that tree, and the line that tells what failed."""
    env = {**os.environ, "HERMIT_ROOT": str(tree), PREPARED: "1", VARIABLE: "[]", "PYTHONPATH": str(tree / "harness")}
    command = [sys.executable, "-m", "pytest", "-q", *mutant.pytest]
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    told = next((line for line in lines if line.startswith("FAILED")), lines[-1] if lines else "")
    return done.returncode, told


def try_one(mutant: Mutant, sabotaged: bool) -> tuple[str, str]:
    """What is wrong about this mutant (or about the cell without it), empty when all is as it should be; what pytest
    said.
    """
    name = mutant.name if sabotaged else "none"
    try:
        tree = SHADOWS / name
        if sabotaged or not tree.is_dir():
            tree = shadow(name, *((mutant.patch, mutant.of_loader) if sabotaged else (None, True)))
        build(tree, mutant)
    except BuildError as error:
        return str(error), ""
    status, told = run(tree, mutant)
    wanted = RED if sabotaged else GREEN
    if status == wanted and not any(word in told for word in NOT_THE_GUEST):
        return "", told
    return f"pytest ended with {status}, {wanted} is wanted: {told}", told


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hermit_harness.mutants", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these")
    wanted = parser.parse_args().names
    chosen = [mutant for mutant in mutants() if not wanted or mutant.name in wanted]
    shutil.rmtree(SHADOWS / "none", ignore_errors=True)
    faults = 0
    for check in {mutant.check: mutant for mutant in chosen}.values():
        fault, _ = try_one(check, sabotaged=False)
        faults += bool(fault)
        print(f"{'FAULT' if fault else 'green'}  without  {check.check}" + (f": {fault}" if fault else ""), flush=True)
    for mutant in chosen:
        started = time.monotonic()
        fault, told = try_one(mutant, sabotaged=True)
        faults += bool(fault)
        took = f"{time.monotonic() - started:.0f} s"
        print(f"{'FAULT' if fault else 'red  '}  {mutant.name}: {mutant.what}  ->  {mutant.check} ({took})", flush=True)
        print(f"       {fault or told}", flush=True)
    print(f"{len(chosen)} mutants, {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
