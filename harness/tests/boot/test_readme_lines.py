# SPDX-License-Identifier: Apache-2.0 OR MIT
"""QEMU lines from upstream's READMEs, with arguments and real applications.

For our own lines see test_readme_commands.py.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from hermit_harness.cli.bench import STEADY_CPU
from hermit_harness.cli.main import main
from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm import host
from hermit_harness.vm.spec import RunSpec
from tests.support.errata import typed_on_microvm
from tests.support.qemu import run_qemu

Boot = Callable[[RunSpec], Outcome]

TCG_LINE = r"""
qemu-system-x86_64 \
    -cpu Skylake-Client \
    -smp 1 \
    -m 128M \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
    -display none -serial stdio \
    -kernel <LOADER> \
    -initrd <APP>
"""
OLDER_LINE = r"""
qemu-system-x86_64 \
    -cpu qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt \
    -smp 1 -m 64M \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
    -display none -serial stdio \
    -kernel <LOADER> \
    -initrd <APP>
"""
MICROVM_LINE = r"""
qemu-system-x86_64 \
    -M microvm,x-option-roms=off,pit=off,pic=off,rtc=on,auto-kernel-cmdline=off \
    -nodefaults -no-user-config \
    -append "-freq 2800" \
    -cpu Skylake-Client \
    -smp 1 -m 128M \
    -device isa-debug-exit,iobase=0xf4,iosize=0x04 \
    -display none -serial stdio \
    -kernel <LOADER> \
    -initrd <APP>
"""
APPENDED = ' -append "-freq 2000 env=A=1 -- one two"'


def argv(line: str, app: str, loader: Path | None = None) -> list[str]:
    names = {"<LOADER>": str(loader or loader_file()), "<APP>": str(images()[app].path)}
    return [names.get(word, word) for word in shlex.split(line.replace("\\\n", " "))]


def boots(line: str, app: str, place: str = "") -> bytes:
    """Run a line, and require QEMU's status 3 and the application's greeting.

    `place` names a microvm line in errata.toml: newer QEMUs may start no kernel at all with it.
    """
    if place:
        done = typed_on_microvm(place, line, lambda text, seconds: run_qemu(argv(text, app), seconds=seconds))
    else:
        done = run_qemu(argv(line, app))
    assert done.returncode == 3, done.stderr.decode()
    assert images()[app].greeting.encode() in done.stdout
    return done.stderr


@pytest.mark.requirement("L-16", "L-07")
@pytest.mark.parametrize("app", ["hello", "real-hello-0.11.0-nofsgsbase"])
def test_tcg_line(app: str) -> None:
    """The same line works without KVM and with a named CPU; QEMU's warnings do no harm."""
    warnings = boots(TCG_LINE, app)
    assert all(b"TCG doesn't support requested feature" in line for line in warnings.splitlines())


@pytest.mark.requirement("R-05", "R-06")
@pytest.mark.parametrize("app", ["hello", "real-hello-0.10.0", "real-hello-0.11.0"])
def test_former_line(app: str) -> None:
    """qemu64 with eight features, 64M and no KVM; QEMU 7.2 prints no warning."""
    warnings = boots(OLDER_LINE, app)
    version = run_qemu(["qemu-system-x86_64", "--version"]).stdout
    assert warnings == b"" or b"version 7.2" not in version


@pytest.mark.requirement("R-08", "L-18")
def test_former_line_with_arguments() -> None:
    """The former line also works with -append."""
    done = run_qemu(argv(OLDER_LINE.rstrip() + APPENDED, "args"))
    assert done.returncode == 3
    assert b"args argv[1]=<<<one>>>" in done.stdout
    assert b"args argv[2]=<<<two>>>" in done.stdout


@pytest.mark.requirement("L-33", "L-34", "P-09")
@pytest.mark.parametrize("app", ["hello", "real-hello-0.11.0-microvm", "real-hello-0.10.0-microvm"])
def test_microvm_line(app: str) -> None:
    """microvm works verbatim, with ACPI enabled."""
    boots(MICROVM_LINE.replace("Skylake-Client", "Skylake-Client,+fsgsbase"), app, place="boot/microvm-line")


