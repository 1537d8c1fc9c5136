# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Before the first test: measure the accelerators with a real kernel. The answer is kept in the build directory."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress

from hermit_harness.boot import boot
from hermit_harness.cli.accelerator import key_of
from hermit_harness.matrix import probe, specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.paths import BUILD
from hermit_harness.vm.host import kvm_problem

# Directories of tests that start no guest: they need no prerequisites and no probe.
WITHOUT_GUESTS = frozenset({"meta", "lint", "readme", "docs"})
# The application that probes each machine: a real kernel in a variant for this machine.
PROBE_IMAGES = {"pc": "real-hello-0.11.0", "microvm": "real-hello-0.11.0-microvm"}
ANSWER = BUILD / "accelerators.json"


def _cell(machine: str, accel: str) -> Cell:
    return Cell("x86_64-multiboot", machine, accel, PROBE_IMAGES[machine])


def boot_once(machine: str, accel: str) -> tuple[str, bool, float]:
    """Boot the real kernel once. Return its outcome, whether it was right, and the seconds."""
    spec = specs.spec(_cell(machine, accel))
    started = time.monotonic()
    outcome = boot(spec, artifacts=specs.artifacts(f"probe/{machine}/{accel}"))
    return str(outcome), outcome.matches(spec.expect), time.monotonic() - started


def probe_session() -> probe.Probe:
    """Boot once per machine and accelerator, unless that was done with this QEMU, CPU and version of the kernel."""
    key = [kvm_problem(), *(key_of(specs.spec(_cell(machine, "kvm"))) for machine in PROBE_IMAGES)]
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(ANSWER.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return probe.parse(kept["probe"])
    found = probe.measure(PROBE_IMAGES, boot_once)
    partial = ANSWER.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps({"key": key, "probe": found.dump()}), encoding="utf-8")
    partial.replace(ANSWER)
    return found
