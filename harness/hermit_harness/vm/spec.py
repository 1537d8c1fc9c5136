# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The description of one boot. A frozen value: the same RunSpec gives the same QEMU command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hermit_harness.vm.nic import NO_NETWORK, Nic
from hermit_harness.vm.shared_directory import SharedDirectory


@dataclass(frozen=True)
class RunSpec:
    """One boot of one guest.

    `loader` is QEMU's -kernel. `app` is the first module (-initrd, or as `way` says), `modules` are the further ones.
    `append` is the text after -append, byte for byte. On machines with `passes_mhz` (microvm), "-freq MHZ " precedes it
    unless it contains -freq before its first "--".
    `cpu` "" selects the default of machine and accelerator. `stdin` is sent to the serial port; None sends nothing.
    `end` names a row of ends.toml. `expect` has the syntax of Outcome.matches().
    `target` determines the CPU, QEMU and, unless `way` is set, how the application is passed (see targets.py).
    `net` is the guest's NIC, `share` its shared directory.
    `allow_unknown` takes an end without a status for success.
    `continues_on_fault`: an exception that the kernel reports does not end the run.
    `stream`: the machine's state, from which it resumes, instead of a reset (see migration.py).
    `debug_exit` False removes the exit device: isa-debug-exit on x86_64, semihosting on aarch64.
    """

    loader: Path
    app: Path | None
    machine: str
    accel: str = "tcg"
    cpu: str = ""
    smp: int = 1
    memory: str = "128M"
    append: str = ""
    debug_exit: bool = True
    extra: tuple[str, ...] = ()
    stdin: bytes | None = b""
    end: str = "bare"
    loader_debug: Path | None = None
    cpu_seconds: float = 20.0
    wall_seconds: float = 60.0
    isolate: bool = True
    qemu: str = ""  # "" selects the target's QEMU
    modules: tuple[Path, ...] = ()
    expect: str = "exit 0"
    target: str = "x86_64-multiboot"
    way: str = ""
    net: Nic = NO_NETWORK
    share: SharedDirectory | None = None
    allow_unknown: bool = False
    continues_on_fault: bool = False
    stream: Path | None = None
