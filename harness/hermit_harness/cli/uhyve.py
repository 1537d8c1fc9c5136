# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The options of uhyve: each becomes one of ours, or is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hermit_harness.options import Option

GDB_PORT = "6677"  # uhyve's port of a -s without a number


@dataclass(frozen=True)
class Row:
    """An option of uhyve. `ours` is the flag that means the same; `instead` is the remedy if there is none."""

    short: str
    long: str
    ours: str = ""
    instead: str = ""
    has_value: bool = True


# `uhyve --help`, src/bin/uhyve.rs of August 2026. -h, --help, -V and --version are those of every program.
UHYVE = (
    Row("m", "memory-size", "mem"),
    Row("c", "cpu-count", "smp"),
    Row("s", "gdb-port", "gdb-port"),
    Row("n", "net", "net"),
    Row("e", "env-vars", "env"),
    Row("a", "affinity", instead="`taskset -c LIST hermitctl run` binds QEMU to CPUs"),
    Row("o", "output", instead="the console is stdout, which the shell can redirect"),
    Row("", "config", instead="HERMIT_CONFIG=FILE names a configuration file"),
    Row("", "file-mapping", instead="--share DIR[:TAG] shares a directory"),
    Row("", "tempdir", instead="TMPDIR=DIR is the directory for temporary files"),
    Row("", "hermit-image-mode", instead="QEMU has no Hermit images"),
    Row("", "file-isolation", instead="only the directory of --share is visible to the guest"),
    Row("", "io-mode", instead="the shared directory uses the host's page cache"),
    Row("", "trace-dir", instead="--share DIR[:TAG] has what the guest's rftrace writes"),
    Row("", "stats", instead="--json has the times of a run", has_value=False),
    Row("", "no-aslr", instead="addresses do not change from run to run anyway", has_value=False),
    Row("", "thp", instead="the host decides about large pages of the guest's memory", has_value=False),
    Row("", "ksm", instead="the host decides about equal pages of the guest's memory", has_value=False),
    Row("", "cpu-pm", instead="--qemu-arg=-overcommit --qemu-arg=cpu-pm=on asks QEMU for it", has_value=False),
    Row("", "pit", instead="the machines pc and q35 have one (--machine)", has_value=False),
)


def translated(words: Sequence[str], ours: Sequence[Option]) -> list[str]:
    """Return words before `--` with uhyve's options replaced by ours. ValueError for one without a counterpart.

    A short option after the application is an argument of the kernel.
    """
    with_value = {f"--{option.flag}" for option in ours if option.kind != "yes"}
    rest, found, seen_app = list(words), list[str](), False
    while rest:
        word = rest.pop(0)
        row, value = _parsed(word, seen_app)
        if row is None or (row.ours and row.ours != "gdb-port" and not value and not rest):
            found.append(word)
            if word in with_value and rest:
                found.append(rest.pop(0))
            elif not word.startswith("-"):
                seen_app = True
            continue
        if not row.ours:
            raise ValueError(f"{word.partition('=')[0]} is an option of uhyve: {row.instead}")
        if row.ours == "gdb-port" and not value:
            value = rest.pop(0) if rest and rest[0].isdecimal() else GDB_PORT
        value = value or rest.pop(0)
        found += _words(row, value)
    return found


def _parsed(word: str, seen_app: bool) -> tuple[Row | None, str]:
    """The row of a word, and the value in the word itself: -m64M, -m=64M, --memory-size=64M."""
    if word.startswith("--"):
        name, _, value = word[2:].partition("=")
        return next((row for row in UHYVE if row.long == name), None), value
    if seen_app or not word.startswith("-"):
        return None, ""
    row = next((row for row in UHYVE if row.short and row.short == word[1:2]), None)
    value = word[2:].removeprefix("=")
    # -smp and the like are options of QEMU or arguments of the kernel.
    is_value = not value or word[2] == "=" or (row is not None and _fits(row, value))
    return (row, value) if row and is_value else (None, "")


def _fits(row: Row, value: str) -> bool:
    """Whether the rest of a word can be the value of its short option."""
    return value[0].isdigit() if row.ours in ("mem", "smp", "gdb-port") else row.ours in ("net", "env") and "=" in value


def _words(row: Row, value: str) -> list[str]:
    kind, _, name = value.partition(":")
    if row.ours == "net" and kind == "tap" and name:
        return ["--net", kind, "--netif", name]
    if row.ours == "env" and value == "host":
        raise ValueError(f"--{row.long} host: name each variable of the guest, --env NAME=VALUE")
    return [f"--{row.ours}", value]
