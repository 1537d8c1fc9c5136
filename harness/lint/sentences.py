# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Split Markdown pages and comments into sentences, without code blocks, tables, headings and link addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lint.comments import divided
from lint.tree import Source

FENCE = re.compile(r"\s*(```+|~~~+)")
ITEM = re.compile(r"(\s*)([-*+]|\d+[.)])\s+|(\s*)(!!!|\?\?\?)\s")
SKIPPED = re.compile(r"\s*(\||#{1,6} |<!--.*-->\s*$|\[[^]]+\]:\s|-{3,}\s*$|={3,}\s*$|<[^>]+>\s*$|:?-+:?\s*\|)")
# Within a paragraph: an image, a link, code, a tag or an address. Each becomes its text or one word.
IMAGE = re.compile(r"!\[[^]]*\]\([^)]*\)")
LINK = re.compile(r"\[([^]]*)\](?:\([^)]*\)|\[[^]]*\])")
CODE = re.compile(r"(`+).+?\1")
TAG = re.compile(r"</?\w[^>]*>|<!--.*?-->")
ADDRESS = re.compile(r"\bhttps?://\S+")
SHORT = re.compile(r"\b(?:e\.g|i\.e|cf|vs|etc|approx|Fig|Sec|No|pp)\.$")
END = re.compile(r"[.!?][\"')\]*_]*(?=\s+[\"'(\[*_]*[A-Z0-9])")


@dataclass(frozen=True)
class Sentence:
    path: str
    line: int
    text: str

    @property
    def words(self) -> int:
        return sum(1 for word in self.text.split() if re.search(r"[A-Za-z0-9]", word))


def _paragraphs(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Yield the first line number and the text of each paragraph and list item."""
    start, words, fence, indent, blank = 0, list[str](), "", 0, True
    for number, line in enumerate([*lines, ""], 1):
        mark = FENCE.match(line)
        if mark:
            fence = "" if fence and line.strip().startswith(fence) else fence or mark.group(1)
        item = ITEM.match(line)
        column = len(line) - len(line.lstrip())
        code = blank and line.strip() != "" and column >= indent + 4 and not item
        if item and not fence and not code:
            # the text of an item begins after its mark; an admonition's text is four columns in
            indent = item.end() if item.group(2) else len(item.group(3)) + 4
        elif blank and line.strip() and column < indent:
            indent = 0
        skipped = bool(mark or fence or code or not line.strip() or SKIPPED.match(line))
        if (skipped or item) and words:
            yield start, " ".join(words)
            words = []
        if not skipped:
            start = start if words else number
            words.append(re.sub(r"^(?:\s|>)+", "", line[item.end() :] if item else line))
        # the next line of a code block needs no empty line before it
        blank = not line.strip() or code


def split(path: str, line: int, text: str) -> Iterator[Sentence]:
    """Yield the sentences of one paragraph."""
    text = CODE.sub("Code", text)
    text = ADDRESS.sub("Address", TAG.sub(" ", LINK.sub(r"\1", IMAGE.sub("", text))))
    at = 0
    for end in END.finditer(text):
        if SHORT.search(text[at : end.start() + 1]):
            continue
        yield Sentence(path, line, text[at : end.end()].strip())
        at = end.end()
    if text[at:].strip():
        yield Sentence(path, line, text[at:].strip())


def of_markdown(source: Source) -> list[Sentence]:
    """Return the sentences of a page."""
    return [sentence for line, text in _paragraphs(source.lines) for sentence in split(source.path, line, text)]


def of_comments(source: Source) -> list[Sentence]:
    """Return the sentences of a file's comments and docstrings. Code or an empty line ends a comment."""
    found, words, start = list[Sentence](), list[str](), 0
    lines = divided(source)
    for number, line in enumerate(lines, 1):
        text = line.comment.strip()
        if words and (not text or line.code.strip() or re.match(r"[-=*]{3,}|[-*] ", text)):
            found += split(source.path, start, " ".join(words))
            words = []
        if text:
            start = start if words else number
            words.append(text)
    return found + list(split(source.path, start, " ".join(words)) if words else [])
