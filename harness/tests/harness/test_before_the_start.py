# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What is refused before QEMU starts, and remedies that fit the file and the machine."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.paths import ROOT
from hermit_harness.verdict import file_format
from hermit_harness.verdict.remedy import remedy
from hermit_harness.vm.memory import guest_loader_address, memory_bytes, shortage
from tests.support.processes import background

MIB = 1 << 20
ENV = {key: value for key, value in os.environ.items() if not key.startswith("HERMIT_")}


def refused(*words: str | Path) -> tuple[str, int]:
    """Run hermitctl, which must end with 125 and no artifacts. Return its words and its memory in MiB."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--artifacts=/nonexistent/never-made", *map(str, words)]
    env = ENV | {"PYTHONPATH": str(ROOT / "harness")}
    with background(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env) as process:
        assert process.stderr is not None
        said = process.stderr.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 125, said
    return said, usage.ru_maxrss // 1024


@pytest.mark.parametrize("content", ["", "hello"], ids=["zeros", "elf"])
@pytest.mark.parametrize(("memory", "limit"), [("128M", "smaller than 3072 MiB"), ("8G", "smaller than 3072 MiB")])
def test_huge_file(content: str, memory: str, limit: str, tmp_path: Path) -> None:
    """A file of 4 GiB is refused by its size, and not read."""
    app = tmp_path / "app"
    app.write_bytes(images()[content].path.read_bytes() if content else b"")
    os.truncate(app, 4 << 30)
    said, mebibytes = refused(f"--mem={memory}", app)
    assert limit in said and "4096 MiB" in said
    assert mebibytes < 300


@pytest.mark.requirement("L-11")
@pytest.mark.parametrize(
    ("words", "least"),
    [
        (("--mem=20M", "bigbss"), "41M"),  # its segments
        (("--mem=20M", "bigfile-unloaded"), "65M"),  # its file
        (("--mem=10M", "hello-at-32m"), "33M"),  # its fixed address
        (("--target=aarch64-elf", "--mem=4M", "hello-fixed"), "9M"),
    ],
    ids=["segments", "file", "address", "aarch64"],
)
def test_memory_that_cannot_be_enough(words: tuple[str, ...], least: str) -> None:
    """What the file and the loader occupy is a lower bound, and the sentence names it."""
    said, _ = refused(*words)
    assert f"needs at least --mem {least} with its loader" in said


def test_recorded_minimum_is_a_warning(tmp_path: Path) -> None:
    """Below the recorded minimum the guest is booted anyway."""
    done = subprocess.run(
        [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={tmp_path}", "--mem=12M", "real-hello-0.11.0"],
        stdin=subprocess.DEVNULL, capture_output=True, env=ENV | {"PYTHONPATH": str(ROOT / "harness")}, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert b"--mem 12M may be too little for real-hello-0.11.0: 15M is the least" in done.stderr
    assert b"Welcome to Hermit" in done.stdout


@pytest.mark.requirement("L-20", "L-11")
@pytest.mark.parametrize("memory", ["512M", "64M", "20M"])
def test_aarch64_application_is_inside_ram(memory: str, tmp_path: Path) -> None:
    """The usual address is beyond the end of a small RAM; then the file is at its end."""
    spec = specs.release("real-hello-0.11.0-aarch64", target_name="aarch64-elf", memory=memory)
    assert (guest_loader_address(spec) == 0x48000000) == (memory == "512M")
    outcome = boot(spec, artifacts=tmp_path)
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.parametrize(
    ("text", "size"),
    [("128", 128 * MIB), ("128M", 128 * MIB), ("1.5G", 1536 * MIB), ("64MB", 64 * MIB), ("16MiB", 16 * MIB), ("x", 0)],
)
def test_sizes(text: str, size: int) -> None:
    assert memory_bytes(text) == size


def test_no_shortage_is_reported_for_what_boots() -> None:
    """The bound is never above the smallest memory with which a boot succeeds."""
    from hermit_harness.matrix.table import matrix

    for target, row in matrix().min_memory.items():
        for image, minimum in row.items():
            spec = specs.release(image, target_name=target)
            assert shortage(replace(spec, memory=f"{minimum.boots_with}M")) == "", image


RAM = range(128 * MIB)


@pytest.mark.parametrize(
    ("rule", "sentence", "helps"),
    [
        ("image-not-in-ram", "the range 0x9000000..0x9100000 is not free RAM", "--mem 145M or more"),
        (
            "image-not-in-ram",
            "the range 0xffff800000100000..0xffff800000109008 is not free RAM",
            "link the application",
        ),
        ("image-not-in-ram", "the range 0x0..0x9008 is not free RAM", "link the application to another address"),
        ("image-not-in-ram", "range 0x7f00000..0x8100000 is not free RAM: 0x7f00000 is unusable memory", "--mem 129M"),
        ("image-not-in-ram", "range 0x800000..0x900000 is not free RAM: 0x806000 is ACPI memory NVS", "disable_s3=1"),
        (
            "image-not-in-ram",
            "range 0x6000000..0x7000000 is out of reach: 0x5000000 is the limit",
            "link the application to a lower address",
        ),
        ("no-room-below-image", "no 0xd000 free bytes below the image at 0x120 for the block", "link the application"),
        ("image-no-room", "needs 0x10000000 contiguous bytes of RAM at a multiple of 0x200000", "--mem 260M or more"),
        ("image-no-room", "needs 0x7f0000000000 contiguous bytes of RAM", "too large"),
        ("image-no-room", "has too few page tables to map 0x100000000..0x340088590", "reduce the application"),
        ("unpack-no-room", "the application's file needs 0x4000000 contiguous bytes of RAM", "--mem 192M"),
        ("memory-required", "the Hermit image requires 0x40000000 bytes of RAM", "--mem 1024M"),
        ("no-room-to-move", "the image 0x1..0x2 overlaps its file and no 0x4000000 bytes are free", "--mem 192M"),
    ],
)
def test_remedy_by_the_numbers(rule: str, sentence: str, helps: str) -> None:
    """More memory is advised only if it can help, and then how much."""
    text = remedy(rule, sentence, RAM)
    assert helps in text
    assert ("--mem" in text) == ("--mem" in helps)


KINDS = [
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (bytes(257) + b"ustar", "tar"),
    (b"MZ" + bytes(512) + b"HdrS", "bzImage"),
    (b"MZ" + bytes(600), "PE"),
    (b"\xcf\xfa\xed\xfe", "Mach-O"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git LFS"),
    (b"#!/bin/sh\n", "script"),
    (b"!<arch>\n", ".rlib"),
    (b"", "empty"),
    (b"plain text", ""),
]


@pytest.mark.parametrize(("head", "name"), KINDS, ids=[name or "unknown" for _, name in KINDS])
def test_format_is_named(head: bytes, name: str) -> None:
    text = file_format.of_bytes(head)
    assert name in text and bool(text) == bool(name)


@pytest.mark.requirement("N-12")
@pytest.mark.parametrize(("head", "number", "name"), [(b"!<arch>\n", 69, ".rlib"), (b"\x1f\x8b\x08\xff", 105, "gzip")])
def test_refusal_names_the_format(head: bytes, number: int, name: str, tmp_path: Path) -> None:
    """The loader refuses such a file, and the harness's hint names it."""
    app = tmp_path / "app"
    app.write_bytes(head + bytes(1000))
    outcome = boot(replace(specs.release("hello"), app=app))
    assert outcome.matches(f"refused {number}"), str(outcome)
    assert name in outcome.hint
