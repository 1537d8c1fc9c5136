# SPDX-License-Identifier: Apache-2.0 OR MIT
"""python -m hermit_harness.mutants [NAME...]: apply each mutation to a copy, and expect that its check fails.

Each check runs once without a mutation, when it must pass, and once per mutation. A copy is a tree in
build/mutants/NAME. It contains its own copy of the mutated directory and links to everything else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from hermit_harness.matrix.prerequisites import PREPARED, BuildError, make
from hermit_harness.matrix.probe import VARIABLE
from hermit_harness.matrix.table import matrix
from hermit_harness.mutants.table import Mutation, mutations
from hermit_harness.paths import BUILD, ROOT

TREES = BUILD / "mutants"
PASSED, FAILED = 0, 1  # pytest's exit status
NOT_THE_GUEST = ("infra:", "harness-bug:")  # verdicts that say nothing about the loader
APART = ("build", "target", ".git")  # what a copy does not share with ROOT
BUILT = ("fixtures", "venv", "venv-page", "release")  # what it shares of build/ nevertheless


def copied_tree(name: str, mutation: Mutation | None) -> Path:
    """Make the tree of a mutation, or of the unchanged loader. Raises BuildError if the mutation does not apply."""
    tree = TREES / name
    shutil.rmtree(tree, ignore_errors=True)
    (tree / "build").mkdir(parents=True)
    of_loader = mutation is None or mutation.of_loader
    own = "loader" if mutation is None else mutation.directory
    if (ROOT / own).is_dir():
        shutil.copytree(ROOT / own, tree / own, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    else:
        shutil.copy(ROOT / own, tree / own)
    shared = [path.name for path in ROOT.iterdir() if path.name not in (own, *APART)]
    shared += [f"build/{name}" for name in BUILT if not (of_loader and name == "release")]
    for name in shared:
        (tree / name).symlink_to(ROOT / name)
    if mutation is not None:
        try:
            mutation.apply(tree)
        except (OSError, ValueError) as error:
            raise BuildError(str(error)) from error
    return tree


def build(tree: Path, mutation: Mutation) -> None:
    """Build the tree's loader, padded if the cell requires it. Other mutations use ROOT's loader."""
    if (tree / "build" / "release").is_symlink():
        return
    target = mutation.cell.split("/")[0] or mutation.target
    common = ("-f", "loader/loader.mk", f"PROFILE={mutation.profile}", f"TARGET={target}")
    make(*common, "all", cwd=tree)
    for name, size in matrix().pads.items():
        if mutation.cell.endswith(f"/pad{name}"):
            make(*common, f"O=build/pad{name}", f"LOADER_PAD={size}", "all", cwd=tree)


def run(tree: Path, mutation: Mutation) -> tuple[int, str]:
    """Run the check in that tree. Return pytest's exit status and the line that names the failure."""
    tests = ROOT / "harness" / "tests"
    selection = [str(tests / "boot"), "--cell", mutation.cell] if mutation.cell else [str(tests / mutation.test)]
    lane = mutation.test.split("/")[0]  # a test of a lane is skipped elsewhere
    env = {
        **os.environ,
        "HERMIT_LANE": lane,
        "HERMIT_ROOT": str(tree),
        PREPARED: "1",
        VARIABLE: "[]",
        "PYTHONPATH": str(tree / "harness"),
    }
    command = [sys.executable, "-m", "pytest", "-q", "--once", *selection]
    done = subprocess.run(command, cwd=tree, env=env, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    line = next((line for line in lines if line.startswith("FAILED")), lines[-1] if lines else "")
    return done.returncode, line


def attempt(mutation: Mutation, mutated: bool) -> tuple[str, str]:
    """Run a mutation's check with or without the mutation.

    Return what is wrong, or an empty string if the check failed or passed as it must, and pytest's last words.
    """
    name = mutation.name if mutated else "none"
    try:
        tree = TREES / name
        if mutated or not tree.is_dir():
            tree = copied_tree(name, mutation if mutated else None)
        build(tree, mutation)
    except BuildError as error:
        return str(error), ""
    status, line = run(tree, mutation)
    expected = FAILED if mutated else PASSED
    if status == expected and not any(word in line for word in NOT_THE_GUEST):
        return "", line
    return f"pytest exited with {status} instead of {expected}: {line}", line


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hermit_harness.mutants", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--build-only", action="store_true", help="apply and build each mutation, and run no check")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these mutations")
    arguments = parser.parse_args()
    wanted = arguments.names
    known = mutations()
    unknown = sorted(set(wanted) - {mutation.name for mutation in known})
    if unknown:
        parser.error(f"no mutation is named {', '.join(unknown)}")
    chosen = [mutation for mutation in known if not wanted or mutation.name in wanted]
    faults = build_all(chosen) if arguments.build_only else run_all(chosen)
    print(f"{len(chosen)} mutations, {faults} faults")
    return 1 if faults else 0


def build_all(chosen: list[Mutation]) -> int:
    """Apply and build each mutation. Print and count those that do not build."""
    faults = 0
    for mutation in chosen:
        try:
            build(copied_tree(mutation.name, mutation), mutation)
        except BuildError as error:
            faults += 1
            print(f"FAULT  {mutation.name}: {error}", flush=True)
        else:
            print(f"built  {mutation.name}", flush=True)
    return faults


def run_all(chosen: list[Mutation]) -> int:
    """Run each check without and with its mutations. Print all results, and count the unexpected ones."""
    shutil.rmtree(TREES / "none", ignore_errors=True)
    faults = 0
    for check in {mutation.check: mutation for mutation in chosen}.values():
        fault, _ = attempt(check, mutated=False)
        faults += bool(fault)
        print(
            f"{'FAULT' if fault else 'green'}  unmutated  {check.check}" + (f": {fault}" if fault else ""), flush=True
        )
    for mutation in chosen:
        started = time.monotonic()
        fault, line = attempt(mutation, mutated=True)
        faults += bool(fault)
        took = f"{time.monotonic() - started:.0f} s"
        print(f"{'FAULT' if fault else 'red  '}  {mutation.name}: {mutation.description}  {mutation.check} ({took})")
        print(f"       {fault or line}", flush=True)
    return faults


if __name__ == "__main__":
    sys.exit(main())
