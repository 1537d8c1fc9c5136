# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where things lie: in a checkout, or in an installed package.

An installed package has a directory `data` with what the commands need of a checkout, under the same names
(ci/wheel.sh). In a checkout the package itself is used, without that directory.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_DATA = _PACKAGE / "data"
IS_INSTALLED = _DATA.is_dir() and not os.environ.get("HERMIT_ROOT")
ROOT = _DATA if IS_INSTALLED else Path(os.environ.get("HERMIT_ROOT") or _PACKAGE.parents[1])


def _home() -> Path:
    """The user's home directory; a directory of the user in the temporary directory if the system does not know one."""
    home = Path(os.path.expanduser("~"))
    return home if home.is_absolute() else Path(tempfile.gettempdir()) / f"hermit-{os.getuid()}"


# What is fetched or takes long to build, for every checkout of this user.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or _home() / ".cache") / "hermit-harness"
# What commands write: copies of loaders, disk images, reports.
BUILD = CACHE / "work" if IS_INSTALLED else ROOT / "build"
REPORT = Path(os.path.abspath(os.environ.get("HERMIT_REPORT") or BUILD / "report"))
# What is built before a command runs: loaders and fixtures. A package brings it along.
BUILT = ROOT / "build"
FIXTURES = BUILT / "fixtures"
# What runs leave that belong neither to a checkout nor to a cargo project.
STATE = Path(os.environ.get("XDG_STATE_HOME") or _home() / ".local" / "state") / "hermit"
# Firmware of an installed package. A checkout has none.
PACKAGED_FIRMWARE = _DATA / "firmware"
# The table of targets that make and the harness read.
TARGETS_TABLE = ROOT / "loader" / "targets.mk"
GDBCMDS = ROOT / "harness" / "gdbcmds"


def loader_file(name: str = "x86_64-multiboot", profile: str = "release") -> Path:
    """The loader binary of one target, `build/<profile>/hermit-loader-<name>`; UEFI's end in .efi."""
    base = name.removesuffix("-uefi")
    return BUILT / profile / (f"hermit-loader-{base}" + (".efi" if base != name else ""))
