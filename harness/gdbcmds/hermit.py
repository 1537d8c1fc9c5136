# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Adds the commands `hermit …` to GDB: `source harness/gdbcmds/hermit.py`, or `gdb -x` with the same file.

Environment variable HERMIT_GDB may hold a JSON object with what is known already: arch, app (its file), start (where it
was loaded), app_offset. Without it GDB is asked.
"""

import sys
from pathlib import Path

DIR = str(Path(__file__).resolve().parent)
if DIR not in sys.path:
    sys.path.insert(0, DIR)

from hermit_gdb import commands, unwind  # noqa: E402

commands.register()
unwind.register()
