# SPDX-License-Identifier: Apache-2.0 OR MIT
"""File names on QEMU's command line: escaped, or replaced by a link where QEMU has no escape."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path


def escape_commas(text: object) -> str:
    """Double the commas of a file name in a comma-separated option of QEMU."""
    return str(text).replace(",", ",,")


def initrd_name(path: Path) -> str:
    """Return a name of the file without blanks and commas: its own, or a link.

    For a Multiboot kernel QEMU splits -initrd at commas and ends each name at the first blank; for other kernels it
    does not. Raise ValueError if no link can be created.
    """
    return _name_without(r"[\s,]", path)


def kernel_name(path: Path) -> str:
    """Return a name of the file without blanks: its own, or a link.

    The command line that QEMU passes to a Multiboot kernel begins with this name, so what follows a blank in it would
    be an argument. Raise ValueError if no link can be created.
    """
    return _name_without(r"\s", path)


def _name_without(separators: str, path: Path) -> str:
    """Return a link to a file whose name contains `separators`. The links are kept, for saved command lines."""
    if not re.search(separators, str(path)):
        return str(path)
    target = path.resolve()
    number, name = hashlib.sha256(os.fsencode(target)).hexdigest()[:16], re.sub(r"[^\w.+-]", "_", path.name)
    try:
        link = _link_directory() / f"{number}-{name}"
        if not link.is_symlink() or link.readlink() != target:
            fresh = link.with_name(f"{link.name}.{os.getpid()}")
            fresh.symlink_to(target)
            fresh.replace(link)
    except OSError as error:
        raise ValueError(f"cannot link to {path}, whose name QEMU cannot parse: {error}") from None
    return str(link)


def _link_directory() -> Path:
    """Return a private directory whose own name QEMU can parse: TMPDIR may have blanks."""
    temp = tempfile.gettempdir()
    return user_temp_directory("/tmp" if re.search(r"[\s,]", temp) else temp)


def user_temp_directory(temp: str = "") -> Path:
    """Return a private directory of this user in the temporary directory `temp`, by default the system's.

    Raise OSError, or ValueError if another user created it.
    """
    directory = Path(temp or tempfile.gettempdir()) / f"hermit-{os.getuid()}"
    directory.mkdir(mode=0o700, exist_ok=True)
    status = directory.lstat()
    # Other users may write to the parent directory, so check the owner and the mode.
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise ValueError(f"{directory} is not a private directory of this user: remove it, or set TMPDIR")
    return directory
