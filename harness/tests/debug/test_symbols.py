# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Symbols of another build are not used, and missing ones cost only what they describe: `run` and `debug` alike."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness import elf
from hermit_harness.matrix.prerequisites import make
from hermit_harness.paths import ROOT

# A store to an address that is not mapped, in a function with a caller.
SOURCE = """
#include "crt.h"
{before}
__attribute__((noipa)) static void store(volatile int *at) { *at = 1; }
int app_main(void) { store((volatile int *){address}); return 0; }
"""
SPLIT = "flags.x86_64=-mgeneral-regs-only -fcf-protection=none -mno-red-zone -gsplit-dwarf"


def build(directory: Path, *variables: str, before: str = "", address: str = "0x400000000000") -> Path:
    """Build the application with `before` in front of its first function, which stores to `address`."""
    directory.mkdir(exist_ok=True)
    (directory / "crash.c").write_text(SOURCE.replace("{before}", before).replace("{address}", address))
    make("-f", "fixtures/fixtures.mk", "app", f"SRC={directory}", "ARCH=x86_64", *variables)
    return directory / "app"


def hermitctl(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "hermit_harness", words[0], "--isolate", *words[1:]]
    return subprocess.run(
        [str(word) for word in argv], env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize("own_lines", [True, False], ids=["own-symbols", "stripped"])
def test_symbols_of_another_build(environment: dict[str, str], own_lines: bool, tmp_path: Path) -> None:
    """A stale APP.debug is not used by `run` either, whose report has the line of the application itself."""
    app = build(tmp_path / "now")
    stale = build(tmp_path / "before", before="\n" * 30, address="0x410000000000")
    shutil.copy(stale, f"{app}.debug")
    if not own_lines:
        app.write_bytes(elf.hide_sections(app.read_bytes(), lambda name: name.startswith(".debug_")))
    for words in (("run", app), ("debug", "--batch", "--break", "store", app)):
        done = hermitctl(environment, *words)
        text = done.stdout + done.stderr
        assert "crash.c:34" not in text
        assert ("crash.c:4" in text) == own_lines, text
        assert ("another build and is left aside: its code is different" in text) != own_lines, text
    report = hermitctl(environment, "run", app).stderr
    assert re.search(r"triple fault at 0x\w+ in store\b.*: page fault, it writes to 0x400000000000", report), report


@pytest.mark.parametrize("dwarf", [" -gdwarf-5", " -gdwarf-4"], ids=str.strip)
def test_split_dwarf(environment: dict[str, str], dwarf: str, tmp_path: Path) -> None:
    """With its .dwo files split DWARF has lines; without them functions, backtraces and breakpoints remain."""
    app = build(tmp_path / "split", SPLIT + dwarf)
    backtrace = ("debug", "--batch", "--break", "store", "--command", "bt", app)
    done = hermitctl(environment, *backtrace)
    assert re.search(r"#0 +store \(.*crash\.c:4\n#1 .*app_main \(.*crash\.c:5", done.stdout), done.stderr
    shutil.rmtree(app.parent / "obj")
    done = hermitctl(environment, *backtrace)
    assert done.returncode == 0, done.stderr
    assert re.search(r"#0 .*store \(.*\n#1 .*app_main \(", done.stdout), done.stdout
    assert re.search(r"hermitctl: \S*crash\.dwo is missing, which has the line tables of ", done.stderr), done.stderr
    report = hermitctl(environment, "run", app).stderr
    assert re.search(r"triple fault at 0x\w+ in store: page fault, it writes to 0x400000000000", report), report
    assert re.search(r"#0 0x\w+ store\n +#1 0x\w+ app_main\n", report), report
    assert "crash.dwo is missing" in report
