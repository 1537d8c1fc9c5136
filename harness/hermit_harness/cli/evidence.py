# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Where `hermitctl run` keeps what a run leaves: one directory per run, the newest ones, and a link to the last one."""

from __future__ import annotations

import datetime
import fcntl
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from hermit_harness.paths import IS_INSTALLED, REPORT, STATE
from hermit_harness.vm.filenames import user_temp_directory

KEPT = 20  # runs in one place
LATEST = "latest"
LOCK = ".lock"  # in the directory of a run, locked while the run lasts
RUN_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-.+")


def place_for(app: Path, of_the_tree: bool) -> Path:
    """Return where the runs of an application are kept: in the checkout, its cargo project, or the user's directory."""
    if of_the_tree and not IS_INSTALLED:
        return REPORT / "runs"
    for directory in app.resolve().parents:
        # TARGET_DIR/TRIPLE/PROFILE/NAME; cargo writes the other file into a target directory
        if directory.name.endswith("-unknown-hermit") or (directory.parent / ".rustc_info.json").is_file():
            return directory.parent / "hermit" / "runs"
    with suppress(OSError):  # the current directory may have been removed
        here = Path.cwd()
        for directory in (here, *here.parents):
            if (directory / "Cargo.lock").is_file():  # a workspace has one, beside its target directory
                return directory / (os.environ.get("CARGO_TARGET_DIR") or "target") / "hermit" / "runs"
    return STATE / "runs"


def _lock(directory: Path) -> int:
    """Return a descriptor that locks the directory until it is closed. Raise OSError if another run has it."""
    lock = os.open(directory / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise BlockingIOError(0, "another run writes there") from None
    except OSError:
        os.close(lock)
        raise
    return lock


def _prune(place: Path) -> None:
    """Remove the oldest runs beyond KEPT. The directory of a run that lasts is locked and stays."""
    runs = sorted(path for path in place.iterdir() if RUN_NAME.fullmatch(path.name) and not path.is_symlink())
    for directory in runs[:-KEPT]:
        with suppress(OSError):
            lock = _lock(directory)
            try:
                shutil.rmtree(directory)
            finally:
                os.close(lock)


def _link_latest(directory: Path) -> None:
    """Let the link name this run. A name that is no link is the user's."""
    link = directory.with_name(LATEST)
    if link.is_symlink() or not link.exists():
        fresh = directory.with_name(f".{LATEST}.{os.getpid()}")
        fresh.symlink_to(directory.name)
        fresh.replace(link)


def _new_run(place: Path, name: str) -> tuple[Path, int]:
    """Create the directory of a run and return it with its lock. Raise OSError if the place cannot be written."""
    place.mkdir(parents=True, exist_ok=True)
    short = re.sub(r"[^\w.+-]", "_", name, flags=re.ASCII)[:60]
    directory = place / f"{datetime.datetime.now(datetime.UTC):%Y%m%dT%H%M%S.%f}Z-{short}"
    directory.mkdir()
    lock = _lock(directory)
    with suppress(OSError):
        _link_latest(directory)
        _prune(place)
    return directory, lock


def _asked_for(asked: str) -> tuple[Path, int]:
    directory = Path(asked).absolute()
    directory.mkdir(parents=True, exist_ok=True)
    return directory, _lock(directory)


def _attempts(asked: str, place: Path, name: str) -> Iterator[Callable[[], tuple[Path, int]]]:
    """Yield the ways to get a directory, best first. Each returns the directory and its lock, or raises an error."""
    if asked:
        yield partial(_asked_for, asked)
    yield lambda: _new_run(place, name)
    yield lambda: _new_run(STATE / "runs", name)
    yield lambda: _new_run(user_temp_directory() / "runs", name)


@contextmanager
def run_directory(asked: str, app: Path, of_the_tree: bool) -> Iterator[Path | None]:
    """Yield the directory for what a run leaves, locked against other runs; None if no place can be written.

    `asked` is the user's directory, relative to the current one, or "" for a new one in the place of the application. A
    directory that cannot be used does not end the run: the next place is taken, and one line says so.
    """
    place = place_for(app, of_the_tree)
    problem = ""
    for attempt in _attempts(asked, place, app.name):
        try:
            directory, lock = attempt()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            problem = problem or f"{asked or place} cannot be used ({reason})"
            continue
        if problem:
            print(f"hermitctl: {problem}, so the artifacts are in {directory}", file=sys.stderr)
        try:
            yield directory
        finally:
            os.close(lock)
        return
    print(f"hermitctl: {problem}, so no artifacts are kept", file=sys.stderr)
    yield None
