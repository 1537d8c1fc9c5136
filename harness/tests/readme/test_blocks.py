# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Every code block of the pages is executed by a test, or blocks.toml says why it is not."""

from __future__ import annotations

import pytest

from tests.support.pages import Block, Row, blocks, blocks_of, problems, rows

PAGE = "docs/page.md"


def test_every_block_is_executed() -> None:
    """A new block needs an entry in blocks.toml; an entry needs its block and its test."""
    assert problems(blocks(), rows()) == []


@pytest.mark.parametrize(
    ("text", "listed", "said"),
    [
        ("```sh\nmake new\n```\n", [], "docs/page.md: make new: 0 entries"),
        ("```sh\nmake new\n```\n", [Row(PAGE, "make *"), Row(PAGE, "make new")], "docs/page.md: make new: 2 entries"),
        ("Text.\n\n    make new\n", [], "docs/page.md: make new: a code block needs a language"),
        ("```text\nmake new\n```\n", [], "docs/page.md: make new: typed, so not in a text block"),
        ("```text\nA=1 sudo ls\n```\n", [], "docs/page.md: A=1 sudo ls: typed, so not in a text block"),
        ("", [Row(PAGE, "make new", reason="slow")], "there is no such block"),
        ("```sh\nmake\n```\n", [Row(PAGE, "make", test="boot/test_x.py::test_y")], "there is no test boot/test_x.py"),
        ("```sh\nmake\n```\n", [Row(PAGE, "make", reason="slow", test="x")], "either a test or a reason"),
    ],
)
def test_what_is_missing_is_named(text: str, listed: list[Row], said: str) -> None:
    """Each way to leave a block without a test is one sentence."""
    assert said in "\n".join(problems(list(blocks_of(PAGE, text)), listed))


def test_blocks_of_a_page() -> None:
    """Language, first line without comment, and the output that follows, in the same section."""
    text = "```sh\nmake run  # once\nmake\n```\n\nText:\n\n```text\nline\n```\n\n## Next\n\n```text\nmore\n```\n"
    first, output, more = blocks_of(PAGE, text)
    assert (first.language, first.first, first.output) == ("sh", "make run", "line\n")
    assert (output.output, more.text) == ("", "more\n")
    assert problems([first, output, more], [Row(PAGE, "make run")]) == []
    assert isinstance(first, Block)
