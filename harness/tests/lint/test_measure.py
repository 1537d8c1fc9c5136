# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The measurements count what their names say."""

from __future__ import annotations

import shutil
from pathlib import Path

from hermit_harness.paths import ROOT
from lint import measure, widths
from lint.tree import Source, Tree


def test_function_lengths() -> None:
    """Bodies count from brace to brace; initialisers, strings, comments and macros are no functions."""
    text = (
        "#define M(x) \\\n\tdo { \\\n\t} while (0)\n"
        "static const int a[] = {\n\t1,\n};\n"
        'void f(void)\n{\n\tif (x) {\n\t\tputs("}"); // }\n\t}\n}\n'
        "static inline int g(void) { return '{'; }\n"
    )
    assert list(measure.c_functions(Source("a.c", "c", text))) == [5, 1]
    python = "def f():\n    def g():\n        pass\n    return g\n"
    assert sorted(measure.python_functions(Source("a.py", "python", python))) == [2, 4]


def test_widths_and_comments() -> None:
    """Tabs are eight columns wide. A licence line is no comment, and code with a comment is no comment line."""
    source = Source("a.c", "c", "// SPDX-License-Identifier: X\n\tint x; // one\n// two\n\n/* three\n * four */\n")
    assert widths.columns("\tx") == 9
    assert measure.comment_share([source]) == "3 (75.0 %)"
    assert measure.wide([source], 20) == "2 of 6 (33.3 %), longest 29"


def test_table(tmp_path: Path) -> None:
    """Each row has a name of its own and a figure; a tree without files is no error."""
    assert list(measure.row_names(Tree(tmp_path)))
    for path in ("README.md", "loader/core/log.c", "harness/hermit_harness/paths.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    rows = list(measure.row_names(Tree(tmp_path)))
    assert all(name and figure for name, figure, _ in rows)
    assert len({name for name, _, _ in rows}) == len(rows)


def test_wide_lines(tmp_path: Path) -> None:
    """A tab counts as eight columns. Python has its own limit."""
    for path in ("loader/a.c", "loader/a.mk", "ci/a.sh", "a.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("\t" + "x" * 92 + "\n\t" + "x" * 93 + "\n", encoding="utf-8")
    found = widths.faults(Tree(tmp_path))
    assert found == ["ci/a.sh:2: 101 columns", "loader/a.c:2: 101 columns", "loader/a.mk:2: 101 columns"]
