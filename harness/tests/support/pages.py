# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The Markdown pages of the tree, their code blocks, and how tests execute the blocks (tests/readme/blocks.toml)."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import zip_longest
from pathlib import Path

from hermit_harness.paths import ROOT

PAGES = (
    *sorted(ROOT.glob("*.md")),
    *sorted(
        page
        for room in ("docs", "netsetup", "fixtures", "fixtures/real", "fixtures/old")
        for page in ROOT.glob(f"{room}/*.md")
    ),
)
LIST = ROOT / "harness" / "tests" / "readme" / "blocks.toml"
# Languages of blocks that show output or a picture. All other blocks are executed, or blocks.toml gives the reason.
SHOWN = ("text",)
# The first word of a line that is typed, and so must not be in a block that only shows.
PROGRAMS = r"make|hermitctl|sudo|git|cargo|export|qemu-system-\w+|build/venv/\S+"
TYPED = re.compile(rf"^(?:\$ |[A-Z_]+=\S* )*(?:{PROGRAMS}) .*", re.M)
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"(?<=\n\n) {4}\S.*\n")


@dataclass(frozen=True)
class Block:
    """A code block. `output` is the text block after it, if only prose is between them."""

    page: str
    language: str
    text: str
    output: str = ""

    @property
    def first(self) -> str:
        """The first line, without a comment at its end."""
        return re.sub(r"\s+#.*", "", self.text.partition("\n")[0]).strip()

    def __str__(self) -> str:
        return f"{self.page}: {self.first}"


@dataclass(frozen=True)
class Row:
    """An entry of blocks.toml: the blocks of a page whose first line matches the pattern, and what executes them.

    Exactly one of these: `test` names a test that executes the block, `reason` says why none does; otherwise
    boot/test_docs_commands.py runs the block in a shell. `replace` are the parts of the text that stand for the
    reader's own. `files` are copies of images, by their place in an empty directory in which the block then runs.
    `beside` is the first line of a block that runs at the same time. `until` ends the block at that output.
    """

    page: str
    first: str
    test: str = ""
    reason: str = ""
    replace: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    prints: tuple[str, ...] = ()
    status: int = 0
    until: str = ""
    beside: str = ""

    def matches(self, block: Block) -> bool:
        return block.page == self.page and fnmatchcase(block.first, self.first)

    @property
    def runs(self) -> bool:
        return not (self.test or self.reason)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks_of(page: str, text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page. An indented block has no language."""
    found = list(BLOCK.finditer(text))
    for this, following in zip_longest(found, found[1:]):
        output = ""
        if following and following[1] in SHOWN and "\n#" not in text[this.end() : following.start()]:
            output = following[2]
        yield Block(page, this[1], this[2], output)
    for line in INDENTED.findall(BLOCK.sub("", text)):
        yield Block(page, "", line)


def blocks() -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in PAGES for block in blocks_of(name(page), page.read_text(encoding="utf-8"))]


def rows() -> list[Row]:
    """Return the entries of blocks.toml."""
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))["block"]
    return [Row(**{**entry, "prints": tuple(entry.get("prints", ()))}) for entry in listed]


def problems(found: list[Block], listed: list[Row]) -> list[str]:
    """Return one sentence per block that no test executes without a reason, and per entry that has no block."""
    said = []
    for block in found:
        matching = [row for row in listed if row.matches(block)]
        if not block.language:
            said.append(f"{block}: a code block needs a language")
        elif block.language in SHOWN:
            lines = [line[0].strip() for line in TYPED.finditer(block.text)]
            said += [f"{block.page}: {line}: typed, so not in a text block" for line in lines]
        elif len(matching) != 1:
            said.append(f"{block}: {len(matching)} entries in {name(LIST)}")
    for row in listed:
        if not any(row.matches(block) for block in found):
            said.append(f"{name(LIST)}: {row.page}: {row.first}: there is no such block")
        if row.test and row.reason:
            said.append(f"{name(LIST)}: {row.page}: {row.first}: either a test or a reason")
        if row.test and not is_test(row.test):
            said.append(f"{name(LIST)}: {row.page}: {row.first}: there is no test {row.test}")
    return said


def is_test(place: str) -> bool:
    """Whether FILE::FUNCTION, below harness/tests, exists."""
    file, _, function = place.partition("::")
    path = ROOT / "harness" / "tests" / file
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in tree.body)
