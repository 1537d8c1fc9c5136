# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Files that options name: what is wrong with them is said before QEMU starts, with the directory searched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def where(text: str) -> str:
    """Return the directory in which a relative name was looked up, as the end of a sentence; "" for an absolute one."""
    return "" if os.path.isabs(text) else f" in {Path.cwd()}"


def readable(text: str, flag: str) -> Path:
    """Return the file that an option names. Raise ValueError if it is none, or cannot be read."""
    path = Path(text)
    if not path.is_file():
        what = "this is a directory" if path.is_dir() else "there is no such file"
        raise ValueError(f"--{flag} {text}: {what}{where(text)}")
    if not os.access(path, os.R_OK):
        raise ValueError(f"--{flag} {text}: this user cannot read it")
    return path


def writable(text: str, flag: str) -> None:
    """Raise ValueError if the file that an option wants written cannot be; "" is no file."""
    path = Path(text)
    if not text:
        return
    if path.is_dir():
        raise ValueError(f"--{flag} {text}: this is a directory{where(text)}")
    if not path.parent.is_dir():
        raise ValueError(f"--{flag} {text}: there is no directory {path.parent}{where(text)}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"--{flag} {text}: this user cannot write it")


def program(text: str, flag: str) -> str:
    """Return the program that an option names, "" for none. Raise ValueError if there is no such program."""
    if text and not shutil.which(text):
        raise ValueError(f"--{flag} {text}: there is no such program" + (where(text) if "/" in text else ""))
    return text
