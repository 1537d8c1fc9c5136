# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots with Firecracker and Cloud Hypervisor, if they and KVM are available.

test_linux_entry.py emulates their state under QEMU.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import loader_file
from hermit_harness.vm import host
from tests.support.processes import background

SECONDS = 60.0
WORDS = "env=A=1 -- one two"
# The last line of the bare applications; the CPU then halts, and the VMM keeps running.
END = b"exit status "


def firecracker(directory: Path, loader: Path, app: Path) -> list[str]:
    """Return the command line for one CPU, 128 MiB and no devices."""
    config = {
        "boot-source": {"kernel_image_path": str(loader), "initrd_path": str(app), "boot_args": WORDS},
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 128},
        "drives": [],
    }
    file = directory / "machine.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return ["--no-api", "--level", "Error", "--config-file", str(file)]


def cloud_hypervisor(directory: Path, loader: Path, app: Path) -> list[str]:
    """Return the command line for the same machine."""
    machine = ["--cpus", "boot=1", "--memory", "size=128M", "--serial", "tty", "--console", "off"]
    return ["--kernel", str(loader), "--initramfs", str(app), "--cmdline", WORDS, *machine]


# Firecracker prefers a PVH note to the Linux entry if a file has both; Cloud Hypervisor requires the note.
VMMS: dict[str, tuple[Callable[[Path, Path, Path], list[str]], str, str]] = {
    "firecracker": (firecracker, "x86_64-linux", "linux64"),
    "cloud-hypervisor": (cloud_hypervisor, "x86_64", "pvh"),
}


def run(argv: list[str]) -> tuple[bytes, int | None]:
    """Return the output of guest and VMM up to the application's end, and the VMM's status if it ended first."""
    command = [*host.UNSHARE_COMMAND, *argv]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with background(command, SECONDS, **streams) as process:
        printed = b""
        assert process.stdout
        for line in process.stdout:
            printed += line
            if line.startswith(END):
                return printed, None
        return printed, process.wait(SECONDS)


@pytest.mark.requirement("N-03")
@pytest.mark.parametrize("name", VMMS)
def test_vmm_boots(name: str, tmp_path: Path) -> None:
    """Application and command line arrive, the hand-over matches the reference, and both applications succeed."""
    arguments, target, protocol = VMMS[name]
    program, problem = shutil.which(name), host.kvm_problem()
    if program is None:
        pytest.skip(f"no-vmm: there is no {name} on the path")
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
    assert f"<<<{WORDS}>>>" in printed["args"] or f"<<<{WORDS} " in printed["args"]  # VMMs may add words of their own
