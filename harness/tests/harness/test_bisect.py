# SPDX-License-Identifier: Apache-2.0 OR MIT
"""ci/bisect.sh finds the commit that breaks a cell."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from elftools.elf.elffile import ELFFile

from hermit_harness.paths import loader_file
from tests.support.cli import checkout

CELL = "x86_64-multiboot/pc/tcg/real-hello-0.11.0"
UD2 = b"\x0f\x0b"  # without an interrupt table the CPU resets


def git(tree: Path, *words: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x", "-c", "core.hooksPath=/dev/null")
    done = subprocess.run(["git", "-C", tree, *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def broken_loader() -> bytes:
    """Return a loader that crashes at its first instruction."""
    with loader_file().open("rb") as file:
        elf = ELFFile(file)
        (entry,) = elf.address_offsets(elf.header.e_entry)
    data = bytearray(loader_file().read_bytes())
    data[entry : entry + len(UD2)] = UD2
    return bytes(data)


def test_first_bad_commit(tmp_path: Path) -> None:
    """Of five commits the third does not build and the last one breaks the cell. The checkout does not change."""
    source, root = tmp_path / "source", tmp_path / "root"
    source.mkdir()
    git(source, "init", "-q", "-b", "main")
    builds = ["true", "true #", "false", "true ##", "true ###"]
    for number, build in enumerate(builds):
        (source / "build.sh").write_text(f"{build}\n")
        (source / "loader").write_bytes(broken_loader() if number == 4 else loader_file().read_bytes())
        git(source, "add", ".")
        git(source, "commit", "-q", "-m", f"commit {number}")
    head = git(source, "rev-parse", "HEAD")
    checkout(root)
    words = [str(root / "ci" / "bisect.sh"), "main~4", "main", CELL, str(source), "sh build.sh", "loader"]
    here = os.environ | {"HERMIT_PREPARED": "1"}
    done = subprocess.run(words, env=here, capture_output=True, text=True, check=False, timeout=120)
    assert f"{head} is the first bad commit" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0
    assert git(source, "worktree", "list").count("\n") == 0
    assert git(source, "rev-parse", "--abbrev-ref", "HEAD") == "main"
