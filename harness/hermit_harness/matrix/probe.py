# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Is KVM worth using here? A real kernel is booted once under each accelerator, and the clock decides.

"/dev/kvm exists" says little: a nested or paravirtual KVM can be forty times slower than TCG, or die of an instruction
that it does not emulate. The process that starts a session has the answer, and hands it on through the environment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

VARIABLE = "HERMIT_ACCEL_PROBE"


@dataclass(frozen=True)
class ProbeResult:
    """What the probe saw on one machine. Seconds are wall time of the whole run, QEMU's start included."""

    machine: str
    tcg: str = "not tried"
    tcg_seconds: float = 0.0
    kvm: str = "not tried"
    kvm_seconds: float = 0.0
    works: bool = False

    @property
    def use_kvm(self) -> bool:
        return self.works and self.kvm_seconds < self.tcg_seconds

    def text(self) -> str:
        if not self.works:
            return f"the probe ended with {self.kvm}"
        word = "faster" if self.use_kvm else "slower"
        return f"{word} than TCG ({self.kvm_seconds:.2f} s against {self.tcg_seconds:.2f} s)"


@dataclass(frozen=True)
class Probe:
    rows: tuple[ProbeResult, ...] = ()

    def row(self, machine: str) -> ProbeResult:
        for row in self.rows:
            if row.machine == machine:
                return row
        return ProbeResult(machine)

    def dump(self) -> str:
        return json.dumps([asdict(row) for row in self.rows])


def parse(text: str) -> Probe:
    return Probe(tuple(ProbeResult(**entry) for entry in json.loads(text)))


def from_environment() -> Probe:
    """What this session's first process found; nothing found means that KVM is not used."""
    text = os.environ.get(VARIABLE, "")
    return parse(text) if text else Probe()


def measure(
    machines: Iterable[str], boot_once: Callable[[str, str], tuple[str, bool, float]], device: str = "/dev/kvm"
) -> Probe:
    """Try every machine; `once(machine, accel)` answers (what happened, was it right, seconds)."""
    rows: list[ProbeResult] = []
    usable = os.access(device, os.R_OK | os.W_OK)
    for machine in machines:
        tcg, _, tcg_seconds = boot_once(machine, "tcg")
        if usable:
            kvm, works, kvm_seconds = boot_once(machine, "kvm")
        else:
            kvm, works, kvm_seconds = f"no access to {device}", False, 0.0
        rows.append(ProbeResult(machine, tcg, round(tcg_seconds, 3), kvm, round(kvm_seconds, 3), works))
    return Probe(tuple(rows))
