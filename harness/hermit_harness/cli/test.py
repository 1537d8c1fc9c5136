# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl test: the tests of a checkout, or of a project."""

from __future__ import annotations

import argparse
import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hermit_harness.paths import IS_INSTALLED, ROOT

DESCRIPTION = """\
In a checkout of the loader, run `make test` with these variables. In a project,
run its tests with pytest, which gets all further words. An option for pytest
must follow another word or `--`.

  hermitctl test CELL=x86_64-multiboot/microvm/tcg/hello
  hermitctl test SHARD=1/4 REPORT=results/1
  hermitctl test tests -k echo
  hermitctl test -- -v

Exit status: that of make or of pytest; 125 if it cannot be started."""
VARIABLE = re.compile(r"[A-Z_]+=")


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("test", help="run the tests of a checkout or of a project", description=DESCRIPTION)
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="NAME=VALUE|WORD", help="for make, or for pytest")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Become make or pytest. Return only with an exception: OSError or ValueError."""
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    argv = command_line(Path.cwd(), words)
    os.execvp(argv[0], argv)


def command_line(directory: Path, words: list[str]) -> list[str]:
    """Return the command line of the tests that a directory has."""
    if not IS_INSTALLED and directory.is_relative_to(ROOT):
        if other := next((word for word in words if not VARIABLE.match(word)), ""):
            raise ValueError(f"{other}: `make test` takes NAME=VALUE, such as K={other}")
        return ["make", "-C", str(ROOT), "test", *words]
    if find_spec("pytest") is None:
        raise ValueError(f"pytest is not installed for {sys.executable}: `pipx inject hermit-loader pytest` adds it")
    return [sys.executable, "-m", "pytest", *words]
