# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Guests that misbehave, started for real: each has one right verdict. If these fail, believe nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import Image, images
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

LIARS = [image for image in images().values() if image.kind == "liar"]
# These two use the keyboard controller and ACPI's power register, which a microvm has not.
ONLY_PC = ("liar-reset", "liar-poweroff")


def liar(image: Image, folder: Path, machine: str = "microvm", **more: object) -> Outcome:
    spec = RunSpec(
        loader=image.path,
        app=None,
        machine="pc" if image.id in ONLY_PC else machine,
        end=image.end,
        cpu_seconds=1.0,
        expect=image.expect,
        **more,  # type: ignore[arg-type]
    )
    return boot(spec, artifacts=folder)


@pytest.mark.requirement("P-11")
@pytest.mark.parametrize("image", LIARS, ids=lambda image: image.id)
def test_verdict(image: Image, tmp_path: Path) -> None:
    """Hang, triple fault, wrong exit, panic then success, junk, ignored debug-exit, late output …"""
    outcome = liar(image, tmp_path)
    assert outcome.verdict == image.extra["verdict"], outcome.cause
    assert image.greeting.encode() in outcome.console


def test_what_must_lie() -> None:
    """The list that the harness owes."""
    wanted = {"hang", "spin", "triple", "wrong-exit", "panic-success", "junk", "ignored-exit", "late-output", "forged"}
    assert {f"liar-{word}" for word in wanted} <= {image.id for image in LIARS}


def test_forged_refusal_is_app_exit_67(tmp_path: Path) -> None:
    """An application that prints a loader's refusal and ends with 67 is reported as its own exit."""
    outcome = liar(images()["liar-forged"], tmp_path)
    assert str(outcome) == "app exit 67"
    assert outcome.origin == "app"


def test_late_output_is_kept(tmp_path: Path) -> None:
    """Bytes without a line end, right before the end, are not lost; what comes after the write is tolerated."""
    outcome = liar(images()["liar-late-output"], tmp_path, machine="pc")
    assert outcome.matches("exit 0")
    assert b"last words without a line end" in outcome.console


def test_junk_is_bounded(tmp_path: Path) -> None:
    """Endless bytes of every value: the record on disk is capped, nothing needs UTF-8."""
    outcome = liar(images()["liar-junk"], tmp_path)
    size = (tmp_path / "console.log").stat().st_size
    assert 1000 < size <= 1100 * 1024
    assert outcome.verdict == "timeout"


def test_halt_is_seen_early(tmp_path: Path) -> None:
    """A guest that can never wake is over at once, not at the deadline."""
    outcome = liar(images()["liar-hang"], tmp_path, wall_seconds=60.0)
    assert outcome.timings["end"] < 10
    assert "halted for good" in outcome.cause


def test_wall_cap(tmp_path: Path) -> None:
    """A guest that waits for ever uses no CPU time: the wall cap ends it."""
    outcome = boot(
        RunSpec(loader=images()["liar-spin"].path, app=None, machine="microvm", cpu_seconds=60.0, wall_seconds=0.7),
        artifacts=tmp_path,
    )
    assert outcome.verdict == "hang"
    assert "wall time" in outcome.cause
