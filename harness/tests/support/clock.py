# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What shortens the waits of firmware: a clock that counts instructions, and a boot menu that waits for no key."""

from __future__ import annotations

from dataclasses import replace

from hermit_harness.vm.argv import machine_of
from hermit_harness.vm.spec import RunSpec

# Half a microsecond per instruction; while the CPU is idle, time advances to the next timer.
COUNTED = ("-icount", "shift=9,sleep=off")
# In ms. Without a boot menu AAVMF waits five seconds for a key.
NO_WAIT_FOR_A_KEY = ("-boot", "menu=on,splash-time=0")


def without_waits(spec: RunSpec) -> RunSpec:
    """Return the boot without the waits of its firmware.

    OVMF waits 1.5 s for a TPM by reading the clock, and its shell waits for 5 s. AAVMF waits for a key before it boots
    from a disk.
    """
    row = machine_of(spec)
    if not row.returns_to_firmware or spec.accel != "tcg":
        return spec
    return replace(spec, extra=(*spec.extra, *(COUNTED if row.arch == "x86_64" else NO_WAIT_FOR_A_KEY)))
