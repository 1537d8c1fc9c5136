# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A clock that counts instructions, for firmware that waits."""

from __future__ import annotations

from dataclasses import replace

from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.spec import RunSpec

# Half a microsecond per instruction; while the CPU is idle, time advances to the next timer.
COUNTED = ("-icount", "shift=9,sleep=off")


def counted(spec: RunSpec) -> RunSpec:
    """Return the boot with this clock, if its firmware is OVMF.

    OVMF waits 1.5 s for a TPM by reading the clock, and its shell waits for 5 s. AAVMF does not wait.
    """
    row = machine_of(spec)
    waits = row.arch == "x86_64" and row.returns_to_firmware and spec.accel == "tcg"
    return replace(spec, extra=(*spec.extra, *COUNTED)) if waits else spec
