# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Disks made of files, kept by their content in the build directory."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path


def cached_disk(directory: Path, files: Mapping[str, bytes], make: Callable[[Path], None]) -> Path:
    """Return the disk with these files, by their paths on it; `make` writes it if it is not in `directory` yet."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    image = directory / f"{digest.hexdigest()[:24]}.img"
    if not image.is_file():
        directory.mkdir(parents=True, exist_ok=True)
        # Use a unique name: another process may create the same disk at the same time.
        partial = directory / f"{image.stem}.{os.getpid()}"
        try:
            make(partial)
            partial.replace(image)
        finally:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
    return image


def run_tool(words: Sequence[str], package: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a program that makes disks. Raise ValueError with its message if it fails, or with its package."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError:
        raise ValueError(f"{words[0]} is missing: install {package}") from None
    if done.returncode:
        raise ValueError(f"{words[0]}: {done.stderr.strip()}")
