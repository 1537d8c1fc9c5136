# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of machines: QEMU arguments, default CPU per accelerator, and features. Keyed by CPU and name, because
`virt` exists for two CPUs.

`provides` uses the words of `needs` in fixture.toml. `passes_mhz` adds the host's MHz to the kernel's arguments: such a
machine has no timer to calibrate against.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermit_harness.paths import CACHE, FIXTURES, PACKAGED_FIRMWARE

MICROVM = "microvm,x-option-roms=off,pit=off,pic=off,rtc=on,auto-kernel-cmdline=off"
NO_DEFAULTS = ("-nodefaults", "-no-user-config")
CPU_TCG = "Skylake-Client,+fsgsbase,-pcid"
CPU_KVM = "host"
# `host` needs MSRs that some paravirtual KVMs refuse. host.kvm_cpu() tries these models in order.
CPU_KVM_FALLBACKS = ("host,-arch-capabilities", "max", "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt")


CPU_AARCH64 = "cortex-a76"
CPU_RISCV64 = "rv64"
RISCV64_RAM = 0x80000000
# The versions of Debian 12 and 13.
OPENSBI = ("1.1", "1.6")
# Kernels print through the debug console extension, which OpenSBI has since 1.3. Its table of extensions has the first
# and the last number of each one.
DEBUG_CONSOLE = struct.pack("<QQ", 0x4442434E, 0x4442434E)
SBI_DEFAULT = "opensbi"  # the first file of this name that has a debug console; without one, QEMU's own firmware
MUTE_FIRMWARE = (
    "the SBI firmware has no debug console, so the kernel cannot print: use OpenSBI 1.3 or later"
    " (ci/opensbi.sh fetches it; or --qemu-arg -bios --qemu-arg FILE)"
)
# Firmware files by name, in order of preference, at the paths of Debian and other distributions.
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
    # QEMU's own, the system's, the one of an installed package, the one that ci/opensbi.sh fetched. fw_jump is second
    # to fw_dynamic, because it needs at least 35 MiB.
    SBI_DEFAULT: (
        "/usr/share/qemu/opensbi-riscv64-generic-fw_dynamic.bin",
        "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
        "/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_jump.bin",
        str(PACKAGED_FIRMWARE / "fw_jump.bin"),
        str(CACHE / f"opensbi-{OPENSBI[-1]}" / "fw_dynamic.bin"),
    ),
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
# The remedy for a missing file, by the first part of its name.
FIRMWARE_REMEDIES = {
    "ovmf": "install ovmf",
    "aavmf": "install qemu-efi-aarch64",
    "opensbi": "run ci/opensbi.sh to fetch it",
    "start": "make fixtures",
}


