# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of machines: QEMU arguments, default CPU per accelerator, and what the machine has. Keyed by processor and
name, since `virt` is two machines.

`has` uses the words of `needs` in fixture.toml. `freq` says that the harness adds the host's MHz as a kernel argument
(L-36): such a
machine has no timer against which a kernel could calibrate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermit_harness.paths import CACHE, FIXTURES

MICROVM = "microvm,x-option-roms=off,pit=off,pic=off,rtc=on,auto-kernel-cmdline=off"
NO_DEFAULTS = ("-nodefaults", "-no-user-config")
CPU_TCG = "Skylake-Client,+fsgsbase,-pcid"
CPU_KVM = "host"
# `host` asks for MSRs that some (paravirtual) KVMs refuse; these are tried in order, see host.kvm_cpu().
CPU_KVM_FALLBACKS = ("host,-arch-capabilities", "max", "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt")


CPU_AARCH64 = "cortex-a76"
CPU_RISCV64 = "rv64"
# Debian 12's and 13's; from 1.3 on there is a debug console, which kernels want.
OPENSBI = ("1.1", "1.6")
# Firmware files by word, most wanted first, where Debian and others put them. What is missing is told with its package.
FIRMWARE: dict[str, tuple[str, ...]] = {
    "ovmf-code": (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_CODE.fd",
        "/usr/share/edk2/x64/OVMF_CODE.fd",
    ),
    "ovmf-vars": (
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
        "/usr/share/OVMF/OVMF_VARS.fd",
        "/usr/share/edk2/x64/OVMF_VARS.fd",
    ),
    "ovmf-whole": ("/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd", "/usr/share/edk2/x64/OVMF.fd"),
    "aavmf-code": ("/usr/share/AAVMF/AAVMF_CODE.fd",),
    "aavmf-vars": ("/usr/share/AAVMF/AAVMF_VARS.fd",),
    **{
        f"start-sbi-{kind}": (str(FIXTURES / "start" / "riscv64" / f"start-sbi-{kind}"),)
        for kind in ("together", "hart2")
    },
    **{
        f"opensbi-{version}-{kind}": (str(CACHE / f"opensbi-{version}" / f"fw_{kind}.bin"),)
        for version in OPENSBI
        for kind in ("dynamic", "jump")
    },
}
# What brings the files of a word's first part.
FIRMWARE_REMEDIES = {
    "ovmf": "install ovmf",
    "aavmf": "install qemu-efi-aarch64",
    "opensbi": "ci/opensbi.sh fetches it, or says why not",
    "start": "make fixtures",
}


@dataclass(frozen=True)
class Machine:
    """One row of the table; `argv` stands between the QEMU binary and the rest. `argv_newer`, where given, takes its
    place from QEMU 8 on.

    `bios` and `flash` are words of FIRMWARE: for -bios, and for code and variables in flash (a run's changes to the
    variables are lost with it). `prints`: firmware prints before the loader does. `returns`: a loader that refuses
    returns to that firmware, which goes on. `slow` stretches deadlines, since the firmware takes its time. `least`: it
    has no fewer processors.
    """

    name: str
    argv: tuple[str, ...]
    provides: frozenset[str]
    passes_mhz: bool = False
    argv_qemu8: tuple[str, ...] = ()
    cpu_tcg: str = CPU_TCG
    cpu_kvm: str = CPU_KVM
    arch: str = "x86_64"
    memory: str = "128M"
    bios: str = ""
    flash: tuple[str, str] | None = None
    firmware_prints: bool = False
    returns_to_firmware: bool = False
    deadline_factor: float = 1.0
    min_cpus: int = 1


_CPU_FEATURES = {"fsgsbase", "rdrand", "xsave"}
_MICROVM_PROVIDES = frozenset({"debug-exit", *_CPU_FEATURES})
_PC_PROVIDES = _MICROVM_PROVIDES | {"acpi", "pci", "smp"}
_VIRT_PROVIDES = frozenset({"debug-exit", "pci", "smp"})


def _arm(name: str, options: str, **changes: Any) -> Machine:
    """A row of AArch64's virt board."""
    argv = ("-M", f"virt,{options}", *NO_DEFAULTS)
    return Machine(name, argv, _VIRT_PROVIDES, cpu_tcg=CPU_AARCH64, arch="aarch64", **{"memory": "512M", **changes})


def _riscv(name: str, **changes: Any) -> Machine:
    """A row of RISC-V's virt board, whose SBI firmware tells of itself first."""
    argv = ("-M", "virt", *NO_DEFAULTS)
    return Machine(name, argv, _VIRT_PROVIDES, cpu_tcg=CPU_RISCV64, arch="riscv64", firmware_prints=True, **changes)


def _xilinx(board: str, cpu: str, min_cpus: int = 1) -> Machine:
    """A row of a Xilinx board; its network controllers are part of it, and lead nowhere unless a run says otherwise. So
    is a sound card, for which newer QEMUs want to be told where it leads, in words that QEMU 7.2 does not know.
    """
    argv = ("-M", f"xlnx-{board}", *NO_DEFAULTS, "-nic", "none")
    argv_qemu8 = (*argv, "-audio", "none")
    return Machine(
        board,
        argv,
        frozenset({"debug-exit"}),
        argv_qemu8=argv_qemu8,
        cpu_tcg=cpu,
        arch="aarch64",
        memory="2G",
        min_cpus=min_cpus,
    )


