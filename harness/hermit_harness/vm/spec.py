# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What one boot consists of. A frozen value: the same RunSpec gives the same QEMU command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hermit_harness.vm.nic import NO_NETWORK, Nic
from hermit_harness.vm.shared_folder import SharedFolder


@dataclass(frozen=True)
class RunSpec:
    """One boot of one guest.

    `loader` is what QEMU gets as -kernel, `app` as -initrd (the first module) or by `way`, `modules` the further ones.
    `append` is the text after -append, byte for byte; on machines that say so in their row (microvm) "-freq MHZ " is
    put
    before it unless it already holds a -freq before its first "--".
    `cpu` "" means the table's default for the machine and accelerator. `stdin` is sent to the serial port; None sends
    nothing.
    `end` names a row of ends.toml. `expect` is what Outcome.matches() understands.
    `target` decides about processor and QEMU, and how the application is passed unless `way` says it (see targets.py).
    `net` is the guest's network card, `share` the folder that it sees.
    `debug_exit` off takes away what carries a number out of the guest: the device on x86, semihosting on AArch64.
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
    qemu: str = ""  # "" is the target's
    modules: tuple[Path, ...] = ()
    expect: str = "exit 0"
    target: str = "x86_64-multiboot"
    way: str = ""
    net: Nic = NO_NETWORK
    share: SharedFolder | None = None
