# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The user's cache: `hermitctl cache` shows and prunes it, checkouts link to it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT
from tests.support.cli import ctl

LONG_AGO = time.time() - 100 * 86400


def write(file: Path, size: int = 2_000_000, old: bool = True) -> Path:
    """A file that was not used for a long time, if it is old."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size))
    if old:
        os.utime(file, (LONG_AGO, LONG_AGO))
        os.utime(file.parent, (LONG_AGO, LONG_AGO))
    return file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with old and new images, one of them in a checkout, toolchains and reports."""
    cache = tmp_path / ".cache" / "hermit-harness"
    write(cache / "real" / "unused" / "image")
    linked = write(cache / "real" / "linked" / "image")
    write(cache / "real" / "new" / "image", old=False)
    write(cache / "toolchain-bookworm-1" / "bin" / "rustc")
    os.utime(cache / "toolchain-bookworm-1", (LONG_AGO, LONG_AGO))
    (cache / "toolchain.lock").touch()
    write(tmp_path / ".local" / "state" / "hermit" / "runs" / "1" / "console.log")
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "image").hardlink_to(linked)
    return tmp_path


def cache(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    empty = dict.fromkeys(("XDG_CACHE_HOME", "XDG_STATE_HOME"), "")
    # A directory of its own for the guests that run: those of other tests do not count.
    return ctl("cache", *words, env={"HOME": str(home), "XDG_RUNTIME_DIR": str(home), **empty})


def shown(home: Path) -> set[str]:
    return {Path(entry["path"]).name for entry in json.loads(cache(home, "--json").stdout)}


def test_show(home: Path) -> None:
    """Each kind with its size, and what prune would free of it."""
    rows = [line.split() for line in cache(home).stdout.splitlines()]
    assert ["applications", "with", "real", "kernels", "3", "6", "2"] in rows
    assert ["Rust", "toolchains", "1", "2", "2"] in rows
    assert ["reports", "of", "runs", "1", "2", "0"] in rows


def test_prune(home: Path) -> None:
    """Removes what was not used for a long time and is in no checkout, unless a build uses the cache."""
    lock = home / ".cache" / "hermit-harness" / "toolchain.lock"
    with lock.open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refused = cache(home, "prune")
    assert (refused.returncode, "a build uses the cache" in refused.stderr) == (125, True)
    assert "unused" in shown(home)

    assert cache(home, "prune", "--days", "200").stdout == "removed 0 entries, 0 MB\n"
    assert cache(home, "prune").stdout == "removed 2 entries, 4 MB\n"
    assert shown(home) == {"linked", "new", "hermit"}


def test_prune_all(home: Path) -> None:
    """Leaves nothing in the home, and does not touch the checkout."""
    assert cache(home, "prune", "--all").returncode == 0
    assert not list((home / ".cache").iterdir()) + list((home / ".local" / "state").iterdir())
    assert (home / "checkout" / "image").stat().st_size == 2_000_000


def test_images_are_links(tmp_path: Path) -> None:
    """A checkout's images are hard links to the cache before build.sh compares them; one of other sources stays."""
    here = tmp_path / "fixtures" / "real"
    (here / "hello").mkdir(parents=True)
    for name in ("linked.sh", "images.awk", "hello/fixture.toml"):
        shutil.copy(ROOT / "fixtures" / "real" / name, here / name)
    (here / "build.sh").write_text('#!/bin/sh\ncd "$(dirname "$0")/../../build/fixtures/real/x86_64"\nls -l >../seen\n')
    (here / "build.sh").chmod(0o755)
    images = tmp_path / "build" / "fixtures" / "real" / "x86_64"
    cached = tmp_path / "cache" / "hermit-harness" / "real" / "key"
    names = ("real-hello-0.11.0", "real-hello-0.11.0.debug", "real-hello-0.10.0", "real-hello-0.11.0-microvm")
    for name in names:
        write(cached / name, size=100)
    write(images / names[0], size=100)
    write(images / names[2], size=101)

    done = subprocess.run(
        [here / "linked.sh", *names[:1], names[2]], env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        check=False, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in sorted(images.iterdir()) if path.stat().st_nlink == 2] == list(names[:2])
    assert (images / names[2]).stat().st_size == 101
    assert names[1] in (images.parent / "seen").read_text(), "the link was there before the build"
