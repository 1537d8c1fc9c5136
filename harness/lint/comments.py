# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Divide source text into code and comments, line by line."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from lint.tree import Source

# What begins a comment to the end of the line, and whether /* */ exists.
LINE_MARK = {"c": "//", "rust": "//", "gas": "//", "nasm": ";"}
BLOCKS = ("c", "rust", "gas", "ld")
HASH = ("make", "shell", "python", "toml", "awk")
C_TOKEN = re.compile(r"//.*|/\*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])+'")
NASM_TOKEN = re.compile(r";.*|\"[^\"]*\"|'[^']*'")
HASH_TOKEN = re.compile(r"(?:^|(?<=\s))#.*|\"(?:\\.|[^\"\\])*\"|'[^']*'")


@dataclass(frozen=True)
class Line:
    """The code of a line, strings included, and its comment without the marks."""

    code: str
    comment: str

    @property
    def only_comment(self) -> bool:
        return bool(self.comment.strip()) and not self.code.strip()


def divided(source: Source) -> list[Line]:
    """Return the lines of a file. Markdown is all comment; an unknown language is all code."""
    if source.kind == "markdown":
        return [Line("", line) for line in source.lines]
    if source.kind in BLOCKS:
        return _c_like(source.lines, source.kind != "ld")
    if source.kind == "nasm":
        return [_by(NASM_TOKEN, ";", line) for line in source.lines]
    if source.kind in HASH:
        return _hash(source)
    return [Line(line, "") for line in source.lines]


def _c_like(lines: list[str], line_marks: bool) -> list[Line]:
    found, inside = [], False
    for line in lines:
        code, comment, at = "", "", 0
        while at < len(line):
            if inside:
                end = line.find("*/", at)
                comment += line[at : len(line) if end < 0 else end]
                inside, at = end < 0, len(line) if end < 0 else end + 2
                continue
            token = C_TOKEN.search(line, at)
            code += line[at : token.start() if token else len(line)]
            if token is None:
                break
            at = token.end()
            if token.group() == "/*":
                inside = True
            elif token.group().startswith("//") and line_marks:
                comment += token.group()[2:]
            else:
                code += token.group()
        found.append(Line(code, comment.strip(" \t*")))
    return found


def _by(tokens: re.Pattern[str], mark: str, line: str) -> Line:
    for token in tokens.finditer(line):
        if token.group().startswith(mark):
            return Line(line[: token.start()], token.group().lstrip(mark).strip())
    return Line(line, "")


def _hash(source: Source) -> list[Line]:
    lines = [_by(HASH_TOKEN, "#", line) for line in source.lines]
    if source.kind == "python":
        for first, last in docstrings(source.text):
            for number in range(first, last + 1):
                lines[number - 1] = Line("", source.lines[number - 1].strip().strip('"'))
    return lines


def docstrings(text: str) -> list[tuple[int, int]]:
    """Return the first and last line of each docstring; nothing for a file that does not parse."""
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if first is not None and ast.get_docstring(node, clean=False) is not None:
                found.append((first.lineno, first.end_lineno or first.lineno))
    return found
