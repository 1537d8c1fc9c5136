# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Guests that misbehave in known ways, each with one right verdict. If these tests fail, trust no other result."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.cli.summary import exit_status
from hermit_harness.fixtures import FixtureImage, images
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

LIARS = [image for image in images().values() if image.kind == "liar"]
# These use the keyboard controller and ACPI's power register, which microvm lacks.
ONLY_PC = ("liar-reset", "liar-poweroff", "liar-said-reset", "liar-said-poweroff")


def liar(image: FixtureImage, directory: Path, machine: str = "microvm", **more: object) -> Outcome:
    spec = RunSpec(
        loader=image.path,
        app=None,
        machine="pc" if image.id in ONLY_PC else machine,
        end=image.end,
        cpu_seconds=1.0,
        expect=image.expect,
        **more,  # type: ignore[arg-type]
    )
    return boot(spec, artifacts=directory)


@pytest.mark.requirement("P-11")
@pytest.mark.parametrize("image", LIARS, ids=lambda image: image.id)
def test_verdict(image: FixtureImage, tmp_path: Path) -> None:
    """Hang, triple fault, wrong exit, panic then success, garbage, ignored exit device, late output and more."""
    outcome = liar(image, tmp_path)
    assert outcome.verdict == image.extra["verdict"], outcome.cause
    assert image.greeting.encode() in outcome.console


def test_required_liars_exist() -> None:
    wanted = {"hang", "spin", "triple", "wrong-exit", "panic-success", "junk", "ignored-exit", "late-output", "forged"}
    assert {f"liar-{word}" for word in wanted} <= {image.id for image in LIARS}


# An application of aarch64 or riscv64 that prints the kernel's last line, and what the harness must conclude.
SAID = [
    ("exit status 0", "reset", "crash", None),
    ("exit status 0", "spin", "hang", None),
    ("exit status 0", "panic", "panic", 1),
    ("exit status 0", "5", "wrong-exit", 5),  # QEMU's own status wins
    ("exit status 0\\nand on", "poweroff", "wrong-exit", None),
    ("failedexit status 5", "poweroff", "wrong-exit", 5),
    ("\\e[31mfailed\\rexit status 5\\e[0m\\r\\n\\e[", "poweroff", "wrong-exit", 5),
    ("\\e[exit status 5\\n", "poweroff", "wrong-exit", 5),
    ("doneexit status 0\\n", "poweroff", "pass", 0),
]


@pytest.mark.requirement("P-11", "L-12")
@pytest.mark.parametrize(("text", "how", "verdict", "status"), SAID)
@pytest.mark.parametrize("target", ["aarch64-elf", "riscv64-sbi"])
def test_what_the_console_says(
    target: str, text: str, how: str, verdict: str, status: int | None, tmp_path: Path
) -> None:
    """Only the end of the output counts, and only with the kernel's own way to end."""
    spec = specs.release("say", target_name=target, append=f"-- '{text}' {how}", cpu_seconds=2.0, expect="exit 0")
    outcome = boot(spec, artifacts=tmp_path)
    assert (outcome.verdict, outcome.status) == (verdict, status), outcome.cause


def test_forged_refusal_is_app_exit_67(tmp_path: Path) -> None:
    """An application that prints a refusal of the loader and exits with 67 is reported as its own exit."""
    outcome = liar(images()["liar-forged"], tmp_path)
    assert str(outcome) == "app exit 67"
    assert outcome.origin == "app"


@pytest.mark.parametrize("name", ["fault", "fault-coloured", "fault-split", "fault-mid-line", "fault-cut"])
def test_printed_fault_ends_nothing(name: str, tmp_path: Path) -> None:
    """An application that prints a kernel's report of an exception continues. It is held for a moment at most."""
    outcome = liar(images()[f"liar-{name}"], tmp_path, machine="pc")
    assert outcome.matches("exit 0"), outcome.cause
    held = [line for line in (tmp_path / "qmp.jsonl").read_text().splitlines() if '"stop"' in line]
    assert bool(held) == (name != "fault-cut"), "a complete report is compared with the guest's memory"


def test_panic_of_standard_library_is_named(tmp_path: Path) -> None:
    """A panic in an application with std is named with its line; the exit status is the application's."""
    outcome = liar(images()["liar-std-panic"], tmp_path)
    panic = "thread 'main' (1) panicked at src/main.rs:5:9: no such luck;"
    assert outcome.cause.startswith(f"the application panicked: {panic}"), outcome.cause
    assert (outcome.status, exit_status(outcome)) == (-1, 255)


def test_late_output_is_kept(tmp_path: Path) -> None:
    """Bytes without a line end before the exit are kept; bytes after the write to the exit device are tolerated."""
    outcome = liar(images()["liar-late-output"], tmp_path, machine="pc")
    assert outcome.matches("exit 0")
    assert b"last words without a line end" in outcome.console


def test_garbage_is_bounded(tmp_path: Path) -> None:
    """Endless bytes of each value: the record on disk is bounded, and nothing requires UTF-8."""
    outcome = liar(images()["liar-junk"], tmp_path)
    size = (tmp_path / "console.log").stat().st_size
    assert 1000 < size <= 1100 * 1024
    assert outcome.verdict == "timeout"


def test_halt_is_detected_early(tmp_path: Path) -> None:
    """A guest that can never wake up ends at once, not at the deadline."""
    outcome = liar(images()["liar-hang"], tmp_path, wall_seconds=60.0)
    assert outcome.timings["end"] < 10
    assert "halted for good" in outcome.cause


def test_wall_clock_limit(tmp_path: Path) -> None:
    """A guest that waits forever uses no CPU time; the wall clock limit ends it."""
    outcome = boot(
        RunSpec(loader=images()["liar-spin"].path, app=None, machine="microvm", cpu_seconds=60.0, wall_seconds=0.7),
        artifacts=tmp_path,
    )
    assert outcome.verdict == "hang"
    assert "wall time" in outcome.cause
