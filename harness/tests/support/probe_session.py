# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Once per session, before the first test: measure the accelerators with a real kernel."""

from __future__ import annotations

import time

from hermit_harness.boot import boot
from hermit_harness.matrix import probe, specs
from hermit_harness.matrix.cell import Cell

# Directories of tests that start no guest: they need no prerequisites and no probe.
WITHOUT_GUESTS = frozenset({"meta", "lint", "readme", "docs"})
# The application that probes each machine: a real kernel in a variant for this machine.
PROBE_IMAGES = {"pc": "real-hello-0.11.0", "microvm": "real-hello-0.11.0-microvm"}


def boot_once(machine: str, accel: str) -> tuple[str, bool, float]:
    """Boot the real kernel once. Return its outcome, whether it was right, and the seconds."""
    spec = specs.spec(Cell("x86_64-multiboot", machine, accel, PROBE_IMAGES[machine]))
    started = time.monotonic()
    outcome = boot(spec, artifacts=specs.artifacts(f"probe/{machine}/{accel}"))
    return str(outcome), outcome.matches(spec.expect), time.monotonic() - started


def probe_session() -> probe.Probe:
    """Boot once per machine and accelerator."""
    return probe.measure(PROBE_IMAGES, boot_once)
