# SPDX-License-Identifier: Apache-2.0 OR MIT
"""--accel auto: KVM if a small boot of this kind of kernel works with it, and is faster than TCG.

That /dev/kvm can be opened says little: a paravirtual KVM can be forty times slower than TCG, or end at an instruction
that it does not emulate. The answer is kept in the user's cache, by QEMU, CPU and version of the host's kernel.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from hermit_harness.boot import boot
from hermit_harness.fixtures import FixtureImage, images
from hermit_harness.paths import CACHE
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import machine_of, qemu_of
from hermit_harness.vm.host import CPUINFO, kvm_problem
from hermit_harness.vm.nic import NO_NETWORK
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher

AUTO = "auto"
ANSWERS = CACHE / "accelerators.json"
TCG_SECONDS = 20.0  # a probe that takes longer with TCG has no answer


class InputWatcher(Watcher):
    """Whether the guest has read anything: a run that has is not repeated."""

    _supervisor: Supervisor | None = None

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    @property
    def received(self) -> bool:
        return self._supervisor is not None and self._supervisor.received_input


def key_of(spec: RunSpec) -> str:
    """Return what an answer holds for: host, QEMU, and the kind of kernel."""
    qemu = Path(shutil.which(qemu_of(spec)) or qemu_of(spec)).resolve()
    try:
        version = f"{qemu}:{qemu.stat().st_mtime_ns}:{qemu.stat().st_size}"
    except OSError:
        version = str(qemu)
    model = re.search(r"^model name\s*:\s*(.*)$", CPUINFO.read_text(), re.M) if CPUINFO.exists() else None
    host = (os.uname().release, model[1] if model else os.uname().machine, version)
    return " | ".join((*host, spec.target, spec.machine, spec.end))


def _answers() -> dict[str, str]:
    with suppress(OSError, ValueError):
        found = json.loads(ANSWERS.read_text())
        if isinstance(found, dict):
            return found
    return {}


def remember(spec: RunSpec, problem: str) -> None:
    """Keep an answer: why this kind of kernel does not use KVM, or "" if it does."""
    with suppress(OSError):
        ANSWERS.parent.mkdir(parents=True, exist_ok=True)
        fresh = ANSWERS.with_name(f".{ANSWERS.name}.{os.getpid()}")
        fresh.write_text(json.dumps(_answers() | {key_of(spec): problem}, indent=1))
        fresh.replace(ANSWERS)


def probe_image(spec: RunSpec) -> FixtureImage | None:
    """Return the application that stands for this kind: `hello` with the same kernel if it is built, or a bare one."""
    provided = machine_of(spec).provides
    built = [
        image
        for image in images(target(spec.target).arch).values()
        if image.fixture == "hello" and image.path.is_file() and set(image.needs) <= set(provided)
    ]
    return max(built, key=lambda image: (image.end == spec.end, image.id == "hello"), default=None)


def measure(spec: RunSpec) -> str:
    """Boot a small application with both accelerators. Return why KVM is not used, or ""."""
    image = probe_image(spec)
    if image is None:
        return "there is no application to try it with"
    if sys.stderr.isatty():
        print(f"hermitctl: --accel auto boots {image.id} with TCG and KVM, once for this machine", file=sys.stderr)
    probe = replace(
        spec, app=image.path, accel="tcg", append=image.append, end=image.end, net=NO_NETWORK, share=None, modules=(),
        extra=(), stdin=b"", isolate=False, smp=1, wall_seconds=TCG_SECONDS, cpu_seconds=TCG_SECONDS, expect="exit 0",
    )  # fmt: skip
    by_tcg = boot(probe)
    if not by_tcg.matches("exit 0"):
        return f"{image.id} did not boot with TCG: {by_tcg.cause}"
    seconds = by_tcg.timings["end"]
    by_kvm = boot(replace(probe, accel="kvm", wall_seconds=seconds, cpu_seconds=seconds))
    if by_kvm.verdict in ("hang", "timeout") or by_kvm.timings.get("end", 0.0) >= seconds:
        return f"{image.id} takes longer with it than with TCG, {seconds * 1000:.0f} ms"
    return "" if by_kvm.matches("exit 0") else f"{image.id} did not boot with it: {by_kvm.cause}"


def choose(spec: RunSpec, may_boot: bool) -> tuple[str, str]:
    """Return the accelerator for `spec`, and why it is not KVM. `may_boot`: an answer that is not known is measured."""
    cpu, host = target(spec.target).cpu, os.uname().machine
    if cpu != host:
        return "tcg", f"{cpu} is not this machine's processor, {host}"
    if spec.cpu:
        return "tcg", "--cpu names a model"
    if problem := kvm_problem():
        return "tcg", problem
    known = _answers().get(key_of(spec))
    if known is None and may_boot:
        known = measure(spec)
        remember(spec, known)
    return ("kvm", "") if known == "" else ("tcg", known if known is not None else "it has not been tried")


def failed_in_kvm(spec: RunSpec, outcome: Outcome) -> bool:
    """Return whether KVM, and not the guest, ended a run."""
    return spec.accel == "kvm" and outcome.verdict == "infra" and "(internal-error)" in outcome.cause
