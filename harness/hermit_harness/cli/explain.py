# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl explain: what a number, a word of a refusal, a verdict or a cell means, and what to do."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Iterator
from typing import Any

from hermit_harness.paths import REPORT, ROOT
from hermit_harness.status import Status, statuses
from hermit_harness.verdict.outcome import VERDICTS
from hermit_harness.verdict.remedy import remedy

DESCRIPTION = """\
Explain a number or a word, and say what to do about it. It is an exit status, a
rule word or class word of the loader, a verdict, or a cell.

  hermitctl explain 67
  hermitctl explain elf-truncated
  hermitctl explain hang

Exit status: 0; 125 if the word is unknown."""
# The exit statuses of hermitctl that are no refusal, in the words of docs/your-project.md.
EXIT_STATUSES = {
    1: "panic, crash, or a failure for which the guest reports no number",
    124: "--timeout expired, or the guest halted forever",
    125: "QEMU or the harness failed, or the command line was wrong",
    129: "SIGHUP: the terminal was closed",
    130: "SIGINT: Ctrl-C",
    141: "SIGPIPE: the reader of the output has ended",
    143: "SIGTERM",
}


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "explain", help="what a status, a refusal, a verdict or a cell means", description=DESCRIPTION
    )
    parser.add_argument("word", metavar="NUMBER|WORD|CELL")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Print the explanation."""
    print("\n".join(explain(arguments.word)))
    return 0


def explain(word: str) -> list[str]:
    """Return the lines of an explanation. ValueError names the nearest words if there is none."""
    if word.isdecimal():
        return list(_number(int(word)))
    rows = [row for row in statuses() if word in (row.rule, row.class_word)]
    if rows:
        return list(_refusal(rows))
    if word in VERDICTS:
        return [f"{word}: {VERDICTS[word]}", *_pages("verdicts")]
    if "/" in word:
        return list(_cell(word))
    known = {name for row in statuses() for name in (row.rule, row.class_word)} | set(VERDICTS)
    near = difflib.get_close_matches(word, known, n=3)
    raise ValueError(f"{word}: no status, rule word, verdict or cell" + (f"; near: {', '.join(near)}" if near else ""))


def _number(number: int) -> Iterator[str]:
    if not 0 <= number <= 255:
        raise ValueError(f"{number}: an exit status is a number from 0 to 255")
    rows = [row for row in statuses() if row.number == number]
    if number in EXIT_STATUSES:
        yield f"{number}: {EXIT_STATUSES[number]}"
    elif not rows:
        yield f"{number}: the application's own status; hermitctl and the loader do not use this number"
    yield from _refusal(rows)
    if number in EXIT_STATUSES or rows:
        yield "An application may exit with the same number: the last line of a run says whose it is."
    if not rows:
        yield from _pages("your-project")


def _refusal(rows: list[Status]) -> Iterator[str]:
    """What rules of one class mean, each with its remedy."""
    if not rows:
        return
    yield f"{rows[0].number} {rows[0].class_word}: the loader refused the application"
    for row in rows:
        yield f"  {row.rule}: {row.sentence}"
        if advice := remedy(row.rule):
            yield f"    {advice}"
    yield from _pages("statuses")


def _pages(name: str) -> Iterator[str]:
    page = ROOT / "docs" / f"{name}.md"
    if page.is_file():
        yield f"See {page}"


def _cell(name: str) -> Iterator[str]:
    """What a cell boots, how it ended the last time, and the commands that repeat it."""
    # Imported here: the matrix builds on this package, and most words are no cell.
    from hermit_harness.fixtures import images
    from hermit_harness.matrix import expand, specs
    from hermit_harness.vm.targets import target

    cell = expand.find(name)
    image = images(target(cell.target).arch)[cell.image]
    yield f"{cell.id}: {image.summary}, on {cell.machine} with {cell.accel}; expected: {specs.spec(cell).expect}"
    outcome = REPORT / cell.id / "outcome.txt"
    if outcome.is_file():
        yield f"  the last time: {outcome.read_text(errors='replace').splitlines()[0]} ({outcome.parent})"
    for verb in ("test", "debug"):
        yield f"  make {verb} CELL={shlex.quote(cell.id)}"
