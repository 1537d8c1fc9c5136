# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From RunSpec to QEMU's command line, and the harness's defaults."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.vm import host
from hermit_harness.vm.argv import (
    InheritedFds,
    check_mhz,
    guest_argv,
    harness_argv,
    shell_line,
    standalone_argv,
    with_freq,
)
from hermit_harness.vm.machines import MACHINES, machine
from hermit_harness.vm.spec import RunSpec

SPEC = RunSpec(loader=Path("loader"), app=Path("app"), machine="pc")
SEED_LINE = "microvm,x-option-roms=off,pit=off,pic=off,rtc=on,auto-kernel-cmdline=off"


def after(argv: list[str], word: str) -> str:
    return argv[argv.index(word) + 1]


@pytest.mark.requirement("L-34", "N-11")
def test_machines() -> None:
    """The table's command lines equal upstream's."""
    assert MACHINES["microvm"].argv == ("-M", SEED_LINE, "-nodefaults", "-no-user-config")
    off = MACHINES["microvm-acpi-off"].argv
    assert off[:4] == ("-M", SEED_LINE + ",acpi=off", "-global", "virtio-mmio.force-legacy=on")
    with pytest.raises(ValueError, match="known: pc, q35, microvm"):
        machine("pentium")


@pytest.mark.requirement("L-18")
def test_append_is_unchanged() -> None:
    """The text after -append is the caller's byte for byte, or absent."""
    assert after(guest_argv(replace(SPEC, append="a  'b c' -- d")), "-append") == "a  'b c' -- d"
    assert "-append" not in guest_argv(SPEC)


@pytest.mark.requirement("L-36")
@pytest.mark.parametrize(
    ("append", "wanted"),
    [
        ("", "-freq 2800"),
        ("-- a b", "-freq 2800 -- a b"),
        ("env=A=b", "-freq 2800 env=A=b"),
        ("-freq 1000", "-freq 1000"),
        ("-freq 1000 -- x", "-freq 1000 -- x"),
        ("-- -freq 5", "-freq 2800 -- -freq 5"),
    ],
)
def test_freq(append: str, wanted: str) -> None:
    """The host's MHz are added unless the kernel arguments have a -freq."""
    assert with_freq(append, 2800) == wanted


@pytest.mark.requirement("L-36")
@pytest.mark.parametrize("value", ["0", "65536", "-1", "fast", "2.8"])
def test_freq_refused(value: str) -> None:
    """Kernels hold MHz in 16 bits."""
    with pytest.raises(ValueError, match="-freq"):
        check_mhz(value)
    assert check_mhz("65535") == 65535


@pytest.mark.requirement("L-36")
def test_freq_only_on_microvm() -> None:
    """Machines with timers calibrate by default."""
    assert "-freq" in after(guest_argv(replace(SPEC, machine="microvm")), "-append")
    assert "-append" not in guest_argv(replace(SPEC, machine="q35"))


@pytest.mark.requirement("L-36")
@pytest.mark.parametrize(
    ("cpuinfo", "base", "most", "wanted"),
    [
        ("model name\t: Intel(R) Xeon(R) CPU @ 2.80GHz\ncpu MHz\t\t: 2000.1\n", "3000000", "", 2800),
        ("model name\t: AMD EPYC 7B13\ncpu MHz\t\t: 2449.998\n", "2450000\n", "3500000\n", 2450),
        ("model name\t: AMD EPYC 7B13\ncpu MHz\t\t: 2449.998\n", "", "3500000\n", 3500),
        ("model name\t: AMD EPYC 7B13\ncpu MHz\t\t: 2449.998\n", "", "", 2450),
        ("processor : 0\n", "", "", None),
    ],
)
def test_mhz_of_the_host(cpuinfo: str, base: str, most: str, wanted: int | None) -> None:
    """The brand string is used first, then cpufreq, then the line cpu MHz."""
    assert host.mhz_from(cpuinfo, base, most) == wanted


def test_names_that_qemu_would_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU ends or splits an -initrd name at blanks and commas: such a file gets a link in a private directory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    app = tmp_path / "a, b"
    app.write_bytes(b"")
    for _ in range(2):
        name, other = after(guest_argv(replace(SPEC, app=app, modules=(Path("c"),))), "-initrd").split(",")
        assert (Path(name).resolve(), other) == (app, "c")
        assert " " not in name
    Path(name).parent.chmod(0o777)
    with pytest.raises(ValueError, match="set TMPDIR"):
        guest_argv(replace(SPEC, app=app))


def test_captured_and_plain_lines() -> None:
    """The harness's line starts paused and stops at a reset; the user's has its serial port on stdio."""
    wired = harness_argv(SPEC, InheritedFds(5, 6, 7))
    assert {"-S", "-no-reboot", "-no-shutdown"} <= set(wired)
    assert "socket,id=serial0,fd=5" in wired
    plain = standalone_argv(SPEC)
    assert after(plain, "-serial") == "stdio"
    assert "-S" not in plain
    assert "-device" not in standalone_argv(replace(SPEC, debug_exit=False))


def test_shell_line_can_be_pasted() -> None:
    """A shell splits the printed line into the same words."""
    argv = standalone_argv(replace(SPEC, append="a 'b' $c -- \"d\"", app=Path("a file")))
    script = "printf '%s\\0' " + shell_line(argv)
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == argv


@pytest.mark.requirement("L-16")
def test_cpu_defaults() -> None:
    """Without KVM the line names a CPU."""
    assert after(guest_argv(SPEC), "-cpu").startswith("Skylake-Client")
    assert after(guest_argv(replace(SPEC, cpu="qemu64")), "-cpu") == "qemu64"


def test_kvm_is_tested_by_opening(tmp_path: Path) -> None:
    """A missing device and one that cannot be opened are each named with their remedy."""
    assert "does not exist" in host.kvm_problem(tmp_path / "kvm")


@pytest.mark.parametrize("said", ["unshare: unshare failed: Operation not permitted", ""])
def test_refused_namespaces(said: str) -> None:
    """One sentence names problem and remedy."""
    sentence = host.namespace_remedy(said)
    assert "does not permit" in sentence
    assert "\n" not in sentence
    assert "sudo" in sentence or "container" in sentence
