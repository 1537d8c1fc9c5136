# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Print one table of the figures that bound how readable the tree is. Any commit can be measured.

Usage: python -m lint.measure [TREE]      (`make measure TREE=path`; without it this checkout)
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from lint import arrows, prose, recipes, sentences
from lint.comments import divided
from lint.tree import Source, Tree
from lint.widths import LIMIT, columns

PYTHON_WIDTH = 120
SHORT_FILE = 25
COMMITS = 50
AREA = re.compile(r"[a-z]+: \S")


def c_functions(source: Source) -> Iterator[int]:
    """Yield the number of lines of each function body, braces included."""
    depth, start, before, skipping = 0, 0, "", False
    for number, line in enumerate(divided(source), 1):
        code = re.sub(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])+'", "0", line.code)
        if skipping or code.startswith("#"):
            skipping = code.endswith("\\")
            continue
        for char in code:
            if char == "{":
                if not depth and before == ")":
                    start = number
                depth += 1
            elif char == "}":
                depth -= 1
                if not depth and start:
                    yield number - start + 1
                    start = 0
            if not char.isspace():
                before = char


def python_functions(source: Source) -> Iterator[int]:
    """Yield the number of lines of each function, from `def` to the end of its body."""
    try:
        tree = ast.parse(source.text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def quantiles(lengths: Iterable[int]) -> str:
    """Format the median, the 90th percentile, the maximum and the count."""
    found = sorted(lengths)
    if not found:
        return "-"
    return f"{found[len(found) // 2]} / {found[len(found) * 9 // 10]} / {found[-1]}   ({len(found)})"


def wide(sources: Iterable[Source], limit: int) -> str:
    """Format the number and share of lines over the limit, and the longest line."""
    widths = [columns(line) for source in sources for line in source.lines]
    over = sum(width > limit for width in widths)
    return f"{over} of {len(widths)} ({share(over, len(widths))}), longest {max(widths, default=0)}"


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def comment_share(sources: Iterable[Source]) -> str:
    """Format the share of whole-line comments in all lines that are not empty. Licence lines do not count."""
    lines = [line for source in sources for line in divided(source) if "SPDX-License" not in line.comment]
    only = sum(line.only_comment for line in lines)
    return f"{only} ({share(only, sum(bool(line.code.strip() or line.comment.strip()) for line in lines))})"


def long_sentences(found: list[sentences.Sentence]) -> str:
    """Format the number of sentences over the limits of prose.py."""
    over = sum(sentence.words > prose.LONG for sentence in found)
    far = sum(sentence.words > prose.TOO_LONG for sentence in found)
    return f"{over} of {len(found)} ({share(over, len(found))}), {far} over {prose.TOO_LONG}"


def commits(root: Path) -> str:
    """Format the subjects of the last COMMITS commits: length, and how many have an area and a body."""
    command = ["git", "-c", "safe.directory=*", "-C", str(root), "log", f"-{COMMITS}", "--format=%s%x00%b%x01"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [text.strip("\n").split("\0") for text in done.stdout.split("\1") if "\0" in text]
    areas = sum(bool(AREA.match(subject)) for subject, _ in found)
    bodies = sum(bool(body.strip()) for _, body in found)
    return f"{quantiles(len(subject) for subject, _ in found)}, {areas} area, {bodies} body"


def row_names(tree: Tree) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the figure and the bar of each row."""
    c, python, pages = tree.of("c"), tree.of("python"), prose.pages(tree)
    loader = [source for source in tree.sources if source.under("loader")]
    loader_c = [source for source in loader if source.kind == "c"]
    loader_asm = [source for source in loader if source.kind in ("gas", "nasm")]
    units = [source for source in loader_c if not source.under("loader/test")]
    lines = sum(len(source.lines) for source in tree.sources)
    yield "files, lines", f"{len(tree.sources)}, {lines}", ""
    yield "C function, median / p90 / max, loader", quantiles(n for s in loader_c for n in c_functions(s)), ""
    yield "Python function, median / p90 / max", quantiles(n for source in python for n in python_functions(source)), ""
    yield f"lines over {LIMIT}, C of the loader", wide(loader_c, LIMIT), "0"
    yield f"lines over {LIMIT}, all C", wide(c, LIMIT), "0"
    yield f"lines over {LIMIT}, assembly", wide(tree.of("gas", "nasm"), LIMIT), ""
    yield f"lines over {LIMIT}, linker scripts", wide(tree.of("ld"), LIMIT), ""
    yield f"lines over {LIMIT}, make", wide(tree.of("make"), LIMIT), ""
    yield f"lines over {LIMIT}, shell", wide(tree.of("shell"), LIMIT), ""
    yield f"lines over {PYTHON_WIDTH}, Python", wide(python, PYTHON_WIDTH), "0"
    yield "comment lines, C of the loader", comment_share(units), "12-20 %"
    yield "comment lines, assembly of the loader", comment_share(loader_asm), ""
    short = sum(len(source.lines) <= SHORT_FILE for source in units)
    yield f"C files of {SHORT_FILE} lines or fewer, loader", f"{short} of {len(units)}", ""
    yield "includes with ../", str(sum("../" in line for s in c for line in s.lines if "#include" in line)), "0"
    yield "includes against the direction", str(len(arrows.loader_faults(tree))), "0"
    yield "imports against the direction", str(len(arrows.python_faults(tree))), "0"
    hits = len(prose.sweep(tree))
    yield "sweep words in 10,000 lines", f"{10_000 * hits / max(lines, 1):.1f} ({hits})", str(prose.SWEEP_BAR)
    readme = [source for source in pages if source.path == "README.md"]
    yield "README, lines", "".join(str(len(source.lines)) for source in readme), "115"
    yield "README, words", "".join(str(len(source.text.split())) for source in readme), ""
    texts = [sentence for source in pages for sentence in sentences.of_markdown(source)]
    own = [sentence for sentence in texts if sentence.path == "README.md"]
    yield f"sentences over {prose.LONG} words, README", long_sentences(own), f"{prose.LONG_BAR} %, 0"
    yield f"sentences over {prose.LONG} words, all pages", long_sentences(texts), f"{prose.LONG_BAR} %, 0"
    guide = next((source.text for source in tree.sources if source.path == "CONTRIBUTING.md"), "")
    costs = ", ".join(f"{kind.split()[-1]} {len(files)}" for kind, files in recipes.read(guide).items())
    yield "files per change", costs or "-", ""
    yield "commit subjects, median / p90 / max", commits(tree.root), "72"
    comments = [sentence for s in tree.sources if s.kind != "markdown" for sentence in sentences.of_comments(s)]
    yield f"sentences over {prose.LONG} words, comments", long_sentences(comments), ""


def main() -> int:
    root = Path(sys.argv[1] if sys.argv[1:] else ".").resolve()
    for name, figure, bar in row_names(Tree(root)):
        print(f"{name:<42} {figure:<40} {bar and 'bar: ' + bar}".rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
