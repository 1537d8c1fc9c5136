# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl report: judge the shards of a test run as one run."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hermit_harness.matrix import ledger
from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import IS_INSTALLED, REPORT
from hermit_harness.report import results, text
from hermit_harness.report.page import history, write

DESCRIPTION = """\
Merge the results that `make test SHARD=I/N` left on N machines, and judge them as
one run. Each shard must be there once, be of the same commit and have run all of
its tests. Must-run cells, number of cells, skips and errata are judged as well.

  hermitctl report merge shard-1 shard-2 shard-3
  hermitctl report merge results/          with one directory per shard

Writes results.jsonl, junit.xml, summary.md, and the page index.html.
Exit status: 0 if the whole run is green, 1 if it is red; 125 if there is nothing
to judge."""
OUTPUT = REPORT / "merged"


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("report", help="judge the shards of a test run as one run", description=DESCRIPTION)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    merge = actions.add_parser("merge", help="merge and judge the results of shards", description=DESCRIPTION)
    merge.add_argument(
        "directories", nargs="+", type=Path, metavar="DIR", help="a shard's report directory, or their parent"
    )
    merge.add_argument(
        "--output",
        type=Path,
        default=OUTPUT,
        metavar="DIR",
        help="directory for the result; default: build/report/merged",
    )
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Merge, print and judge."""
    if IS_INSTALLED:
        raise ValueError("hermitctl report judges tests of a checkout, and this is an installed package")
    shards = [results.read(path) for path in _files(arguments.directories)]
    tests, faults = results.merge(shards)
    is_selection = not any(shard.plan.complete for shard in shards)
    if not is_selection:
        faults += ledger.judge(matrix(), tests, ledger.reasons(), ledger.errata(), datetime.date.today())
    sections = [
        ("cells", text.cells_table(tests)),
        ("skips", text.skip_list(tests)),
        ("slowest ten", text.slowest(tests)),
        ("failed", text.failures(tests)),
        ("red although no test failed", faults),
    ]
    is_red = bool(faults) or any(test.outcome == "failed" for test in tests)
    _write(arguments.output, shards, tests, text.markdown(sections), status=int(is_red))
    page = write.of_tests(shards, arguments.output, faults)
    for title, lines in sections:
        if lines:
            print(f"== {title}", *lines, sep="\n")
    of = "a selection of tests, " if is_selection else ""
    print(f"== {of}{text.counts(tests)} in {len(shards)} shards: {'red' if is_red else 'green'}; {page}")
    return int(is_red)


def _files(directories: Sequence[Path]) -> Iterator[Path]:
    for directory in directories:
        own = directory / results.NAME
        found = [own] if own.is_file() else sorted(directory.glob(f"*/{results.NAME}"))
        if not found:
            raise ValueError(f"{directory}: no {results.NAME} in it, nor in a directory in it")
        yield from found


def _write(
    output: Path, shards: Sequence[results.Results], tests: Sequence[EndedTest], summary: str, status: int
) -> None:
    history.keep(output)
    recorder = results.Recorder(output / results.NAME)
    recorder.plan(results.whole_plan(shards))
    for test in tests:
        recorder.test(test)
    recorder.end(status)
    (output / "summary.md").write_text(summary, encoding="utf-8")
    with (output / "junit.xml").open("wb") as out:
        out.write(b'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n')
        for shard in shards:
            out.writelines(_suites(shard.path.with_name("junit.xml")))
        out.write(b"</testsuites>\n")


def _suites(path: Path) -> Iterator[bytes]:
    """Yield the suites of a JUnit file; none if it is missing or cut off."""
    try:
        for _, element in ElementTree.iterparse(path):
            if element.tag == "testsuite":
                yield ElementTree.tostring(element)
    except (OSError, ElementTree.ParseError):
        return