@pytest.mark.requirement("N-11")
@pytest.mark.parametrize("legacy", ["on", "off"])
@pytest.mark.parametrize("app", ["hello", "real-hello-0.11.0-microvm"])
def test_current_microvm_line(app: str, legacy: str) -> None:
    """microvm works with acpi=off, and with legacy and modern virtio-mmio."""
    line = MICROVM_LINE.replace("auto-kernel-cmdline=off", "auto-kernel-cmdline=off,acpi=off")
    boots(line.rstrip() + f" -global virtio-mmio.force-legacy={legacy} -cpu Skylake-Client,+fsgsbase", app)


@pytest.mark.requirement("R-09")
def test_former_cpu_and_memory_on_microvm() -> None:
    """microvm works with the former line's CPU and 64M."""
    cpu = "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt"
    line = MICROVM_LINE.replace("Skylake-Client", cpu).replace("128M", "64M")
    boots(line, "real-hello-0.11.0-microvm", place="boot/microvm-line")


@pytest.mark.requirement("N-17")
def test_microvm_with_qemus_device_list() -> None:
    """QEMU's own virtio-mmio words on the command line do no harm."""
    line = MICROVM_LINE.replace("auto-kernel-cmdline=off", "auto-kernel-cmdline=on").replace(
        ",rtc=on", ",rtc=on,acpi=off"
    )
    done = run_qemu(argv(line, "args"))
    assert done.returncode == 3, done.stderr.decode()
    assert b"-freq 2800" in done.stdout


@pytest.mark.requirement("L-16")
def test_warnings_are_folded(boot_here: Boot) -> None:
    """As many warnings as QEMU prints for its own line are one note with their number, and none is left."""
    printed = boots(TCG_LINE, "hello").count(b"TCG doesn't support requested feature")
    assert printed > 0
    outcome = boot_here(specs.release("hello", cpu="Skylake-Client"))
    assert outcome.matches("exit 0"), str(outcome)
    assert outcome.notes == (f"{printed} warnings of QEMU about CPU features that TCG does not have",)


# As QEMU 7.2 ends where KVM has no such MSR.
NO_INVARIANT_TSC = """\
qemu-system-x86_64: error: failed to set MSR 0x10a to 0x0
qemu-system-x86_64: kvm.c:2995: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.
"""


@pytest.mark.requirement("L-17")
@pytest.mark.parametrize("refuses", [False, True], ids=["as-it-is", "refused"])
def test_benchmark_cpu(
    refuses: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`hermitctl bench` uses the CPU with an invariant TSC under KVM. If QEMU aborts, it quotes why and falls back."""
    if host.kvm_problem():
        pytest.skip(f"no-kvm: {host.kvm_problem()}")
    (tmp_path / "message").write_text(NO_INVARIANT_TSC if refuses else "")
    program = tmp_path / "qemu-system-x86_64"
    program.write_text(f"""#!/bin/sh
case "$*" in *-cpu\\ *) echo "$*" | sed 's/.*-accel \\([^ ]*\\).*-cpu \\([^ ]*\\).*/\\1 \\2/' >>{tmp_path}/cpus ;; esac
case "$*" in *invtsc*) cat {tmp_path}/message >&2; [ ! -s {tmp_path}/message ] || exit 134 ;; esac
exec {shutil.which("qemu-system-x86_64")} "$@"
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["bench", "--runs", "1", "hello"]) == 0
    out, err = capfd.readouterr()
    assert "kvm  kernel_line  best" in out and "tcg  kernel_line  best" in out
    kvm = [cpu.partition(" ")[2] for cpu in (tmp_path / "cpus").read_text().splitlines() if cpu.startswith("kvm")]
    assert kvm[0] == STEADY_CPU
    left_out = f"hermitctl: kvm with -cpu {STEADY_CPU} is left out: "
    assert (left_out in err) == (len(kvm) > 1), err
    if refuses:
        assert "failed to set MSR 0x10a to 0x0" in err.partition(left_out)[2].splitlines()[0], err
        assert STEADY_CPU not in kvm[1:]


@pytest.mark.requirement("L-17")
def test_benchmark_without_kvm(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Without KVM it says why, and measures under TCG."""
    monkeypatch.setattr(host, "kvm_problem", lambda: "/dev/kvm: Permission denied")
    assert main(["bench", "--runs", "1", "hello"]) == 0
    out, err = capfd.readouterr()
    assert "tcg  kernel_line  best" in out and "kvm" not in out
    assert "hermitctl: kvm is left out: /dev/kvm: Permission denied" in err
