# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Names of files on QEMU's command line: escaped, or, for -initrd, such that every way of its to read that takes them
as they are."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path


def escape_commas(text: object) -> str:
    """A file name inside one of QEMU's comma-separated options: a comma is doubled."""
    return str(text).replace(",", ",,")


def initrd_name(path: Path) -> str:
    """A name of the file that holds neither blank nor comma: a link where its own does.

    For a Multiboot kernel QEMU parts -initrd at commas and ends each name at its first blank; for other kernels it
    does not. The links stay, for command lines that a person keeps. ValueError where none can be made.
    """
    if not re.search(r"[\s,]", str(path)):
        return str(path)
    target = path.resolve()
    number, name = hashlib.sha256(os.fsencode(target)).hexdigest()[:16], re.sub(r"[^\w.+-]", "_", path.name)
    try:
        link = user_temp_folder() / f"{number}-{name}"
        if not link.is_symlink() or link.readlink() != target:
            fresh = link.with_name(f"{link.name}.{os.getpid()}")
            fresh.symlink_to(target)
            fresh.replace(link)
    except OSError as error:
        raise ValueError(f"no link to {path}, whose name QEMU cannot read: {error}") from None
    return str(link)


def user_temp_folder() -> Path:
    """A folder for this user alone, among the temporary files. OSError, or ValueError where somebody else was first."""
    folder = Path(tempfile.gettempdir()) / f"hermit-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    # Others may write to the folder above: what they have put there in its place is not taken.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ValueError(f"{folder} is not a folder of this user's alone: remove it, or set TMPDIR")
    return folder
