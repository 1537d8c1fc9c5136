# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Firmware of RISC-V machines: where it is looked for, and what ci/opensbi.sh fetches."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import specs
from hermit_harness.paths import ROOT
from hermit_harness.vm import machines
from hermit_harness.vm.argv import is_firmware_mute, standalone_argv

SCRIPT = ROOT / "ci" / "opensbi.sh"
PACKAGED = "usr/lib/riscv64-linux-gnu/opensbi/generic"
CONSOLE = struct.pack("<QQ", 0x4442434E, 0x4442434E)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three firmware files in order of preference. Only the last two have a debug console."""
    found = [tmp_path / name for name in ("old", "new", "other")]
    for path in found:
        path.write_bytes(b"OpenSBI" + (b"" if path.name == "old" else CONSOLE))
    monkeypatch.setitem(machines.FIRMWARE, machines.SBI_DEFAULT, tuple(map(str, found)))
    return found


@pytest.mark.requirement("N-08")
def test_first_firmware_with_a_console_is_used(files: list[Path]) -> None:
    """A kernel that is started by default can print; without such firmware QEMU's own remains."""
    spec = specs.release("hello", target_name="riscv64-sbi")
    argv = standalone_argv(spec)
    assert argv[argv.index("-bios") + 1] == str(files[1])
    assert not is_firmware_mute(spec)
    for path in files[1:]:
        path.write_bytes(b"OpenSBI")
    assert "-bios" not in standalone_argv(spec)
    assert is_firmware_mute(spec)
    assert not is_firmware_mute(replace(spec, extra=("-bios", "mine")))
    assert "ci/opensbi.sh" in machines.firmware_problem(machines.machine("virt", "riscv64"))


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, str]:
    """An archive whose packages have the right names and other content, and the environment to use it."""
    pool, tree, tools = (tmp_path / name for name in ("pool/main/o/opensbi", "tree", "tools"))
    for directory in (pool, tree / "DEBIAN", tree / PACKAGED, tools):
        directory.mkdir(parents=True)
    (tree / PACKAGED / "fw_dynamic.bin").write_bytes(b"not the firmware")
    (tree / "DEBIAN" / "control").write_text(
        "Package: opensbi\nVersion: 1.6-1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: x\n"
    )
    for version in ("1.1-2", "1.6-1"):
        subprocess.run(["dpkg-deb", "--build", tree, pool / f"opensbi_{version}_all.deb"], check=True)
    for name, text in (("apt-get", f"echo file:{tmp_path}"), ("dpkg-query", "exit 1")):
        (tools / name).write_text(f"#!/bin/sh\n{text}\n")
        (tools / name).chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(tmp_path / "cache")}


def fetch(env: dict[str, str], *words: str) -> tuple[str, list[str]]:
    """Run the script. Return what it says, and the directories that it leaves."""
    done = subprocess.run([SCRIPT, *words], env=env, capture_output=True, text=True, check=True, timeout=60)
    cache = Path(env["XDG_CACHE_HOME"], "hermit-harness")
    return done.stderr, sorted(path.name for path in cache.iterdir()) if cache.is_dir() else []


@pytest.mark.requirement("N-08")
def test_firmware_with_another_checksum_is_not_used(archive: dict[str, str]) -> None:
    """A package of another content is reported, and nothing of it is kept."""
    said, left = fetch(archive)
    assert "OpenSBI 1.6 is not available" in said and "Hash Sum mismatch" in said
    assert left == []


@pytest.mark.requirement("N-08")
def test_firmware_is_fetched_only_for_risc_v(archive: dict[str, str], tmp_path: Path) -> None:
    """`make run` calls the script with its application: it does nothing for other CPUs."""
    app = tmp_path / "app"
    for machine, expected in ((62, ""), (183, ""), (243, "OpenSBI 1.6")):
        app.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(11) + struct.pack("<H", machine))
        shutil.rmtree(Path(archive["XDG_CACHE_HOME"]), ignore_errors=True)
        said, _ = fetch(archive, str(app))
        own = Path("/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin")
        has_console = own.is_file() and b"dbcn" in own.read_bytes()
        assert (expected in said) if expected and not has_console else said == ""
        assert "1.1" not in said
