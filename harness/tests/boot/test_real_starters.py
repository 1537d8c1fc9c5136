# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Started by Firecracker and Cloud Hypervisor themselves, where their programs and a KVM are there. What they leave is
played under QEMU as well, see test_linux_entry.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import loader_file
from hermit_harness.vm import host
from hermit_harness.vm.process import DIE_WITH_PARENT

SECONDS = 60.0
WORDS = "env=A=1 -- one two"
# The bare applications' last line; the processor then halts for good, and the starter stays.
END = b"exit status "


def firecracker(folder: Path, loader: Path, app: Path) -> list[str]:
    """One processor, 128 MiB, no devices."""
    config = {
        "boot-source": {"kernel_image_path": str(loader), "initrd_path": str(app), "boot_args": WORDS},
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 128},
        "drives": [],
    }
    file = folder / "machine.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return ["--no-api", "--level", "Error", "--config-file", str(file)]


def cloud_hypervisor(folder: Path, loader: Path, app: Path) -> list[str]:
    """The same machine."""
    machine = ["--cpus", "boot=1", "--memory", "size=128M", "--serial", "tty", "--console", "off"]
    return ["--kernel", str(loader), "--initramfs", str(app), "--cmdline", WORDS, *machine]


# Firecracker takes a PVH note before the Linux entry, where a file has both; Cloud Hypervisor wants the note.
STARTERS: dict[str, tuple[Callable[[Path, Path, Path], list[str]], str, str]] = {
    "firecracker": (firecracker, "x86_64-linux", "linux64"),
    "cloud-hypervisor": (cloud_hypervisor, "x86_64", "pvh"),
}


def run(argv: list[str]) -> tuple[bytes, int | None]:
    """What the guest and its starter print up to the application's end; the starter's status where it ended first."""
    with subprocess.Popen(
        [*DIE_WITH_PARENT, *host.NAMESPACES, *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        clock = threading.Timer(SECONDS, process.kill)
        clock.start()
        printed = b""
        assert process.stdout
        try:
            for line in process.stdout:
                printed += line
                if line.startswith(END):
                    process.kill()
                    return printed, None
            return printed, process.wait()
        finally:
            clock.cancel()


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("name", STARTERS)
def test_started_by(name: str, tmp_path: Path) -> None:
    """Application and command line arrive, the probe finds the hand-over of the reference, and both end well."""
    arguments, target, protocol = STARTERS[name]
    program, problem = shutil.which(name), host.kvm_problem()
    if program is None:
        pytest.skip(f"no-starter: there is no {name} on the path")
    if problem:
        pytest.skip(f"no-kvm: {problem}")
    printed = {}
    for image in ("args", "probe"):
        output, status = run([program, *arguments(tmp_path, loader_file(target), images()[image].path)])
        printed[image] = text = output.decode("utf-8", "backslashreplace")
        if status is not None and "[LOADER]" not in text:
            pytest.skip(f"kvm-unusable: {name} ended with {status}: {text.strip()[-200:]}")
        assert f", {target}, {protocol})" in text
        assert "exit status 0" in text, text
    assert (
        f"<<<{WORDS}>>>" in printed["args"] or f"<<<{WORDS} " in printed["args"]
    )  # starters may add words of their own
