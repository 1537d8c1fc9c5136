# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl explain`, `ps` and `stop`."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import pytest

from hermit_harness.cli.explain import EXIT_STATUSES, explain
from hermit_harness.gdb import running
from hermit_harness.paths import ROOT
from hermit_harness.status import statuses
from hermit_harness.verdict.outcome import VERDICTS
from tests.support.cli import ctl, hermitctl


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("67", ["67 elf-truncated: the loader refused", "elf-segment-beyond-file: a segment's", "build it again"]),
        ("elf-truncated", ["67 elf-truncated", "elf-header-beyond-file"]),
        ("elf-wrong-machine", ["73 elf-wrong-machine", "omit --target"]),
        ("hang", ["every CPU halted", "docs/verdicts.md"]),
        ("130", ["SIGINT", "An application may exit with the same number"]),
        ("3", ["3: the application's own status"]),
        ("x86_64-multiboot/pc/tcg/hello", ["expected: exit 0", "make debug CELL=x86_64-multiboot/pc/tcg/hello"]),
    ],
)
def test_meaning(word: str, said: list[str]) -> None:
    """Each kind of word is explained."""
    text = "\n".join(explain(word))
    assert all(part in text for part in said), text


def test_rule_word_explains_no_other_rule() -> None:
    """A rule word selects its own line of the class."""
    assert not any("elf-wrong-version" in line for line in explain("elf-not-64-bit"))


@pytest.mark.parametrize(
    ("word", "said"), [("elf-trunkated", "near: elf-truncated"), ("256", "0 to 255"), ("no/such/cell", "no cell")]
)
def test_unknown_word(word: str, said: str) -> None:
    """An unknown word gets one sentence with the nearest words."""
    with pytest.raises(ValueError, match=re.escape(said)):
        explain(word)


def test_every_word_is_explained() -> None:
    """Every rule, every class and every verdict has an explanation, which names it."""
    words = {word for row in statuses() for word in (row.rule, row.class_word)} | set(VERDICTS)
    assert all(word in "\n".join(explain(word)) for word in words)


def test_pages_say_the_same() -> None:
    """The tables of the pages have these words."""
    verdicts = (ROOT / "docs" / "verdicts.md").read_text()
    assert all(re.search(rf"^\| {word} \| {re.escape(text)}", verdicts, re.M) for word, text in VERDICTS.items())
    project = (ROOT / "docs" / "your-project.md").read_text()
    assert all(str(number) in project for number in EXIT_STATUSES)


def test_ps_and_stop(tmp_path: Path) -> None:
    """A guest is listed while it runs; `stop` ends it with SIGTERM's status, and nothing is listed any more."""
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with hermitctl("--isolate", "--gdb-port=1234", "hang", variables=env) as (process, line_with):
        line_with("GDB may connect")  # it is registered now
        listed = json.loads(ctl("ps", "--json", env=env).stdout)
        assert [row["pid"] for row in listed] == [process.pid] and str(listed[0]["app"]).endswith("/hang")
        assert f"{process.pid}: " in ctl("ps", env=env).stdout
        assert "--all" in ctl("stop", env=env).stderr
        missing = ctl("stop", "1", env=env)
        assert (missing.returncode, "1 is no guest that runs" in missing.stderr) == (125, True)
        assert ctl("stop", process.pid, env=env).returncode == 0
        assert process.wait(60) == 143
    assert ctl("ps", env=env).stdout == ""


def test_ps_while_the_registration_is_rewritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest is listed before, while and after its registration is rewritten, and not after its end."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    guest = running.RunningGuest(
        os.getpid(), "hang", "loader", "x86_64-multiboot", "pc", str(running.own_socket_path())
    )
    point = running.AttachPoint(guest, [])
    seen = [list(running.running_guests())]
    write = json.dump

    def interrupted(value: object, file: IO[str]) -> None:
        file.write("{")
        file.flush()
        seen.append(list(running.running_guests()))
        file.seek(0)
        write(value, file)

    monkeypatch.setattr("hermit_harness.gdb.running.json.dump", interrupted)
    point._supervisor = SimpleNamespace(boot_log=SimpleNamespace(load_range=(0x200000, 0x300000)))  # type: ignore[assignment]
    point.on_output(b"")
    seen.append(list(running.running_guests()))
    point.close()
    assert seen == [[guest], [guest], [replace(guest, start=0x200000)]]
    assert list(running.running_guests()) == [] and list(running.directory().iterdir()) == []
