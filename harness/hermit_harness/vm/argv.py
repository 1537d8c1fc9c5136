# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From a RunSpec to QEMU's command line. Pure but for the defaults, which ask the host (CPU for KVM, MHz)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.vm import esp, host, nic, shared_folder
from hermit_harness.vm.filenames import escape_commas, initrd_name
from hermit_harness.vm.machines import Machine, firmware_file, machine
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import GUEST_LOADER_ADDRESS, WAYS, target

DEBUG_EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04")
# What carries a number out of a guest; RISC-V's board always has its device for that.
EXIT_DEVICES = {"x86_64": DEBUG_EXIT, "aarch64": ("-semihosting",), "riscv64": ()}
# In the current folder, when a person starts the machine by hand: the daemon's socket, and what stands for no folder.
SHARE_SOCKET, SHARE_FOLDER = "virtiofsd.sock", "virtiofsd.dir"
MAX_MHZ = 65535  # the kernel parses the number as u16


@dataclass(frozen=True)
class InheritedFds:
    """The descriptors that QEMU inherits, one end of a socket pair each."""

    serial: int
    qmp: int
    gdb: int
    mirror: int = -1
    inject: int = -1
    share: int = -1


def check_mhz(value: int | str) -> int:
    """`value` as MHz for -freq; ValueError outside 1..65535 (today's kernels keep 16 bits)."""
    try:
        mhz = int(value)
    except ValueError:
        raise ValueError(f"-freq wants MHz as a decimal number, not {value!r}") from None
    if not 1 <= mhz <= MAX_MHZ:
        raise ValueError(f"-freq {mhz}: kernels keep the frequency in 16 bits, so 1 to {MAX_MHZ} MHz can be given")
    return mhz


def with_freq(append: str, mhz: int) -> str:
    """`append` with "-freq MHZ" in front, unless its kernel arguments (before the first --) hold one already.

    A number that stands there already is checked, too; a missing one is left to the guest.
    """
    words = append.split()
    kernel_words = words[: words.index("--")] if "--" in words else words
    if "-freq" in kernel_words:
        given = kernel_words.index("-freq") + 1
        if given < len(kernel_words):
            check_mhz(kernel_words[given])
        return append
    return f"-freq {check_mhz(mhz)} {append}".rstrip()


def machine_of(spec: RunSpec) -> Machine:
    """The row of the machine that a boot wants."""
    return machine(spec.machine, target(spec.target).cpu)


def qemu_of(spec: RunSpec) -> str:
    """The QEMU program."""
    return spec.qemu or target(spec.target).qemu


def append_of(spec: RunSpec) -> str:
    """What stands after -append."""
    if not machine_of(spec).passes_mhz:
        return spec.append
    return with_freq(spec.append, host.mhz() or 1000)


def cpu_of(spec: RunSpec) -> str:
    """The -cpu text: given, or the default of machine and accelerator."""
    if spec.cpu:
        return spec.cpu
    row = machine_of(spec)
    return row.cpu_tcg if spec.accel == "tcg" else host.kvm_cpu(qemu_of(spec), row.cpu_kvm)


def machine_argv(spec: RunSpec) -> tuple[str, ...]:
    """The words of the machine's row for this QEMU."""
    row = machine_of(spec)
    return row.argv_qemu8 if row.argv_qemu8 and host.qemu_major(qemu_of(spec)) >= 8 else row.argv


def firmware_argv(row: Machine) -> list[str]:
    """The machine's firmware; what it writes to its variables goes to a temporary file of QEMU's."""
    argv = ["-bios", str(firmware_file(row.bios))] if row.bios else []
    for unit, word in enumerate(row.flash or ()):
        write_option = "readonly=on" if unit == 0 else "snapshot=on"
        argv += ["-drive", f"if=pflash,unit={unit},format=raw,{write_option},file={escape_commas(firmware_file(word))}"]
    return argv


def disk_argv(name: str, image: Path) -> list[str]:
    """A disk that the guest cannot write."""
    drive = f"if=none,id={name},format=raw,readonly=on,file={escape_commas(image)}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name}"]


