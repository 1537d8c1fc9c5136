# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl, also as python -m hermit_harness."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Load the program and run it.

    Ctrl-C during the import ends it without a traceback. An ignored SIGINT (a job started with &) stays ignored.
    """
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from hermit_harness.cli.main import load
    from hermit_harness.cli.main import main as run

    words = sys.argv[1:] or ["--help"]
    load(words)
    signal.signal(signal.SIGINT, handler)
    return run(words)


if __name__ == "__main__":
    sys.exit(main())
