# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Check the English of the tree: the words of words.py in all files, long sentences in Markdown pages.

Usage: python -m lint.prose [--report] [--tree TREE] [PATH...]     (`make prose` reports, `make lint` enforces)
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from lint import sentences, words
from lint.tree import Source, Tree

# At most SWEEP_BAR words in 10,000 lines, LONG_BAR percent of sentences over LONG words, none over TOO_LONG.
SWEEP_BAR = 5
LONG, LONG_BAR = 25, 3
TOO_LONG = 40
# The list itself and its test.
LEFT_OUT = ("harness/lint/words.py", "harness/tests/lint/test_prose.py")


@dataclass(frozen=True)
class Hit:
    """One finding. Line 0 is the name of the file."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}"


def pages(tree: Tree) -> list[Source]:
    """Return the Markdown pages of the tree."""
    return tree.of("markdown")


def sweep(tree: Tree) -> list[Hit]:
    """Return each use of a sweep word in code, comments, strings, pages and file names."""
    return [hit for source in tree.sources if source.path not in LEFT_OUT for hit in sweep_of(source)]


def sweep_of(source: Source) -> list[Hit]:
    found = []
    for number, line in enumerate([source.path, *source.lines]):
        if words.ANY.search(line):
            for word in words.SWEEPS:
                for match in word.matches(line):
                    found.append(Hit(source.path, number, f'"{match.group()}": {word.instead}'))
    return found


def long_ones(tree: Tree) -> tuple[list[Hit], int, int]:
    """Return the sentences over LONG words, the number over TOO_LONG, and the number of all sentences."""
    texts = [sentence for source in pages(tree) for sentence in sentences.of_markdown(source)]
    found = [sentence for sentence in texts if sentence.words > LONG]
    hits = [Hit(s.path, s.line, f"{s.words} words: {s.text[:60]} ...") for s in found]
    return hits, sum(sentence.words > TOO_LONG for sentence in found), len(texts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Check the English of the tree.")
    parser.add_argument("--tree", type=Path, default=Path("."), help="the checkout (default: this directory)")
    parser.add_argument("--report", action="store_true", help="exit status 0 in any case")
    parser.add_argument("paths", nargs="*", help="print the findings in these files and directories only")
    chosen = parser.parse_args()
    tree = Tree(chosen.tree)
    hits = sweep(tree)
    long, too_long, all_of_them = long_ones(tree)
    lines = sum(len(source.lines) for source in tree.sources)
    for hit in [*hits, *long]:
        if not chosen.paths or any(f"{hit.path}/".startswith(f"{path.rstrip('/')}/") for path in chosen.paths):
            print(hit)
    rate, percent = 10_000 * len(hits) / max(lines, 1), 100 * len(long) / max(all_of_them, 1)
    print(f"prose: {len(hits)} sweep words, {rate:.1f} in 10,000 lines (bar {SWEEP_BAR})")
    print(f"prose: {len(long)} of {all_of_them} sentences over {LONG} words, {percent:.1f} % (bar {LONG_BAR} %)")
    print(f"prose: {too_long} sentences over {TOO_LONG} words (bar 0)")
    bad = rate > SWEEP_BAR or percent > LONG_BAR or too_long > 0
    return int(bad and not chosen.report)


if __name__ == "__main__":
    sys.exit(main())
