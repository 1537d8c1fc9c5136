# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A terminal that closes sends SIGHUP and makes the next write fail with EIO, in either order."""

from __future__ import annotations

import errno
import os
import signal
import stat


def hang_up(error: OSError) -> None:
    """Raise SIGHUP if a write to stdout failed with `error` because its terminal has closed.

    The handler ends the program as the terminal's own signal does, which may come later or not at all.
    """
    if error.errno == errno.EIO and error.filename is None and stat.S_ISCHR(os.fstat(1).st_mode):
        signal.raise_signal(signal.SIGHUP)
