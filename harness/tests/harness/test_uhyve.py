# SPDX-License-Identifier: Apache-2.0 OR MIT
"""uhyve's options: honoured, or refused by name."""

from __future__ import annotations

import re

import pytest

from hermit_harness.cli.uhyve import UHYVE, translated
from hermit_harness.options import OPTIONS
from hermit_harness.paths import ROOT
from tests.support.cli import ctl


@pytest.mark.requirement("N-24")
@pytest.mark.parametrize(
    ("given", "ours"),
    [
        ("-m 64M app", "--mem 64M app"),
        ("-m64M -c=2 app", "--mem 64M --smp 2 app"),
        ("--memory-size=64M --cpu-count 2 app", "--mem 64M --smp 2 app"),
        ("-s app", "--gdb-port 6677 app"),
        ("--gdb-port -m 1G app", "--gdb-port 6677 --mem 1G app"),
        ("-s 1234 app", "--gdb-port 1234 app"),
        ("--net=tap:tap7 app", "--net tap --netif tap7 app"),
        ("-n tap app", "--net tap app"),
        ("-e A=b --env-vars C=d app", "--env A=b --env C=d app"),
        # not uhyve's: ours, those of the kernel, and values
        ("--net user --args -m app -m 64M", "--net user --args -m app -m 64M"),
        ("-smp 2 app", "-smp 2 app"),
        ("-m", "-m"),
    ],
)
def test_honoured(given: str, ours: str) -> None:
    assert translated(given.split(), OPTIONS) == ours.split()


def test_one_call() -> None:
    """A command line of uhyve's means the same here."""
    done = ctl("run", "--dry-run", "-m", "70M", "-c2", "-e", "KEY=two words", "-n", "user", "hello", "-freq", "3000")
    assert "-smp 2 -m 70M" in done.stdout and "user,id=net0" in done.stdout, done.stderr
    assert re.search(r"-append .*env=KEY=two words.* -freq 3000", done.stdout)
    wrong = ctl("run", "--dry-run", "--env", "KEY", "hello")
    assert (wrong.returncode, wrong.stderr) == (125, "hermitctl: --env KEY: NAME=VALUE is wanted\n")


@pytest.mark.requirement("N-24")
@pytest.mark.parametrize("row", [row for row in UHYVE if not row.ours], ids=lambda row: row.long)
def test_refused(row: object) -> None:
    assert hasattr(row, "long") and hasattr(row, "short") and hasattr(row, "instead")
    for word in filter(None, (f"--{row.long}", f"--{row.long}=x", row.short and f"-{row.short}")):
        with pytest.raises(
            ValueError, match=re.escape(f"{word.partition('=')[0]} is an option of uhyve: {row.instead}")
        ):
            translated([word, "app"], OPTIONS)


def test_page_names_each() -> None:
    """docs/migrating.md has each option of uhyve."""
    page = (ROOT / "docs" / "migrating.md").read_text()
    assert [row.long for row in UHYVE if f"--{row.long}" not in page] == []


def test_sentence() -> None:
    done = ctl("run", "--thp", "hello")
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert done.stderr.startswith("hermitctl: --thp is an option of uhyve: ")
