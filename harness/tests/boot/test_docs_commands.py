# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Run the command blocks of the pages as a reader would, and compare what they print with what the page shows.

blocks.toml says what takes the place of the reader's own files. Each block runs in a network namespace, as root of a
user namespace, so that `sudo` is a program that does nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.paths import ROOT
from tests.support.pages import Block, Row, blocks, rows

SECONDS = 240
VENV = ROOT / "build" / "venv" / "bin"
PROMPT = "(gdb) "
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# What differs from run to run: addresses, numbers, a commit.
VARIES = re.compile(r"0x[0-9a-f]+|\b[0-9a-f]{7,40}\b|\d+")


def runnable() -> list[tuple[Block, Row]]:
    listed = [row for row in rows() if row.runs]
    return [(block, row) for block in blocks() for row in listed if row.matches(block)]


def plain(line: str) -> str:
    """A line without colour, prompts, place of the checkout and what varies."""
    text = ANSI.sub("", line).replace(f"{ROOT}/", "")
    while text.startswith(PROMPT):
        text = text.removeprefix(PROMPT)
    return " ".join(VARIES.sub("N", text).split())


def missing(shown: str, printed: str) -> list[str]:
    """The lines that a page shows and the block did not print. An ellipsis matches any text."""
    got = [plain(line) for line in printed.splitlines()]
    left = []
    for line in shown.splitlines():
        pattern = re.escape(plain(line)).replace("…", ".*")
        if line.strip() and not line.startswith(PROMPT) and not any(re.fullmatch(pattern, one) for one in got):
            left.append(line)
    return left


def typed(block: Block) -> str:
    """What the page types at GDB's prompt."""
    lines = [line.removeprefix(PROMPT) for line in block.output.splitlines() if line.startswith(PROMPT)]
    return "".join(f"{line}\n" for line in lines)


class Shell:
    """The place where blocks run: a namespace, a directory, an environment."""

    def __init__(self, lab: NetworkNamespace, directory: Path) -> None:
        self._lab = lab
        self.directory = directory
        (directory / "bin").mkdir()
        (directory / "run").mkdir(mode=0o700)
        (directory / "bin" / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (directory / "bin" / "sudo").chmod(0o755)
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HERMIT_", "MAKE", "MFLAGS"))}
        for key in ("CELL", "K", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST"):
            kept.pop(key, None)
        self._environment = {
            **kept,
            "PATH": f"{directory / 'bin'}:{VENV}:{os.environ['PATH']}",
            "USER": "root",
            "XDG_RUNTIME_DIR": str(directory / "run"),
            "TMPDIR": str(directory),
            "HERMIT_ARTIFACTS": str(directory / "artifacts"),
            "SETUP": "no",
        }

    def start(self, block: Block, row: Row) -> subprocess.Popen[str]:
        """Start a block, its standard error joined to its output."""
        text = block.text
        for old, new in row.replace.items():
            assert old in text, f"{block}: blocks.toml replaces {old}, which is not there"
            text = text.replace(old, new.replace("<ROOT>", str(ROOT)).replace("<TMP>", str(self.directory)))
        for place, image in row.files.items():
            file = self.directory / "home" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(images()[image].path, file)
        here = self.directory / "home" if row.files else ROOT
        return subprocess.Popen(
            [*self._lab.enter_command, "env", "-C", here, "sh", "-e", "-c", text],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def read_until(self, program: subprocess.Popen[str], pattern: str) -> str:
        """What it prints up to a line with this pattern."""
        printed = ""
        assert program.stdout
        for line in program.stdout:
            printed += line
            if re.search(pattern, line):
                return printed
        pytest.fail(f"it ended with {program.wait()} before it printed {pattern}:\n{printed}")


@pytest.fixture
def shell() -> Iterator[Shell]:
    # a name in here is that of a socket, which must be short
    with NetworkNamespace() as lab, tempfile.TemporaryDirectory(prefix="docs-", dir="/tmp") as directory:
        yield Shell(lab, Path(directory))


@pytest.mark.requirement("L-01", "P-05", "C-31")
@pytest.mark.parametrize(("block", "row"), [pytest.param(*pair, id=str(pair[0])) for pair in runnable()])
def test_block(block: Block, row: Row, shell: Shell) -> None:
    """A block ends as blocks.toml says, and prints what the page shows."""
    with ExitStack() as stack:
        if row.beside:
            other, its = next(pair for pair in runnable() if (pair[0].page, pair[0].first) == (row.page, row.beside))
            beside = shell.start(other, its)
            stack.callback(beside.wait)
            stack.callback(beside.kill)
            shell.read_until(beside, its.until)
        program = shell.start(block, row)
        stack.callback(program.wait)
        stack.callback(program.kill)
        if row.until:
            printed = shell.read_until(program, row.until)
        else:
            printed, _ = program.communicate(typed(block), timeout=SECONDS)
            assert program.returncode == row.status, printed
    assert missing(block.output, printed.replace(str(shell.directory), "/tmp")) == [], printed
    for pattern in row.prints:
        assert re.search(pattern, printed), printed


def test_comparison() -> None:
    """Numbers and an ellipsis match anything, words do not."""
    printed = "\x1b[1mCPU 3 at 0x20\x1b[0m\n(gdb) level 3  table\napp exit 0; end\n"
    assert missing("CPU 0 at 0x400\n…\n(gdb) info\nlevel 2 table\napp … end\n", printed) == []
    assert missing("CPU 0 at 400\nlevel 2 tables\n", printed) == ["level 2 tables"]
