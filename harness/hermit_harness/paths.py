# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where things lie in a checkout. The package is installed editable, so the checkout is found from this file."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

ROOT = Path(os.environ.get("HERMIT_ROOT") or Path(__file__).resolve().parents[2])
BUILD = ROOT / "build"
FIXTURES = BUILD / "fixtures"
REPORT = BUILD / "report"


def _home() -> Path:
    """The user's home folder; a folder of the user in the temporary folder if the system does not know one."""
    home = Path(os.path.expanduser("~"))
    return home if home.is_absolute() else Path(tempfile.gettempdir()) / f"hermit-{os.getuid()}"


# What is fetched or takes long to build, for every checkout of this user.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "hermit-harness"
# What runs leave that belong neither to a checkout nor to a cargo project.
STATE = Path(os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state") / "hermit"
# Firmware of an installed package. A checkout has none.
PACKAGED_FIRMWARE = Path(__file__).resolve().parent / "firmware"
# The table of targets that make and the harness read.
TARGETS_TABLE = ROOT / "loader" / "targets.mk"
GDBCMDS = ROOT / "harness" / "gdbcmds"


def loader_file(name: str = "x86_64-multiboot", profile: str = "release") -> Path:
    """The loader binary of one target, `build/<profile>/hermit-loader-<name>`; UEFI's end in .efi."""
    base = name.removesuffix("-uefi")
    return BUILD / profile / (f"hermit-loader-{base}" + (".efi" if base != name else ""))