_UEFI: dict[str, Any] = {
    "memory": "512M",
    "firmware_prints": True,
    "returns_to_firmware": True,
    "deadline_factor": 6.0,
}
_AAVMF: dict[str, Any] = {"flash": ("aavmf-code", "aavmf-vars"), **_UEFI}

ALL_MACHINES: tuple[Machine, ...] = (
    Machine("pc", ("-M", "pc", *NO_DEFAULTS), _PC_PROVIDES),
    Machine("q35", ("-M", "q35", *NO_DEFAULTS), _PC_PROVIDES),
    # QEMU 7.2 boots the line as upstream wrote it; QEMU 10.0 with it boots no -kernel at all, whatever it is: its
    # firmware (SeaBIOS, since ACPI is on) finds a kernel by the option ROM alone.
    Machine(
        "microvm",
        ("-M", MICROVM, *NO_DEFAULTS),
        _MICROVM_PROVIDES,
        passes_mhz=True,
        argv_qemu8=("-M", MICROVM.replace("x-option-roms=off", "x-option-roms=on"), *NO_DEFAULTS),
    ),
    Machine(
        "microvm-acpi-off",
        ("-M", f"{MICROVM},acpi=off", "-global", "virtio-mmio.force-legacy=on", *NO_DEFAULTS),
        _MICROVM_PROVIDES,
        passes_mhz=True,
    ),
    # With virtio-mmio cards: QEMU's list of them is on the command line (by PVH; Multiboot's is made before), and a
    # card says which transport it speaks.
    Machine(
        "microvm-mmio",
        ("-M", f"{MICROVM.replace('cmdline=off', 'cmdline=on')},acpi=off", *NO_DEFAULTS),
        _MICROVM_PROVIDES,
        passes_mhz=True,
    ),
    Machine("ovmf", ("-M", "q35", *NO_DEFAULTS), _PC_PROVIDES, flash=("ovmf-code", "ovmf-vars"), **_UEFI),
    # One file for code and variables, without flash: as -bios takes it.
    Machine("ovmf-bios", ("-M", "pc", *NO_DEFAULTS), _PC_PROVIDES, bios="ovmf-whole", **_UEFI),
    _arm("virt", "gic-version=3"),
    _arm("virt-gic2", "gic-version=2"),
    _arm("virt-el2", "gic-version=3,virtualization=on"),
    # QEMU makes a device tree for the first alone.
    _xilinx("versal-virt", "cortex-a72", min_cpus=4),
    _xilinx("zcu102", "cortex-a53"),
    _arm("aavmf", "gic-version=3,acpi=off", **_AAVMF),
    _arm("aavmf-el2", "gic-version=3,acpi=off,virtualization=on", **_AAVMF),
    _arm("aavmf-acpi", "gic-version=3", **_AAVMF),
    _riscv("virt"),
    # SiFive's board: nothing carries a number out of it, its firmware cannot switch it off, and of its processors the
    # first has no MMU and starts nothing.
    Machine(
        "sifive_u",
        ("-M", "sifive_u", *NO_DEFAULTS, "-nic", "none"),
        frozenset(),
        cpu_tcg="sifive-u54",
        arch="riscv64",
        memory="512M",
        firmware_prints=True,
        min_cpus=2,
    ),
    # Our own firmware: all harts start the loader at the same time, or hart 2 does (so there must be three).
    _riscv("virt-together", bios="start-sbi-together"),
    _riscv("virt-hart2", bios="start-sbi-hart2"),
    *(_riscv(f"virt-opensbi-{version}", bios=f"opensbi-{version}-dynamic") for version in OPENSBI),
    *(_riscv(f"virt-fw-jump-{version}", bios=f"opensbi-{version}-jump") for version in OPENSBI),
)
MACHINES: dict[str, Machine] = {m.name: m for m in ALL_MACHINES if m.arch == "x86_64"}
MACHINE_NAMES: tuple[str, ...] = tuple(dict.fromkeys(m.name for m in ALL_MACHINES))


def machine(name: str, arch: str = "x86_64") -> Machine:
    """The row called `name` of a processor; ValueError with the list of names otherwise."""
    known = {m.name: m for m in ALL_MACHINES if m.arch == arch}
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"unknown machine {name!r} of {arch}; known: {', '.join(known)}") from None


def firmware_problem(row: Machine) -> str:
    """What of a machine's firmware is missing here; empty when nothing is."""
    try:
        for word in (row.bios, *(row.flash or ())):
            if word:
                firmware_file(word)
    except ValueError as error:
        return str(error)
    return ""


def firmware_file(word: str) -> Path:
    """The file that a word of FIRMWARE stands for; ValueError tells what brings it when it is nowhere."""
    for candidate in map(Path, FIRMWARE[word]):
        if candidate.is_file():
            return candidate
    raise ValueError(f"no {FIRMWARE[word][0]}: {FIRMWARE_REMEDIES[word.partition('-')[0]]}")
