# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl cache: what is in this user's cache, and its removal."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermit_harness import paths
from hermit_harness.gdb.running import running_guests

DAYS = 30
SECONDS_OF_A_DAY = 86400
BLOCK = 512  # unit of st_blocks, in bytes
DESCRIPTION = f"""\
Show or prune the user's cache, which all checkouts and installations share.

  hermitctl cache                what there is, its size, and what prune frees
  hermitctl cache prune          remove what was not used for {DAYS} days and is
                                 no part of a checkout
  hermitctl cache prune --all    remove everything, and the reports of runs

What is removed is built or downloaded again when it is needed.
Exit status: 0; 125 if a build or a guest uses the cache."""

# Pattern below the cache, and what it is. The first match counts.
KINDS = (
    ("real/*", "applications with real kernels"),
    ("old/*", "applications with kernels of 2019 to 2021"),
    ("toolchain-*/", "Rust toolchains"),
    ("virtiofsd-*", "virtiofsd"),
    ("opensbi-*", "firmware for RISC-V"),
    ("bytecode", "Python bytecode"),
    ("work", "disks and loaders of runs"),
    ("*", "other files"),
)
REPORTS = "reports of runs"
LOCKS = "*.lock"


@dataclass(frozen=True)
class Entry:
    """A file or directory of the cache. Sizes in bytes; `used` is in seconds since 1970.

    `frees` is the part of `size` that no hard link from a checkout keeps.
    """

    path: str
    kind: str
    size: int
    frees: int
    used: float

    def is_unused(self, days: float) -> bool:
        """Whether prune removes it: no file of it is in a checkout, and none was read or written for that time."""
        return self.frees == self.size and time.time() - self.used >= days * SECONDS_OF_A_DAY


def _files(path: Path) -> Iterator[os.stat_result]:
    """Yield the status of each file."""
    if path.is_symlink() or not path.is_dir():
        yield path.lstat()
        return
    for directory, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                yield os.lstat(f"{directory}/{name}")


def measure(path: Path, kind: str) -> Entry:
    """Return size and last use of a file or directory."""
    size = frees = 0
    used = path.lstat().st_mtime
    for status in _files(path):
        size += status.st_blocks * BLOCK
        frees += status.st_blocks * BLOCK if status.st_nlink == 1 or not stat.S_ISREG(status.st_mode) else 0
        used = max(used, status.st_mtime, status.st_atime)
    return Entry(str(path), kind, size, frees, used)


def entries() -> list[Entry]:
    """Return what is in the cache, and the reports of runs."""
    found: dict[Path, str] = {}
    for pattern, kind in KINDS:
        parents = {path.parent for path in found}
        for path in sorted(paths.CACHE.glob(pattern)):
            if not path.match(LOCKS) and path not in parents:
                found.setdefault(path, kind)
    if paths.STATE.is_dir():
        found[paths.STATE] = REPORTS
    return [measure(path, kind) for path, kind in found.items()]


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("cache", help="show or prune the cache", description=DESCRIPTION)
    parser.add_argument("what", nargs="?", default="show", choices=("show", "prune"))
    parser.add_argument("--days", type=float, default=DAYS, metavar="N", help=f"days without use (default: {DAYS})")
    parser.add_argument("--all", action="store_true", help="prune: remove everything, and the reports of runs")
    parser.add_argument("--json", action="store_true", help="show: print JSON")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Show or prune."""
    if arguments.what == "prune":
        return prune(arguments.days, arguments.all)
    found = entries()
    if arguments.json:
        print(json.dumps([asdict(entry) for entry in found], indent=2))
        return 0
    print(f"{paths.CACHE}, and {REPORTS} in {paths.STATE}:")
    print(f"  {'':42} {'entries':>7} {'MB':>7} {'prune frees MB':>15}")
    for kind in dict.fromkeys(entry.kind for entry in found):
        of_kind = [entry for entry in found if entry.kind == kind]
        unused = [entry for entry in of_kind if kind != REPORTS and entry.is_unused(arguments.days)]
        sizes = (_megabytes(entry.size for entry in of_kind), _megabytes(entry.frees for entry in unused))
        print(f"  {kind:42} {len(of_kind):7} {sizes[0]:>7} {sizes[1]:>15}")
    print(f"  {'together':42} {len(found):7} {_megabytes(entry.size for entry in found):>7}")
    return 0


def _megabytes(sizes: Any) -> str:
    return f"{sum(sizes) / 1e6:.0f}"


def prune(days: float, everything: bool) -> int:
    """Remove what is unused, or everything. ValueError if a build or a guest uses the cache."""
    sys.dont_write_bytecode = True
    if everything and any(running_guests()):
        raise ValueError("guests run and use the cache; `hermitctl ps` shows them")
    with ExitStack() as locks:
        for lock in paths.CACHE.glob(LOCKS):
            file = locks.enter_context(lock.open("a", encoding="utf-8"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"a build uses the cache: {lock} is locked") from None
        chosen = [entry for entry in entries() if everything or (entry.kind != REPORTS and entry.is_unused(days))]
        for entry in chosen:
            _remove(Path(entry.path))
        if everything:
            shutil.rmtree(paths.CACHE, ignore_errors=True)
    print(f"removed {len(chosen)} entries, {_megabytes(entry.frees for entry in chosen)} MB")
    return 0


def _remove(path: Path) -> None:
    """Remove a file or directory. The new name hides it from builds that start meanwhile."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}")
    path.rename(hidden)
    if hidden.is_dir() and not hidden.is_symlink():
        shutil.rmtree(hidden)
    else:
        hidden.unlink()
