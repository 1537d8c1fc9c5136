# SPDX-License-Identifier: Apache-2.0 OR MIT
"""VERSION is the only place that states the version: the loader, the Python package and hermitctl read it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from setuptools.config.pyprojecttoml import read_configuration

from hermit_harness.paths import ROOT

VERSION = (ROOT / "VERSION").read_text(encoding="utf-8").strip()


def test_form() -> None:
    """Three numbers, and a section of the change log for them."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", VERSION)
    assert f"## [{VERSION}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_loader(tmp_path: Path) -> None:
    """The loader's generated header has it."""
    header = tmp_path / "gen/release/version.h"
    words = ("make", "-s", "-f", "loader/loader.mk", "PROFILE=release", f"O={tmp_path}", str(header))
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    assert f'#define LOADER_VERSION "{VERSION}"\n' in header.read_text(encoding="utf-8")


def test_package() -> None:
    """So do the package's metadata."""
    assert read_configuration(ROOT / "harness/pyproject.toml")["project"]["version"] == VERSION


def test_hermitctl() -> None:
    """`hermitctl --version` prints it."""
    words = (sys.executable, "-m", "hermit_harness", "--version")
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout == f"hermitctl {VERSION}\n"
