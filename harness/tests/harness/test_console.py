# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Console bytes: bounded, split into lines independently of the pieces, in any encoding."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermit_harness.watch.boot_log import BootLog, printable
from hermit_harness.watch.console import ConsoleRecord, FirmwareFilter, LineSplitter, strip_ansi


def split(pieces: list[bytes], limit: int = 8192) -> list[bytes]:
    lines = LineSplitter(limit)
    return [line for piece in pieces for line in lines.feed(piece)] + list(lines.finish())


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """The same bytes give the same lines, however the socket splits them."""
    edges = sorted({0, len(data), *(c for c in cuts if c <= len(data))})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    assert split(pieces, 50) == split([data], 50)


def test_line_ends_and_colours() -> None:
    """LF and CR LF end lines, escape sequences are removed, and invalid UTF-8 remains."""
    assert split([b"a\r\nb\n\x1b[32mc\x1b[0m\n\xff\xfe\n\nlast"]) == [b"a", b"b", b"c", b"\xff\xfe", b"", b"last"]
    assert strip_ansi(b"\x1b]0;title\x07x\x1b(By") == b"xy"


def test_endless_line_is_cut() -> None:
    """Of a line without end the first and the last bytes are kept, and the next line is complete."""
    assert split([b"x" * 500] * 40 + [b"\nnext\n"], 1000) == [b"x" * 1000, b"x" * 256, b"next"]


@given(st.lists(st.binary(max_size=64), max_size=64))
def test_record_is_bounded(pieces: list[bytes]) -> None:
    """The first and last part are kept; the omitted bytes are counted."""
    record, whole = ConsoleRecord(half=100), b"".join(pieces)
    for piece in pieces:
        record.feed(piece)
    kept = record.bytes()
    assert record.total == len(whole)
    assert len(kept) <= 300
    assert kept.startswith(whole[:100])
    assert kept.endswith(whole[-100:]) or len(whole) <= 200
    if len(whole) <= 200:
        assert kept == whole
    else:
        assert b"bytes of console left out" in kept


@given(st.binary(max_size=300))
def test_marks_take_anything(data: bytes) -> None:
    """No console output makes the reader fail."""
    marks = BootLog()
    for line in split([data]):
        marks.add_line(line, 0.0)


SAYS = (
    b"[0][PANIC] ",
    b"[LOADER][ERROR] 65 no-module: ",
    b"[LOADER] PANIC: ",
    b"Welcome to Hermit ",
    b"thread 'x' panicked at ",
)


@given(st.lists(st.tuples(st.sampled_from(SAYS), st.binary(max_size=40)), min_size=1, max_size=6))
def test_no_text_of_a_guest_controls_the_terminal(said: list[tuple[bytes, bytes]]) -> None:
    """What the harness repeats in its messages has no control character, whatever the guest printed there."""
    log = BootLog()
    for prefix, data in said:
        for line in split([prefix + data]):
            log.add_line(line, 0.0)
    texts = [log.panic, log.std_panic, log.loader_panic, log.kernel_version]
    texts += [log.refusal.sentence] if log.refusal else []
    assert all(text.isprintable() for text in texts if text)


def test_text_of_guest_bytes() -> None:
    """A message never contains the guest's control characters."""
    assert printable(b"a\x1b[1mb\xff") == "a\\x1b[1mb\\xff"


CLEAR = b"\x1b[2J\x1b[01;01H\x1b[=3h"
BOOTED = CLEAR + b"BdsDxe: starting\r\n" + CLEAR + b"[LOADER][INFO] Hermit\n" + CLEAR + b"hello\n"


def filtered(pieces: list[bytes], continues: bool = False) -> bytes:
    """Filter as the supervisor does, which knows the loader's line once it is complete."""
    firmware, shown = FirmwareFilter(continues), b""
    for piece in pieces:
        shown += firmware.feed(piece, b"[LOADER]" not in shown)
    return shown + firmware.finish()


@given(st.lists(st.integers(0, len(BOOTED)), max_size=8))
def test_firmware_does_not_clear_the_screen(cuts: list[int]) -> None:
    """Its control sequences are removed however they are split; those of the application are kept."""
    edges = sorted({0, len(BOOTED), *cuts})
    pieces = [BOOTED[a:b] for a, b in pairwise(edges)]
    assert filtered(pieces) == b"BdsDxe: starting\r\n[LOADER][INFO] Hermit\n" + CLEAR + b"hello\n"


@pytest.mark.parametrize("level", [b"[ERROR]", b""])
def test_firmware_after_a_refusal_does_not_either(level: bytes) -> None:
    refusal = b"[LOADER][INFO] Hermit\r\n[LOADER]" + level + b" 65 no-module: x\r\n"
    assert filtered([refusal + CLEAR + b"Shell> "], continues=True) == refusal + b"Shell> "


def test_unfinished_sequence_of_firmware_is_kept_as_text() -> None:
    assert filtered([b"text\x1b[", b"3"]) == b"text[3"
