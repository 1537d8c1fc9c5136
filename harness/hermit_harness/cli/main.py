# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl: the one command-line program."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from hermit_harness import __version__

# Modules of this package, by command. Only the one that is asked for is loaded: a prompt is waited for.
COMMANDS = {
    "run": "run",
    "debug": "debug",
    "attach": "attach",
    "net": "net",
    "bench": "bench",
    "bench-net": "bench_net",
    "demo": "demo",
    "list": "listing",
    "status": "listing",
    "options": "listing",
    "doctor": "doctor",
}

SPLIT = ("run", "debug")  # with arguments of the guest behind APP


def modules(words: Sequence[str]) -> list[Any]:
    """The module of the command that `words` begin with; all of them where there is none."""
    names = [COMMANDS[words[0]]] if words and words[0] in COMMANDS else dict.fromkeys(COMMANDS.values())
    return [importlib.import_module(f"hermit_harness.cli.{name}") for name in names]


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser with one subcommand a module; each module's `add` registers itself."""
    parser = argparse.ArgumentParser(prog="hermitctl", description="Boot Hermit applications and say how they ended.")
    parser.add_argument("--version", action="version", version=f"hermitctl {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in modules(words):
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
        (module,) = modules(words)
        words, app_words = module.split(words)
    arguments = build_parser(words).parse_args(words)
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
