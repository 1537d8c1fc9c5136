# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where things lie in a checkout. The package is installed editable, so the checkout is found from this file."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(os.environ.get("HERMIT_ROOT") or Path(__file__).resolve().parents[2])
BUILD = ROOT / "build"
FIXTURES = BUILD / "fixtures"
REPORT = BUILD / "report"
# What is fetched or takes long to build, for every checkout of this user.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hermit-harness"
# The table of targets that make and the harness read.
TARGETS_TABLE = ROOT / "loader" / "targets.mk"
GDBCMDS = ROOT / "harness" / "gdbcmds"


def loader_file(name: str = "x86_64-multiboot", profile: str = "release") -> Path:
    """The loader binary of one target, `build/<profile>/hermit-loader-<name>`; UEFI's end in .efi."""
    base = name.removesuffix("-uefi")
    return BUILD / profile / (f"hermit-loader-{base}" + (".efi" if base != name else ""))
