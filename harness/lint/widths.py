# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Check that no line of C, assembly, linker scripts, make and shell has more than 100 columns.

Usage: python -m lint.widths [TREE]      exit status 1 if a line is wider
"""

from __future__ import annotations

import sys
from pathlib import Path

from lint.tree import Tree

LIMIT = 100
KINDS = ("c", "gas", "nasm", "ld", "make", "shell")


def columns(line: str) -> int:
    """Return the width of a line, with a tab stop every eight columns."""
    return len(line.expandtabs(8))


def faults(tree: Tree) -> list[str]:
    """Return the lines that are too wide."""
    found = []
    for source in tree.of(*KINDS):
        wide = ((number, columns(line)) for number, line in enumerate(source.lines, 1))
        found += [f"{source.path}:{number}: {width} columns" for number, width in wide if width > LIMIT]
    return found


def main() -> int:
    found = faults(Tree(Path(sys.argv[1] if sys.argv[1:] else ".")))
    print("\n".join(found) if found else f"widths: no line over {LIMIT} columns")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
