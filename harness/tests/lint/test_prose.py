# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The prose lint finds what it claims to find, and nothing in code blocks, tables and link addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint import prose, sentences
from lint.tree import Source, Tree, kind_of


def page(text: str) -> list[sentences.Sentence]:
    return sentences.of_markdown(Source("page.md", "markdown", text))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("loader/a.c", "int x; // the word behind it\n"),
        ("loader/a.c", "int what_is_told;\n"),
        ("ci/a.sh", "echo 'It stands there'\n"),
        ("docs/a.md", "The socket Goes away.\n"),
        ("a.py", '"""QEMU tells by itself."""\n'),
        ("docs/a.md", "A thread of QEMU's that waits.\n"),
        ("harness/cable.py", ""),
    ],
)
def test_sweep_words_are_found(path: str, text: str) -> None:
    """Comments, identifiers, strings, pages and file names are searched."""
    assert prose.sweep_of(Source(path, kind_of(path, text), text))


@pytest.mark.parametrize(
    "text",
    [
        "stands for no file",
        "wildcard",
        "owner nobody",
        "goes to QEMU",
        "of QEMU's log",
        "who-has 10.0.5.1 tell 10.0.5.3",
    ],
)
def test_literal_uses_are_allowed(text: str) -> None:
    """Words that contain a sweep word, and the contexts listed as literal, are no findings."""
    assert not prose.sweep_of(Source("a.c", "c", f"// {text}\n"))


def test_sentences_of_a_page() -> None:
    """Sentences end at full stops. Inline code is one word, and a link is its text."""
    found = page(
        "# Title words\n\nRun `make run APP=x`. See [the page](docs/a.md), e.g. Section 2. Version 0.7.0 works.\n"
    )
    assert [sentence.words for sentence in found] == [2, 6, 3]
    assert {sentence.line for sentence in found} == {3}


@pytest.mark.parametrize(
    "text",
    [
        "    indented code with words\n",
        "```\nfenced code with words\n```\n",
        "| a | table |\n| --- | --- |\n",
        "## A heading of words\n",
        "<!-- a comment -->\n",
        "![image](a.png)\n",
    ],
)
def test_what_is_no_sentence(text: str) -> None:
    """Code, tables, headings, comments and images have no sentences."""
    assert page(f"{text}\n") == []


def test_list_items_are_separate() -> None:
    """An item of a list starts a sentence; its continuation lines belong to it."""
    assert [sentence.words for sentence in page("- one two\n  three\n- four\n\n1. five six\n")] == [3, 1, 2]


def test_comment_sentences() -> None:
    """Code between two comments separates their sentences; block comments lose their stars."""
    text = "// One two.\n// Three\n// four.\nint x;\n/*\n * Five six\n * seven.\n */\n"
    found = sentences.of_comments(Source("a.c", "c", text))
    assert [sentence.words for sentence in found] == [2, 2, 3]


def test_long_sentences_are_found(tmp_path: Path) -> None:
    """A page with one sentence of 45 words has one finding, which is over both limits."""
    (tmp_path / "README.md").write_text(f"Short one. {'word ' * 44}end.\n", encoding="utf-8")
    hits, too_long, sentences_of_all = prose.long_ones(Tree(tmp_path))
    assert [(hit.path, hit.line) for hit in hits] == [("README.md", 1)]
    assert (too_long, sentences_of_all) == (1, 1)
