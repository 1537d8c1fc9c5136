# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Recorded runs of bare applications, and reverse execution in real GDBs."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from hermit_harness.gdb import reverse
from hermit_harness.matrix.specs import release
from tests.support.reverse import reverse_debug


@pytest.mark.requirement("P-06")
@pytest.mark.parametrize(
    ("machine", "words", "end"),
    [
        ("pc", (), r"#0  fault_raise .*raise\.c:\d+\n#1 .* app_main .*fault\.c:\d+\n#2 .* crt_entry "),
        ("microvm", (), r"#0  fault_raise .*raise\.c:\d+\n#1 .* app_main .*fault\.c:\d+\n#2 .* crt_entry "),
        ("virt", ("--target", "aarch64-elf"), r"#0  psci_hvc .*\n#1 .* (psci_call|app_reset) "),
    ],
)
def test_backwards_from_a_failure(machine: str, words: tuple[str, ...], end: str) -> None:
    """From the last instruction back to an earlier call, and on to the first instruction."""
    done = reverse_debug("--machine", machine, *words, "fault")
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert re.search(r"hermitctl: recorded \d+ instructions \(guest-reset\); GDB stopped at the last one", done.stderr)
    assert re.search(end, said), said
    back = said[said.index("Breakpoint 1, app_main") :]
    assert re.search(r"#0  app_main .*fault\.c:\d+\n#1 .* crt_entry .*crt\.c:\d+\n", back), said
    first = {"virt": "loader_start"}.get(machine, "0x000000000000fff0")
    assert first in back, said


def test_output_appears_once() -> None:
    """Replays print nothing again."""
    done = reverse_debug("hello", commands=("reverse-stepi", "info registers pc"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Hello from a bare Hermit application") == 1
    assert "(halted for good)" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--target", "riscv64-sbi"), "QEMU cannot go backwards on riscv64"),
        (("--accel", "kvm"), "a run can be recorded by TCG alone"),
        (("--machine", "ovmf", "--target", "x86_64-uefi"), "a run by firmware in flash (ovmf) cannot be recorded"),
    ],
)
def test_what_cannot_be_recorded_is_refused(words: tuple[str, ...], sentence: str) -> None:
    """One sentence appears before anything starts."""
    done = reverse_debug(*words, "fault")
    assert done.returncode == 125
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_command_line_of_a_replay(tmp_path: Path) -> None:
    """The command line of a replay differs from its recording in one word."""
    spec = release("hello")
    recording = reverse.Recording(spec, tmp_path, 1, None, "")
    record, replay = (reverse.arguments(tmp_path, mode, "x86_64") for mode in ("record", "replay"))
    assert recording.replay.extra[-len(replay) :] == replay
    assert [a for a, b in zip(record, replay, strict=True) if a != b] == [
        f"shift=auto,rr=record,rrfile={tmp_path}/recording,rrsnapshot=start"
    ]


def test_empty_disk() -> None:
    """The disk for snapshots has four clusters, each with a reference count of one."""
    disk = reverse.empty_disk(64 << 20)
    assert len(disk) == 4 << 16
    magic, version, _, _, bits, size = struct.unpack_from(">4sIQIIQ", disk)
    assert (magic, version, bits, size) == (b"QFI\xfb", 2, 16, 64 << 20)
    assert struct.unpack_from(">5H", disk, 2 << 16) == (1, 1, 1, 1, 0)