@dataclass(frozen=True)
class Machine:
    """One row of the table. `argv` follows the QEMU program; `argv_qemu8` replaces it from QEMU 8, if given.

    `bios` and `flash` are names in FIRMWARE: for -bios, and for code and variables in flash. A run's changes to the
    variables are discarded. `firmware_prints`: the firmware prints before the loader. `returns_to_firmware`: a loader
    that refuses returns to the firmware, which continues. `deadline_factor` extends deadlines for slow firmware.
    `ram_start` is the address of RAM.
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
    ram_start: int = 0


_CPU_FEATURES = {"fsgsbase", "rdrand", "xsave"}
_MICROVM_PROVIDES = frozenset({"debug-exit", *_CPU_FEATURES})
_PC_PROVIDES = _MICROVM_PROVIDES | {"acpi", "pci", "smp"}
_VIRT_PROVIDES = frozenset({"debug-exit", "pci", "smp"})


def _arm(name: str, options: str, **changes: Any) -> Machine:
    """Return a row for the AArch64 virt board."""
    argv = ("-M", f"virt,{options}", *NO_DEFAULTS)
    fields = {"memory": "512M", "ram_start": 0x40000000, **changes}
    return Machine(name, argv, _VIRT_PROVIDES, cpu_tcg=CPU_AARCH64, arch="aarch64", **fields)


def _riscv(name: str, bios: str = SBI_DEFAULT) -> Machine:
    """Return a row for the RISC-V virt board, whose SBI firmware prints a banner."""
    argv = ("-M", "virt", *NO_DEFAULTS)
    return Machine(
        name,
        argv,
        _VIRT_PROVIDES,
        cpu_tcg=CPU_RISCV64,
        arch="riscv64",
        firmware_prints=True,
        bios=bios,
        ram_start=RISCV64_RAM,
    )


def _xilinx(board: str, cpu: str, min_cpus: int = 1) -> Machine:
    """Return a row for a Xilinx board.

    Its network controllers are on board and not connected by default. QEMU 8 and later need a backend for the sound
    device on board; QEMU 7.2 does not know that option.
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
    # QEMU 7.2 boots upstream's line. QEMU 10.0 uses SeaBIOS there, because ACPI is on, and SeaBIOS finds a -kernel only
    # through the option ROM.
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
    # With virtio-mmio NICs. QEMU lists them on the command line (for PVH only: the Multiboot command line is built
    # earlier). Each NIC reports its transport.
    Machine(
        "microvm-mmio",
        ("-M", f"{MICROVM.replace('cmdline=off', 'cmdline=on')},acpi=off", *NO_DEFAULTS),
        _MICROVM_PROVIDES,
        passes_mhz=True,
    ),
    Machine("ovmf", ("-M", "q35", *NO_DEFAULTS), _PC_PROVIDES, flash=("ovmf-code", "ovmf-vars"), **_UEFI),
    # One file for code and variables, as -bios needs it.
    Machine("ovmf-bios", ("-M", "pc", *NO_DEFAULTS), _PC_PROVIDES, bios="ovmf-whole", **_UEFI),
    _arm("virt", "gic-version=3"),
    _arm("virt-gic2", "gic-version=2"),
    _arm("virt-el2", "gic-version=3,virtualization=on"),
    # QEMU generates a device tree for the first one only.
    _xilinx("versal-virt", "cortex-a72", min_cpus=4),
    _xilinx("zcu102", "cortex-a53"),
    _arm("aavmf", "gic-version=3,acpi=off", **_AAVMF),
    _arm("aavmf-el2", "gic-version=3,acpi=off,virtualization=on", **_AAVMF),
    _arm("aavmf-acpi", "gic-version=3", **_AAVMF),
    _riscv("virt"),
    # The SiFive board has no exit device, and its firmware cannot power it off. Its first hart has no MMU and does not
    # boot the loader.
    Machine(
        "sifive_u",
        ("-M", "sifive_u", *NO_DEFAULTS, "-nic", "none"),
        frozenset(),
        cpu_tcg="sifive-u54",
        arch="riscv64",
        memory="512M",
        bios=SBI_DEFAULT,
        firmware_prints=True,
        min_cpus=2,
        ram_start=RISCV64_RAM,
    ),
    # Firmware of fixtures/start: it starts the loader on all harts at the same time, or on hart 2 (of three).
    _riscv("virt-together", bios="start-sbi-together"),
    _riscv("virt-hart2", bios="start-sbi-hart2"),
    *(_riscv(f"virt-opensbi-{version}", bios=f"opensbi-{version}-dynamic") for version in OPENSBI),
    *(_riscv(f"virt-fw-jump-{version}", bios=f"opensbi-{version}-jump") for version in OPENSBI),
)
MACHINES: dict[str, Machine] = {m.name: m for m in ALL_MACHINES if m.arch == "x86_64"}
MACHINE_NAMES: tuple[str, ...] = tuple(dict.fromkeys(m.name for m in ALL_MACHINES))


def machine(name: str, arch: str = "x86_64") -> Machine:
    """Return the machine `name` of a CPU. Raise ValueError with the list of names if it is unknown."""
    known = {m.name: m for m in ALL_MACHINES if m.arch == arch}
    try:
        return known[name]
    except KeyError:
        raise ValueError(f"unknown machine {name!r} of {arch}; known: {', '.join(known)}") from None


def firmware_problem(row: Machine) -> str:
    """Return which firmware file of a machine is missing, or ""."""
    try:
        for word in (row.bios, *(row.flash or ())):
            if word and word != SBI_DEFAULT:
                firmware_file(word)
        if row.bios == SBI_DEFAULT and not bios_file(row):
            return MUTE_FIRMWARE
    except ValueError as error:
        return str(error)
    return ""


def has_debug_console(firmware: Path) -> bool:
    """Return whether an SBI firmware file implements the debug console extension."""
    try:
        return DEBUG_CONSOLE in firmware.read_bytes()
    except OSError:
        return False


def bios_file(row: Machine) -> Path | None:
    """Return the file for -bios, None for QEMU's default. Raise ValueError with the remedy if it is missing."""
    if row.bios == SBI_DEFAULT:
        return next(filter(has_debug_console, map(Path, FIRMWARE[SBI_DEFAULT])), None)
    return firmware_file(row.bios) if row.bios else None


def firmware_file(word: str) -> Path:
    """Return the file of a name in FIRMWARE. Raise ValueError with the remedy if it is missing."""
    for candidate in map(Path, FIRMWARE[word]):
        if candidate.is_file():
            return candidate
    raise ValueError(f"no {FIRMWARE[word][0]}: {FIRMWARE_REMEDIES[word.partition('-')[0]]}")
