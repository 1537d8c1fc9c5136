# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Completion of the shells, the manual page, and that each option is in all of them."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from hermit_harness.cli import completion
from hermit_harness.cli.config import schema
from hermit_harness.cli.main import COMMANDS, build_parser, subparsers
from hermit_harness.options import DEBUG_OPTIONS, OPTIONS
from hermit_harness.paths import BUILD, ROOT
from tests.support.cli import ENVIRONMENT, ctl
from tests.support.processes import background

SECONDS = 60


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """What `hermitctl completion` prints for each of its words."""
    return {what: ctl("completion", what).stdout for what in completion.FILES}


def test_every_option_is_everywhere(texts: dict[str, str]) -> None:
    """Each option of each command is in the manual page, in each completion and in docs/options.md; each row of the
    table is also in the schema."""
    page = (ROOT / "docs" / "options.md").read_text()
    manual = texts["man"].replace("\\-", "-")
    parsers = subparsers(build_parser())
    assert set(parsers) == set(COMMANDS)
    options = {
        (verb, name)
        for verb, parser in parsers.items()
        for action in parser._actions
        for name in action.option_strings
        if name not in ("-h", "--help")
    }
    assert len(options) > 60
    for verb, name in sorted(options):
        part = manual.partition(f"OPTIONS \\fI\\,'hermitctl {verb}'")[2].partition(".SH ")[0]
        assert re.search(rf"{re.escape(name)}\b", part), f"{verb} {name}: not in the manual page"
        in_fish = rf"-l {name[2:]}\b" if name.startswith("--") else rf"-s {name[1:]}\b"
        assert re.search(in_fish, texts["fish"]), f"{verb} {name}: not in fish"
        assert name in texts["bash"] and name in texts["zsh"], f"{verb} {name}: not in bash or zsh"
        assert re.search(rf"`{re.escape(name)}[ `]", page), f"{verb} {name}: not in docs/options.md"
    assert {row.flag for row in (*OPTIONS, *DEBUG_OPTIONS)} == set(schema()["properties"])


def test_lists() -> None:
    """The words that a completion offers: images, cells, rule words."""
    apps, cells, words = (ctl("completion", "--list", name).stdout.splitlines() for name in ("apps", "cells", "words"))
    assert {"hello", "real-hello-0.11.0"} <= set(apps)
    assert any(cell.startswith("x86_64-multiboot/") for cell in cells)
    assert {"elf-truncated", "hang"} <= set(words)


# What a shell reads at its start, with the completion in the file `completion`, and its words to read nothing else.
SHELLS = {
    "bash": (". ./completion\nPS1='ready$ '\nbind 'set enable-bracketed-paste off'\n", ("--rcfile", "rc", "-i")),
    "zsh": (
        "autoload -U compinit\ncompinit -u -D\ncp completion _hermitctl\nfpath=(. $fpath)\nautoload -U _hermitctl\n"
        "compdef _hermitctl hermitctl\nPS1='ready$ '\nunset zle_bracketed_paste\n",
        ("-f", "-i"),
    ),
    "fish": (
        "source completion\nfunction fish_prompt; echo 'ready$ '; end\n",
        ("--no-config", "-i", "-C", "source rc"),
    ),
}


@pytest.mark.parametrize("name", SHELLS)
def test_shell(name: str, tmp_path: Path, texts: dict[str, str]) -> None:
    """A person types in a shell, with the Tab key: a command, an option, a value, an image, and a file."""
    if not shutil.which(name):
        pytest.skip(f"no-shell: there is no {name} here")
    start, words = SHELLS[name]
    (tmp_path / "completion").write_text(texts[name])
    (tmp_path / "rc").write_text(start)
    (tmp_path / "an-application").write_text("")
    env = ENVIRONMENT | {"PATH": f"{BUILD / 'venv/bin'}:{ENVIRONMENT['PATH']}", "TERM": "dumb", "HISTFILE": ""}
    env |= {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with background(["setsid", "--ctty", "--wait", name, *words], SECONDS, cwd=tmp_path, env=env, **streams) as process:
        os.close(theirs)
        if name == "zsh":
            _type(ours, "source ./rc\n", "")
        _type(ours, "", "ready$ ")
        for typed, completed in (
            ("hermitctl compl\t", "hermitctl completion "),
            ("hermitctl run --on-f\t", "--on-fault"),
            ("hermitctl run --machine microvm-ac\t", "microvm-acpi-off "),
            ("hermitctl run real-hello-0.11.0-micr\t", "real-hello-0.11.0-microvm "),
            ("hermitctl debug an-a\t", "an-application "),
        ):
            _type(ours, typed, completed)
            _type(ours, "\x15", "")  # Ctrl-U empties the line
        os.write(ours, b"exit\n")
        assert process.wait(SECONDS) == 0
    os.close(ours)


def _type(terminal: int, keys: str, awaited: str) -> None:
    """Type keys, and read until the terminal shows what is awaited. AssertionError shows what it has shown instead."""
    os.write(terminal, keys.encode())
    shown, until = "", time.monotonic() + SECONDS
    while awaited not in shown.replace("\x07", ""):
        left = until - time.monotonic()
        assert left > 0 and select.select([terminal], [], [], left)[0], shown
        shown += os.read(terminal, 4096).decode(errors="replace")


def test_manual_page(texts: dict[str, str]) -> None:
    """groff formats the page without a warning; it begins with name and synopsis."""
    done = subprocess.run(
        ["man", "--warnings", "-l", "-"], input=texts["man"], capture_output=True, text=True, check=True,
        env=ENVIRONMENT | {"MANWIDTH": "80", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.stderr == ""
    assert re.search(r"NAME\n +hermitctl - boot Hermit applications.*\n\nSYNOPSIS\n +hermitctl ", done.stdout)


def test_installed_files_are_these(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ci/stage.sh packs each of them under the name by which an installation prints it."""
    script = (ROOT / "ci" / "stage.sh").read_text()
    assert re.findall(r"^(bash|zsh|fish|man) (\S+)$", script, re.M) == list(completion.FILES.items())
    monkeypatch.setattr(completion, "IS_INSTALLED", True)
    monkeypatch.setattr(completion, "ROOT", tmp_path)
    for what, name in completion.FILES.items():
        (tmp_path / "share" / name).parent.mkdir(parents=True)
        (tmp_path / "share" / name).write_text(f"{what} as packed")
        assert completion.text(what) == f"{what} as packed"
