# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of machines: QEMU arguments, default CPU per accelerator, and what the machine has.

`has` uses the words of `needs` in fixture.toml. `freq` says that the harness adds the host's MHz as a kernel argument
(L-36): such a
machine has no timer against which a kernel could calibrate.
"""

from __future__ import annotations

from dataclasses import dataclass

MICROVM = "microvm,x-option-roms=off,pit=off,pic=off,rtc=on,auto-kernel-cmdline=off"
NO_DEFAULTS = ("-nodefaults", "-no-user-config")
CPU_TCG = "Skylake-Client,+fsgsbase,-pcid"
CPU_KVM = "host"
# `host` asks for MSRs that some (paravirtual) KVMs refuse; these are tried in order, see host.kvm_cpu().
CPU_KVM_FALLBACKS = ("host,-arch-capabilities", "max", "qemu64,apic,fsgsbase,fxsr,rdrand,rdtscp,xsave,xsaveopt")


@dataclass(frozen=True)
class Machine:
    """One row of the table; `argv` stands between the QEMU binary and the rest. `argv_newer`, where given, takes its
    place from QEMU 8 on."""

    name: str
    argv: tuple[str, ...]
    has: frozenset[str]
    freq: bool = False
    argv_newer: tuple[str, ...] = ()
    cpu_tcg: str = CPU_TCG
    cpu_kvm: str = CPU_KVM


_CPU = {"fsgsbase", "rdrand", "xsave"}
_SMALL = frozenset({"debug-exit", *_CPU})
_FULL = _SMALL | {"acpi", "pci", "smp"}

MACHINES: dict[str, Machine] = {
    m.name: m
    for m in (
        Machine("pc", ("-M", "pc", *NO_DEFAULTS), _FULL),
        Machine("q35", ("-M", "q35", *NO_DEFAULTS), _FULL),
        # QEMU 7.2 boots the line as upstream wrote it; QEMU 10.0 with it boots no -kernel at all, whatever it is: its
        # firmware (SeaBIOS, since ACPI is on) finds a kernel by the option ROM alone.
        Machine(
            "microvm",
            ("-M", MICROVM, *NO_DEFAULTS),
            _SMALL,
            freq=True,
            argv_newer=("-M", MICROVM.replace("x-option-roms=off", "x-option-roms=on"), *NO_DEFAULTS),
        ),
        Machine(
            "microvm-acpi-off",
            ("-M", f"{MICROVM},acpi=off", "-global", "virtio-mmio.force-legacy=on", *NO_DEFAULTS),
            _SMALL,
            freq=True,
        ),
    )
}


def machine(name: str) -> Machine:
    """The row called `name`; ValueError with the list of names otherwise."""
    try:
        return MACHINES[name]
    except KeyError:
        raise ValueError(f"unknown machine {name!r}; known: {', '.join(MACHINES)}") from None
