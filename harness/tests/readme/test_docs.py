# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the pages say is there: links, anchors, files, verbs of make, commands and options of hermitctl."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermit_harness import options
from hermit_harness.cli.main import COMMANDS
from hermit_harness.paths import ROOT
from lint import arrows
from tests.support.pages import BLOCK, PAGES

MAX_LINES = {"README.md": 115, "CHANGELOG.md": 1000}  # other pages: MAX_PAGE_LINES
MAX_PAGE_LINES = 150
ROOMS = ("ci", "docs", "fixtures", "harness", "loader", "netsetup")


def names(pages: tuple[Path, ...] = PAGES) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    heads = re.findall(r"^#+ +(.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", names())
def test_page_is_short(name: str) -> None:
    """A page is of one topic; the README is of one or two screens."""
    lines = (ROOT / name).read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES.get(name, MAX_PAGE_LINES), f"{lines} lines: move a topic to a page of its own"


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Return each link of a page to a file of this tree: link text, file, anchor."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in link:
            file, _, anchor = link.partition("#")
            yield link, (page.parent / file).resolve() if file else page, anchor


def code(page: Path) -> list[str]:
    """The commands of a page: the lines of its code blocks, continued ones joined, and the text in backticks."""
    text = page.read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for block in BLOCK.finditer(text) for line in block[2].splitlines()]
    return lines + re.findall(r"^ {4}(.*)$", text, re.M) + re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


@pytest.mark.parametrize("name", names())
def test_links(name: str) -> None:
    """Every link refers to a file, every anchor to a heading."""
    for link, file, anchor in links(ROOT / name):
        assert file.exists(), link
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), link


def test_every_page_is_one_click_away() -> None:
    """From the README each page is reached at once."""
    linked = {file for _, file, _ in links(ROOT / "README.md")}
    assert set(PAGES) - linked <= {ROOT / "README.md"}


def test_arrows_of_the_architecture() -> None:
    """docs/architecture.md has the layers of the import lint, in its order, and the directions of includes."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    line = re.findall(r"^\| harness \| (.*)", page, re.M)[0]
    drawn = [set(re.findall(r"`(\w+)`", layer)) for layer in line.split("←")]
    named = set().union(*drawn)
    layers = [named & set(layer) for layer in arrows.LAYERS]
    assert drawn == [layer for layer in layers if layer]
    rooms = {path.parent.name for path in (ROOT / "harness" / "hermit_harness").glob("*/__init__.py")}
    assert rooms <= named
    for room, allowed in arrows.LOADER.items():
        row = re.search(rf"^\| `{room}` \| (.*) \|$", page, re.M)
        assert not row or set(re.findall(r"`(\w+)`", row[1])) == set(allowed), room


@pytest.mark.parametrize("name", names())
def test_verbs_and_commands(name: str) -> None:
    """Every verb shown after `make` and `hermitctl` exists."""
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    for shown in code(ROOT / name):
        verb = re.match(r"(?:[A-Z_]+=\S+ )*make ([a-z][a-z-]+)(?=\s|$)", shown)
        assert not verb or verb[1] in verbs, shown
        word = re.search(r"(?:^|[\s/])hermitctl ([a-z][\w-]*)", shown)
        assert not word or word[1] in COMMANDS, shown


@pytest.mark.parametrize("name", names())
def test_options(name: str) -> None:
    """Each option of `hermitctl run` and `debug`, and each variable of `make run` and `debug`, exists."""
    rows = options.OPTIONS + options.DEBUG_OPTIONS
    flags = {f"--{row.flag}" for row in rows} | {"--json", "--dry-run", "--print", "--help", "--report"}
    variables = {row.name for row in rows} | {"APP", "SETUP", "YES", "GDB", "V"}
    for shown in code(ROOT / name):
        call = re.search(r"hermitctl (?:run|debug)\b(.*)", shown.partition(" #")[0])
        for flag in re.findall(r"(?<=\s)--[a-z-]+", call[1].partition(" -- ")[0] if call else ""):
            assert flag in flags, shown
        made = re.match(r"make (?:run|debug|rdebug|qemu)\b(.*)", shown.partition(" #")[0])
        for variable in re.findall(r"\s([A-Z_]+)=", made[1] if made else ""):
            assert variable in variables, shown


@pytest.mark.parametrize("name", names())
def test_files(name: str) -> None:
    """A path of this tree in backticks is there."""
    directory = (ROOT / name).parent
    for shown in re.findall(r"`([\w./*<>-]+)`", (ROOT / name).read_text(encoding="utf-8")):
        if shown.split("/")[0] in ROOMS and "/" in shown and "<" not in shown:
            assert any(True for place in (ROOT, directory) for _ in place.glob(shown.rstrip("/"))), shown
