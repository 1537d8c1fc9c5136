# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Skips for known defects of other projects (harness/errata.toml). What matched one has not passed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from hermit_harness.matrix import ledger

SILENT_SECONDS = 20.0
Completed = subprocess.CompletedProcess[bytes]


def skip_known(place: str, ended: str) -> None:
    """Skip this test if an erratum for `place` explains how the guest ended."""
    if known := ledger.erratum_for(place, ended):
        pytest.skip(f"erratum: {known.id}: {known.what if chr(10) in ended else ended}")


def typed_on_microvm(place: str, line: str, typed: Callable[[str, float], Completed]) -> Completed:
    """Run a line with x-option-roms=off. If no loader starts, but one does with the option ROMs, skip by the erratum.

    `typed` runs a line for at most that many seconds.
    """
    try:
        return typed(line, SILENT_SECONDS)
    except subprocess.TimeoutExpired as late:
        if not late.stdout and b"[LOADER]" in typed(line.replace("x-option-roms=off", "x-option-roms=on"), 60.0).stdout:
            skip_known(place, "hang: nothing printed")
        raise
