# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is left on the terminal when a run is over: the last line by its width, and the frames that are a user's own."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.cli.summary import last_line, summary, wrapped
from hermit_harness.postmortem import frames
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

LOADER = Path("hermit-loader-x86_64-multiboot")
SPEC = RunSpec(LOADER, Path("hello"), "pc")
GOOD = Outcome("pass", 0, "app", "bare", "", "", "", b"", 3, (), {"end": 0.2241})
LONG = "hermitctl: page fault at 0x202d0e in fault_raise: it writes to 0x400000000000, which is not mapped"
REFUSED = replace(GOOD, verdict="refused", status=67, origin="loader", rule="elf-truncated", status_class="not-elf")
WIDTHS = {
    76: "app exit 0 after 224 ms · hello, Hermit 0.11.0 · x86_64-multiboot on pc, tcg",
    64: "app exit 0 after 224 ms · hello · x86_64-multiboot on pc, tcg",
    50: "app exit 0 after 224 ms · hello · pc, tcg",
    35: "app exit 0 after 224 ms · pc, tcg",
    10: "app exit 0 after 224 ms",
}


@pytest.mark.parametrize("width", WIDTHS)
def test_last_line_fits(width: int) -> None:
    """What a terminal has no room for is left out, the verdict last of all."""
    line = last_line(SPEC, GOOD, "hello", "0.11.0", width)
    assert line == WIDTHS[width]
    assert width == 10 or len(line) <= width


def test_sentences_are_broken_between_words() -> None:
    """A terminal shows numbers and paths whole; other streams get one line for each sentence."""
    lines = wrapped(LONG, 60)
    assert len(lines) == 2 and all(len(line) <= 60 for line in lines)
    assert " ".join(map(str.strip, lines)) == LONG
    assert wrapped(LONG, math.inf) == [LONG]
    assert wrapped("  #0 0x1 " + "f" * 80, 60) == ["  #0 0x1 " + "f" * 80]


def test_last_line_of_other_ends() -> None:
    def line(outcome: Outcome, spec: RunSpec = SPEC) -> str:
        return last_line(spec, outcome, "hello", "", math.inf)

    assert line(REFUSED).startswith("loader refused 67 not-elf elf-truncated after 224 ms · hello · ")
    assert line(replace(GOOD, verdict="infra", origin="qemu", timings={})).startswith("infra, never ran · hello · ")
    assert line(GOOD, replace(SPEC, app=None)).endswith(" · without loader on pc, tcg")


@pytest.mark.parametrize(
    ("times", "hinted"),
    [({"kernel_line": 0.1}, True), ({"kernel_line": 0.1, "application_line": 0.2}, False), ({}, False)],
    ids=["in-the-kernel", "in-the-application", "without-a-kernel"],
)
def test_hint_of_microvm(times: dict[str, float], hinted: bool) -> None:
    """A crash can be due to the kernel's features only before the application's first line."""
    outcome = replace(GOOD, verdict="crash", cause="page fault", timings={"end": 0.3, **times})
    assert ("feature pci" in summary(replace(SPEC, machine="microvm"), outcome, "x", "0.11.0")) == hinted


def frame(function: str, where: str = "", source: str = "") -> frames.Frame:
    return {"pc": "0x1", "function": function, "where": where, "source": source}


KERNEL, PANIC = frame("hermit::syscalls::shutdown"), frame("core::panicking::panic_fmt")
OWN = frame("demo::main", "src/main.rs:3", 'panic!("no")')
LIBRARY = frame("call_once", "/home/me/rustup/lib/rustlib/src/rust/library/core/src/ops/function.rs:250")
PACKAGE = frame("bytes::get", "/home/me/cargo/registry/src/index-1949/bytes-1.6.0/src/lib.rs:9")


def shown(*rows: frames.Frame) -> list[str]:
    return frames.screen([{"cpu": 0, "pc": "0x1", "raised": "", "frames": list(rows)}])[1:]


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        (
            (KERNEL, KERNEL, PANIC, OWN, LIBRARY, KERNEL),
            [
                "  … 3 frames of the panic itself",
                "  #3 0x1 demo::main src/main.rs:3",
                '     3 | panic!("no")',
                "  … 2 frames of kernel and library",
            ],
        ),
        # Where it stopped is shown, whoever's it is: the application may have given the kernel a wrong pointer.
        (
            (KERNEL, KERNEL, OWN),
            [
                "  #0 0x1 hermit::syscalls::shutdown",
                "  … 1 frame of kernel and library",
                "  #2 0x1 demo::main src/main.rs:3",
                '     3 | panic!("no")',
            ],
        ),
        ((KERNEL, KERNEL), ["  #0 0x1 hermit::syscalls::shutdown", "  #1 0x1 hermit::syscalls::shutdown"]),
        ((LIBRARY, PACKAGE), [
            "  #0 0x1 call_once library/core/src/ops/function.rs:250",
            "  #1 0x1 bytes::get bytes-1.6.0/src/lib.rs:9",
        ]),
        ((KERNEL, *[OWN] * 20), ["  #0 0x1 hermit::syscalls::shutdown", *["frame"] * 24, "  … 8 frames more"]),
    ],
    ids=["panic", "kernel-first", "kernel-only", "paths", "recursion"],
)  # fmt: skip
def test_frames(rows: tuple[frames.Frame, ...], lines: list[str]) -> None:
    """The application's frames stay, the others are counted; without any of its own all are shown."""
    found = shown(*rows)
    assert len(found) == len(lines)
    assert all(line in ("frame", printed) for line, printed in zip(lines, found, strict=True)), found


def test_path_below_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert frames.relative("/home/me/.local/state/x") == "~/.local/state/x"
    assert frames.relative(f"{tmp_path}/src/main.rs:3") == "src/main.rs:3"
    assert frames.relative("/some/main.rs:3") == "/some/main.rs:3"


def test_whose_panic() -> None:
    """The first caller that is not of Rust's library decides."""
    cases = [([PANIC, LIBRARY, OWN, KERNEL], True), ([PANIC, LIBRARY, KERNEL, OWN], False), ([OWN, KERNEL], False)]
    for rows, expected in cases:
        assert frames.is_panic_of_application([{"frames": rows}]) is expected