def loader_argv(spec: RunSpec) -> list[str]:
    """Loader, application and command line, in the way that the target or the boot wants."""
    way, _, place = (spec.way or target(spec.target).way).partition("@")
    if way not in WAYS:
        raise ValueError(f"unknown way {way!r} to pass an application; known: {', '.join(WAYS)}")
    append = append_of(spec)
    if way == "esp-shell":
        return disk_argv("esp", esp.shell_disk(spec.loader, spec.app, append))
    if way in ("esp", "esp-boot"):
        folder = "hermit" if way == "esp" else "BOOT"
        return disk_argv("esp", esp.image(target(spec.target).cpu, spec.loader, spec.app, append, folder))
    argv = ["-kernel", str(spec.loader)]
    apps, modules = (spec.app,) if spec.app else (), spec.modules
    if way == "guest-loader" and spec.app:
        argv += ["-device", f"guest-loader,addr={place or GUEST_LOADER_ADDRESS},initrd={escape_commas(spec.app)}"]
        apps = ()
    if apps + modules:
        argv += ["-initrd", ",".join(map(initrd_name, apps + modules))]
    return argv + (["-append", append] if append else [])


def is_network_watched(spec: RunSpec) -> bool:
    """Whether the harness sees the guest's frames."""
    return spec.net.kind != "none" and spec.net.watched


def guest_argv(spec: RunSpec) -> list[str]:
    """The part of the command line that decides what the guest sees."""
    row = machine_of(spec)
    argv = [qemu_of(spec), *machine_argv(spec), "-accel", spec.accel, "-cpu", cpu_of(spec)]
    argv += ["-smp", str(max(spec.smp, row.min_cpus)), "-m", spec.memory, *firmware_argv(row)]
    if spec.debug_exit:
        argv += EXIT_DEVICES[row.arch]
    argv += [*loader_argv(spec), *nic.argv(spec.net)]
    if spec.share:
        argv += shared_folder.argv(spec.share, spec.memory, spec.share.mmio or spec.machine.startswith("microvm"))
    return [*argv, *spec.extra]


def harness_argv(spec: RunSpec, fds: InheritedFds) -> list[str]:
    """The command line as the harness runs it: paused, serial, QMP and the later gdb stub over inherited descriptors.

    A reset or a triple fault stops the machine where it happened (-no-reboot turns it into a shutdown, -no-shutdown
    into a pause).
    """
    argv = [*share_argv(spec, f"fd={fds.share}"), *guest_argv(spec)[1:]]
    argv += ["-display", "none", "-no-reboot", "-no-shutdown", "-S"]
    for name, fd in (("serial0", fds.serial), ("qmp0", fds.qmp), ("gdb0", fds.gdb)):
        argv += ["-chardev", f"socket,id={name},fd={fd}"]
    if is_network_watched(spec):
        argv += nic.watch_argv(fds.mirror, fds.inject)
    return argv + ["-serial", "chardev:serial0", "-mon", "chardev=qmp0,mode=control"]


def standalone_argv(spec: RunSpec) -> list[str]:
    """The same machine for a person: serial on stdio, no monitor, runs at once, ends at a reset. A shared folder's
    daemon waits at SHARE_SOCKET."""
    spec = replace(spec, net=replace(spec.net, fd=-1))
    argv = [*share_argv(spec, f"path={SHARE_SOCKET}"), *guest_argv(spec)[1:]]
    return [*argv, "-display", "none", "-serial", "stdio", "-no-reboot"]


def virtiofsd_note(spec: RunSpec) -> str:
    """What a person must start before plain_argv(), as a comment of the shell's; "" if nothing."""
    if not spec.share:
        return ""
    program, make_folder = spec.share.program or "virtiofsd", "" if spec.share.folder else f"mkdir -p {SHARE_FOLDER}; "
    words = shared_folder.virtiofsd_argv(program, spec.share, f"--socket-path={SHARE_SOCKET}", SHARE_FOLDER)
    return f"# before, in another terminal and this folder: {make_folder}{shlex.join(words)}\n"


def share_argv(spec: RunSpec, address: str) -> list[str]:
    """QEMU, and its connection to the daemon of the shared folder, which must stand before the device."""
    return [qemu_of(spec), *(("-chardev", f"socket,id=share0,{address}") if spec.share else ())]


def shell_line(argv: Sequence[str], width: int = 110) -> str:
    """`argv` as lines for a POSIX shell, joined with backslashes, options kept with their values."""
    lines: list[str] = []
    for word in argv:
        quoted = shlex.quote(word)
        starts_option = re.match(r"-[a-zA-Z]", word) is not None
        fits = bool(lines) and len(lines[-1]) + len(quoted) < width
        if lines and (fits or not starts_option):
            lines[-1] += " " + quoted
        else:
            lines.append(("    " if lines else "") + quoted)
    return " \\\n".join(lines)
