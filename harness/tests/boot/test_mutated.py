# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Real and bare applications with deterministic damage: a run, a refusal, or the application's own end.

`make soak` boots more of them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.verdict.outcome import Outcome
from tests.support.mutated import Written, damaged, ended_badly, spec_of, written

REAL = "real-hello-0.11.0-microvm"


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("seed", range(6))
def test_damaged_real_application(seed: int, tmp_path: Path) -> None:
    file = tmp_path / "app"
    file.write_bytes(damaged(images()[REAL].path.read_bytes(), seed))
    assert ended_badly(boot(spec_of(REAL, file))) == ""


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize("seed", [None, 0, 1, 2])
def test_loader_writes_only_to_its_own(seed: int | None, tmp_path: Path) -> None:
    """Memory before and after the loader differs in the loader, the image and the hand-over block only."""
    data = images()["hello"].path.read_bytes()
    file = tmp_path / "app"
    file.write_bytes(data if seed is None else damaged(data, seed))
    spec = replace(spec_of("hello", file), append="loader.log=debug", memory="64M")
    outcome = boot(spec)
    assert ended_badly(outcome) == ""
    found = written(spec, outcome.console, tmp_path)
    assert found and found.changed and found.outside == []


def test_write_outside_is_found() -> None:
    assert Written([0, 4096, 8192], [(4100, 8192)]).outside == [0, 8192]


@pytest.mark.parametrize(
    ("verdict", "console", "bad"),
    [
        ("hang", b"[LOADER][INFO] Hermit loader\n", "neither refused nor handed over"),
        ("refused", b"[LOADER][ERROR] 65 no-such-rule: x\n", "refused by 65 no-such-rule"),
        ("refused", b"[LOADER][ERROR] 65 no-module: x\n", ""),
        ("refused", b"[LOADER][ERROR] 101 cpu-exception: x\n", "refused by 101 cpu-exception"),
        ("hang", b"[LOADER][INFO] Loading kernel to 0x200000..0x300000 (len\n", ""),
        ("infra", b"", "infra"),
    ],
)
def test_which_ends_are_bad(verdict: str, console: bytes, bad: str) -> None:
    outcome = Outcome(verdict, None, "loader", "bare", "", "", "", console, None, ())
    assert ended_badly(outcome).startswith(bad) and bool(ended_badly(outcome)) == bool(bad)
