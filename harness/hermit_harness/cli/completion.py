# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl completion: the completion of each shell, and the manual page.

All are made from the parser by two libraries. A package has them as files, so that it needs no library; a checkout has
the libraries in its virtual environment.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hermit_harness.paths import IS_INSTALLED, ROOT

# What is printed, and its name below share/ of an installation.
FILES = {
    "bash": "bash-completion/completions/hermitctl",
    "zsh": "zsh/site-functions/_hermitctl",
    "fish": "fish/vendor_completions.d/hermitctl.fish",
    "man": "man/man1/hermitctl.1",
}
DESCRIPTION = """\
Print the completion for a shell, or the manual page. `make install` and the
Debian package install them.

  hermitctl completion bash >~/.local/share/bash-completion/completions/hermitctl
  hermitctl completion zsh >~/.zfunc/_hermitctl        a directory of $fpath
  hermitctl completion fish >~/.config/fish/completions/hermitctl.fish
  hermitctl completion man | man -l -

Exit status: 0."""
# The lists that a completion asks for while a word is typed, by the argument that takes the word.
LISTS = {"app": "apps", "cell": "cells", "pid": "guests", "word": "words"}
# How each shell calls hermitctl for a list. The words of `apps` may also be files.
CALLS = {
    "bash": """\
_hermitctl_{name}() {{
  compgen -W "$("${{COMP_WORDS[0]}}" completion --list {name} 2>/dev/null)" -- "$1"{files}
}}""",
    "zsh": """\
_hermitctl_{name}() {{
  compadd -- ${{(f)"$(${{_comp_command1:-hermitctl}} completion --list {name} 2>/dev/null)"}}{files}
}}""",
    "fish": """\
function _hermitctl_{name}
  command hermitctl completion --list {name} 2>/dev/null{files}
end""",
}
FILES_TOO = {
    "bash": '\n  compgen -f -- "$1"',
    "zsh": "\n  _files",
    "fish": "\n  __fish_complete_path (commandline -ct)",
}


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "completion", help="print a shell's completion, or the manual page", description=DESCRIPTION
    )
    parser.add_argument("what", nargs="?", default="bash", choices=tuple(FILES), help="default: bash")
    parser.add_argument("--list", choices=tuple(LISTS.values()), help="print the words that a completion offers")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Print what is asked for."""
    print("\n".join(WORDS[arguments.list]()) if arguments.list else text(arguments.what).rstrip("\n"))
    return 0


def text(what: str) -> str:
    """The text for a shell, or the manual page."""
    if IS_INSTALLED:
        return (ROOT / "share" / FILES[what]).read_text(encoding="utf-8")
    return _manual() if what == "man" else _completion(what)


# --- words for a completion


def _apps() -> Iterator[str]:
    from hermit_harness.cli.app import names_built_by_cargo
    from hermit_harness.fixtures import all_images

    yield from names_built_by_cargo()
    yield from sorted({image.id for image in all_images() if image.path.is_file()})


def _cells() -> Iterator[str]:
    from hermit_harness.matrix.expand import session_matrix

    yield from (cell.id for cell in session_matrix().cells())


def _guests() -> Iterator[str]:
    from hermit_harness.gdb.running import running_guests

    yield from (str(guest.pid) for guest in running_guests())


def _words() -> Iterator[str]:
    from hermit_harness.status import statuses
    from hermit_harness.verdict.outcome import VERDICTS

    yield from sorted({word for row in statuses() for word in (row.rule, row.class_word)} | set(VERDICTS))


WORDS: Mapping[str, Callable[[], Iterator[str]]] = {
    "apps": _apps,
    "cells": _cells,
    "guests": _guests,
    "words": _words,
}


# --- made from the parser


def _completion(shell: str) -> str:
    import shtab

    from hermit_harness.cli.config import ROWS
    from hermit_harness.cli.main import build_parser, subparsers

    parser = build_parser()
    for one in subparsers(parser).values():
        for action in one._actions:
            row = ROWS.get(action.option_strings[0].removeprefix("--")) if action.option_strings else None
            if action.dest in LISTS:
                call = f"_hermitctl_{LISTS[action.dest]}"
                action.complete = {shell: f"({call})" if shell == "fish" else call}  # type: ignore[attr-defined]
            elif row and row.choices:
                action.choices = [choice for choice in row.choices if choice]
            elif action.metavar in ("FILE", "PROGRAM"):
                action.complete = shtab.FILE  # type: ignore[attr-defined]
            elif action.metavar == "DIR":
                action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    calls = [
        CALLS[shell].format(name=name, files=FILES_TOO[shell] if name == "apps" else "") for name in LISTS.values()
    ]
    return str(shtab.complete(parser, shell, preamble="\n".join(calls)))


def _manual() -> str:
    from argparse_manpage.manpage import Manpage

    from hermit_harness import __version__
    from hermit_harness.cli.main import build_parser

    # The page has the date of its sources, and the width of any terminal.
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int((ROOT / "VERSION").stat().st_mtime)))
    os.environ["COLUMNS"] = "80"
    data = {
        "project_name": "hermit-loader",
        "description": "boot Hermit applications and say how they ended",
        "version": __version__,
        "manual_title": "Hermit loader",
    }
    return str(Manpage(build_parser(), data))
