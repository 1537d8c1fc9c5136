# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The one file that repeats a boot on another machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from hermit_harness.paths import ROOT

CELL = "x86_64-multiboot/microvm/tcg/exit"
PROGRAMS = "sh mktemp rm sed base64 tar gzip timeout cat grep qemu-system-x86_64"


def test_boot_is_repeated(tmp_path: Path) -> None:
    """It needs few programs and no other file. It fails if the boot ends otherwise than it did."""
    argv = [sys.executable, "-m", "hermit_harness.report.standalone", CELL]
    made = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    file = Path(shutil.move(made.stdout.strip(), tmp_path / "report.sh"))
    (tmp_path / "bin").mkdir()
    for program in PROGRAMS.split():
        (tmp_path / "bin" / program).symlink_to(str(shutil.which(program)))
    env = {"PATH": str(tmp_path / "bin"), "TMPDIR": str(tmp_path)}

    def ends() -> tuple[int, str]:
        done = subprocess.run([file], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
        return done.returncode, done.stdout

    status, said = ends()
    assert status == 0 and "exit status 42\n" in said and said.endswith("ended as there\n"), said
    file.write_text(file.read_text().replace("-- 42'", "-- 43'"))
    status, said = ends()
    assert status == 1 and "exit status 43\n" in said and said.endswith("ended otherwise\n"), said
    assert {path.name for path in tmp_path.iterdir()} == {"report.sh", "bin"}, "its directory is removed"
