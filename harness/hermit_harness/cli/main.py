# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl: the one command-line program."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from hermit_harness import __version__
from hermit_harness.cli import attach, bench, debug, doctor, listing, net, run

COMMANDS = (run, debug, attach, net, bench, listing, doctor)
# Commands with arguments of the guest behind APP.
SPLIT = {"run": run.split, "debug": debug.split}


def build_parser() -> argparse.ArgumentParser:
    """The parser with one subcommand a module; each module's `add` registers itself."""
    parser = argparse.ArgumentParser(prog="hermitctl", description="Boot Hermit applications and say how they ended.")
    parser.add_argument("--version", action="version", version=f"hermitctl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add(commands)
    return parser


def open_missing_streams() -> None:
    """Give each of the descriptors 0, 1, 2 that is closed to /dev/null: otherwise a socket of ours would take its
    number."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
    # Python has None for a stream whose descriptor was closed when it started.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status of the program."""
    open_missing_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    app_words: list[str] = []
    if words and words[0] in SPLIT:
        words, app_words = SPLIT[words[0]](words)
    arguments = build_parser().parse_args(words)
    arguments.app_words = app_words
    try:
        return int(arguments.function(arguments))
    except KeyboardInterrupt:
        print("hermitctl: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our stdout has gone: end as a program killed by SIGPIPE would, and say nothing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141


if __name__ == "__main__":
    sys.exit(main())
