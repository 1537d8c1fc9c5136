# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl list, status, options: what there is to run and how."""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from collections.abc import Sequence
from typing import Any

from hermit_harness import options
from hermit_harness.cli.options_page import page
from hermit_harness.ends import ends
from hermit_harness.fixtures import all_images
from hermit_harness.status import statuses
from hermit_harness.vm.machines import ALL_MACHINES as MACHINES

LIST = """\
List test images, machines, the rows of ends.toml, and the cells of the tests.

  hermitctl list
  hermitctl list 'real-hello-*'           ids that match, or contain the word
  hermitctl list images --json

Exit status: 0; 125 if nothing matches."""
WHAT = ("all", "images", "machines", "ends", "cells")
STATUS = """\
List every rule by which the loader can refuse, with its number.

  hermitctl status

Exit status: 0; 125 if the loader's program that prints the list is not built."""
OPTIONS = """\
List flags, make variables and environment of `hermitctl run`.

  hermitctl options
  hermitctl options --markdown

Exit status: 0."""


def add(commands: Any) -> None:
    """Register the commands."""
    parser = commands.add_parser("list", help="list test images, machines, ends and cells", description=LIST)
    parser.add_argument("what", nargs="?", default="all", metavar="WHAT", help=f"one of {', '.join(WHAT)}")
    parser.add_argument(
        "pattern", nargs="?", default="", metavar="PATTERN", help="a part of an id, or a pattern that it matches"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=list_command)
    parser = commands.add_parser("status", help="list the loader's rules and exit statuses", description=STATUS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=status_command)
    parser = commands.add_parser("options", help="list the options of `hermitctl run`", description=OPTIONS)
    parser.add_argument("--markdown", action="store_true", help="print docs/options.md")
    parser.set_defaults(function=options_command)


def _print_table(title: str, rows: list[tuple[str, ...]]) -> None:
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print(f"{title}:")
    for row in rows:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cells() -> list[str]:
    # Imported here: the matrix builds on this package, and most commands do without it.
    from hermit_harness.matrix.expand import session_matrix

    return [cell.id for cell in session_matrix().cells()]


def _with_features(image: dict[str, Any]) -> str:
    """The summary of an image, and the features that its kernel was built with."""
    features = f"  [{' '.join(image['features'])}]" if image["features"] else ""
    return f"{image['summary']}{features}"


def matching(rows: Sequence[Any], pattern: str) -> list[Any]:
    """Return the rows whose id matches `pattern` as names of files do, or contains it. A row is an id or has one."""

    def fits(row: Any) -> bool:
        name = row if isinstance(row, str) else row["id"]
        return fnmatch.fnmatchcase(name, pattern) or pattern in name

    return [row for row in rows if fits(row)]


def list_command(arguments: argparse.Namespace) -> int:
    """Print images, machines and ends; cells only when asked for."""
    if arguments.what not in WHAT:
        if arguments.pattern:
            raise ValueError(f"{arguments.what} is nothing to list: known: {', '.join(WHAT)}")
        arguments.what, arguments.pattern = "all", arguments.what
    tables: dict[str, Any] = {}
    if arguments.what in ("all", "images"):
        tables["images"] = [
            {
                "id": i.id,
                "arch": i.arch,
                "kind": i.kind,
                "kernel": i.kernel,
                "built": i.path.is_file(),
                "needs": list(i.needs),
                "features": list(i.features),
                "summary": i.summary,
            }
            for i in all_images()
        ]
    if arguments.what in ("all", "machines"):
        tables["machines"] = [
            {"id": m.name, "arch": m.arch, "has": sorted(m.provides), "argv": list(m.argv)} for m in MACHINES
        ]
    if arguments.what in ("all", "ends"):
        tables["ends"] = [{"id": e.id, "kernels": e.kernels} for e in ends().values()]
    if arguments.what in ("all", "cells"):
        tables["cells"] = _cells()
    tables = {name: matching(rows, arguments.pattern) for name, rows in tables.items()}
    if arguments.pattern and not any(tables.values()):
        raise ValueError(f"nothing matches {arguments.pattern}; see `hermitctl list --help`")
    if arguments.json:
        print(json.dumps(tables, indent=2))
        return 0
    built = {True: "built", False: "not built"}
    _print_table(
        "images",
        [
            (i["id"], i["arch"], i["kind"], i["kernel"], built[i["built"]], _with_features(i))
            for i in tables.get("images", [])
        ],
    )
    _print_table("machines", [(m["id"], m["arch"], "has " + " ".join(m["has"])) for m in tables.get("machines", [])])
    _print_table("ends", [(e["id"], e["kernels"]) for e in tables.get("ends", [])])
    _print_table("cells", [(cell,) for cell in tables.get("cells", [])])
    return 0


def status_command(arguments: argparse.Namespace) -> int:
    """Print the loader's list of statuses."""
    try:
        rows = statuses()
    except FileNotFoundError as error:
        print(f"hermitctl: {error.filename} is not built: `make loader`", file=sys.stderr)
        return 125
    if arguments.json:
        print(json.dumps([vars(row) for row in rows], indent=2))
    else:
        _print_table("statuses", [(str(s.number), s.class_word, s.rule, s.sentence) for s in rows])
    return 0


def options_command(arguments: argparse.Namespace) -> int:
    """Print the table of options."""
    if arguments.markdown:
        print(page(), end="")
    else:
        _print_table(
            "options",
            [(f"--{o.flag}", f"{o.name}=", " ".join(o.envs), o.default or "-", o.help) for o in options.OPTIONS],
        )
    return 0
