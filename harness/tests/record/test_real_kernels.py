# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Recorded runs of real kernels, and reverse execution in real GDBs."""

from __future__ import annotations

import re

import pytest

from hermit_harness.matrix import ledger
from tests.support.lane import only_in
from tests.support.reverse import reverse_debug

pytestmark = only_in("record")


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize(
    "words",
    [("--machine", "microvm", "real-hello-0.11.0-microvm"), ("--target", "aarch64-elf", "real-hello-0.11.0-aarch64")],
    ids=["x86_64", "aarch64"],
)
def test_backwards_through_a_real_kernel(words: tuple[str, ...]) -> None:
    """From the end back to the kernel's entry function, and forward to the end again."""
    commands = ("reverse-continue", "bt", "continue")
    done = reverse_debug("--break", "hermit::boot_processor_main", *words, commands=commands)
    said = done.stdout + done.stderr
    if known := ledger.erratum_for("debug/backwards-through-a-real-kernel", done.stderr):
        assert done.returncode == 125 and "Traceback" not in said, said
        pytest.skip(f"erratum: {known.id}: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, said
    back = said[said.index("Breakpoint 1, ") :]
    assert re.search(r"^#\d+ .*hermit::boot_processor_main .*\n#\d+ .*pre_init ", back, re.M), said
    assert "SIGQUIT" in back, "the run ends with QEMU's shutdown"
