# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl run --plot: the course of the boot as a picture."""

from __future__ import annotations

import sys
from pathlib import Path


def write(file: str, directory: Path | None) -> None:
    """Write the picture of the run in a directory. What prevents that does not change how the run ended: one line on
    stderr says it."""
    # Imported here, since few runs need it.
    from hermit_harness.timeline import course, plot

    try:
        if directory is None:
            raise ValueError("the run has left no files")
        Path(file).write_text(plot.svg(course.read(directory)), encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        print(f"hermitctl: --plot {file} was not written: {reason}", file=sys.stderr)
