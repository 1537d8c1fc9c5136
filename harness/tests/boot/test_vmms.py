# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots with Firecracker and Cloud Hypervisor, if they and KVM are available.

test_linux_entry.py emulates their state under QEMU.
"""

from __future__ import annotations

import shutil
import subprocess
from argparse import Namespace
from pathlib import Path

import pytest

from hermit_harness.cli.vmm import VMMS
from hermit_harness.fixtures import images
from hermit_harness.paths import loader_file
from hermit_harness.vm import host
from hermit_harness.vm.spec import RunSpec
from tests.support.processes import background

SECONDS = 60.0
WORDS = "env=A=1 -- one two"
# The last line of the bare applications; the CPU then halts, and the VMM keeps running.
END = b"exit status "


# Firecracker prefers a PVH note to the Linux entry if a file has both; Cloud Hypervisor requires the note.
PROTOCOLS = {"firecracker": "linux64", "cloud-hypervisor": "pvh"}


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
@pytest.mark.parametrize("name", PROTOCOLS)
def test_vmm_boots(name: str, tmp_path: Path) -> None:
    """Application and command line arrive, the hand-over matches the reference, and both applications succeed."""
    row, protocol = VMMS[name], PROTOCOLS[name]
    problem = host.kvm_problem()
    if shutil.which(name) is None:
        pytest.skip(f"no-vmm: there is no {name} on the path")
    if problem:
        pytest.skip(f"no-kvm: {problem}")
    printed = {}
    for image in ("args", "probe"):
        spec = RunSpec(loader_file(row.target), images()[image].path, "", memory="128M", append=WORDS)
        output, status = run(row.argv(spec, Namespace(), tmp_path))
        printed[image] = text = output.decode("utf-8", "backslashreplace")
        if status is not None and "[LOADER]" not in text:
            pytest.skip(f"kvm-unusable: {name} ended with {status}: {text.strip()[-200:]}")
        assert f", {row.target}, {protocol})" in text
        assert "exit status 0" in text, text
    assert f"<<<{WORDS}>>>" in printed["args"] or f"<<<{WORDS} " in printed["args"]  # VMMs may add words of their own
