# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a session does once before its first test: try the accelerators with a real kernel."""

from __future__ import annotations

import time

from hermit_harness.boot import boot
from hermit_harness.matrix import probe, specs
from hermit_harness.matrix.cell import Cell

# Folders of tests that start no guest: nothing must be built for them, and nothing is probed.
PURE = frozenset({"meta", "lint", "readme", "docs"})
# Which application tells about which machine: a real kernel, in the variant that the machine can carry.
KERNELS = {"pc": "real-hello-0.11.0", "microvm": "real-hello-0.11.0-microvm"}


def once(machine: str, accel: str) -> tuple[str, bool, float]:
    """One boot of the real kernel: what happened, whether it was right, seconds."""
    spec = specs.spec(Cell("x86_64-multiboot", machine, accel, KERNELS[machine]))
    started = time.monotonic()
    outcome = boot(spec, artifacts=specs.artifacts(f"probe/{machine}/{accel}"))
    return str(outcome), outcome.matches(spec.expect), time.monotonic() - started


def probe_session() -> probe.Probe:
    """Boot once on each machine under each accelerator."""
    return probe.take(KERNELS, once)
