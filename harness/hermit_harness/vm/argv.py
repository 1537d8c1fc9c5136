# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Translate a RunSpec into QEMU's command line. Only two defaults depend on the host: the KVM CPU model and the MHz."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hermit_harness.vm import esp, grub, host, migration, nic, shared_directory
from hermit_harness.vm.filenames import escape_commas, initrd_name, kernel_name
from hermit_harness.vm.machines import Machine, bios_file, firmware_file, has_debug_console, machine
from hermit_harness.vm.memory import guest_loader_address
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import WAYS, target

DEBUG_EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04")
# Exit devices by CPU. The RISC-V board always has one.
EXIT_DEVICES = {"x86_64": DEBUG_EXIT, "aarch64": ("-semihosting",), "riscv64": ()}
# Names in the current directory for a machine that a user starts by hand: virtiofsd's socket, and an empty shared
# directory.
SHARE_SOCKET, SHARE_DIR = "virtiofsd.sock", "virtiofsd.dir"
MAX_MHZ = 65535  # the kernel parses the number as u16


@dataclass(frozen=True)
class InheritedFds:
    """The descriptors that QEMU inherits, each one end of a socket pair."""

    serial: int
    qmp: int
    gdb: int
    mirror: int = -1
    inject: int = -1
    share: int = -1


def check_mhz(value: int | str) -> int:
    """Return `value` as MHz for -freq. Raise ValueError outside 1..65535, because kernels store 16 bits."""
    try:
        mhz = int(value)
    except ValueError:
        raise ValueError(f"-freq wants MHz as a decimal number, not {value!r}") from None
    if not 1 <= mhz <= MAX_MHZ:
        raise ValueError(f"-freq {mhz}: kernels store the frequency in 16 bits, so the range is 1 to {MAX_MHZ} MHz")
    return mhz


def with_freq(append: str, mhz: int) -> str:
    """Prepend "-freq MHZ" to `append`, unless the kernel arguments (before the first --) contain -freq already.

    A number that is already present is checked as well. A missing number is left to the guest.
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
    """Return the machine of a boot."""
    return machine(spec.machine, target(spec.target).cpu)


def qemu_of(spec: RunSpec) -> str:
    """Return the QEMU program."""
    return spec.qemu or target(spec.target).qemu


def append_of(spec: RunSpec) -> str:
    """Return the text after -append."""
    if not machine_of(spec).passes_mhz:
        return spec.append
    return with_freq(spec.append, host.mhz() or 1000)


def cpu_of(spec: RunSpec) -> str:
    """Return the -cpu text: the given one, or the default of machine and accelerator."""
    if spec.cpu:
        return spec.cpu
    row = machine_of(spec)
    return row.cpu_tcg if spec.accel == "tcg" else host.kvm_cpu(qemu_of(spec), row.cpu_kvm)


def is_firmware_mute(spec: RunSpec) -> bool:
    """Return whether a kernel cannot print, because it prints by calls of the firmware, which lacks them."""
    bios = bios_file(machine_of(spec))
    return target(spec.target).cpu == "riscv64" and "-bios" not in spec.extra and not (bios and has_debug_console(bios))


def machine_argv(spec: RunSpec) -> tuple[str, ...]:
    """Return the machine's arguments for this QEMU version."""
    row = machine_of(spec)
    return row.argv_qemu8 if row.argv_qemu8 and host.qemu_major(qemu_of(spec)) >= 8 else row.argv


def firmware_argv(row: Machine) -> list[str]:
    """Return the arguments for the firmware. QEMU discards changes to its variables."""
    bios = bios_file(row)
    argv = ["-bios", str(bios)] if bios else []
    for unit, word in enumerate(row.flash or ()):
        write_option = "readonly=on" if unit == 0 else "snapshot=on"
        argv += ["-drive", f"if=pflash,unit={unit},format=raw,{write_option},file={escape_commas(firmware_file(word))}"]
    return argv


def disk_argv(name: str, image: Path) -> list[str]:
    """Return the arguments for a read-only disk."""
    drive = f"if=none,id={name},format=raw,readonly=on,file={escape_commas(image)}"
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={name}"]


def way_of(spec: RunSpec) -> str:
    """Return how the loader gets the application, without an address."""
    return (spec.way or target(spec.target).way).partition("@")[0]


def firmware_prints(spec: RunSpec) -> bool:
    """Return whether firmware or GRUB may print before the loader, and control the terminal."""
    return machine_of(spec).firmware_prints or way_of(spec).startswith("grub-")


def loader_argv(spec: RunSpec) -> list[str]:
    """Return the arguments for loader, application and command line, by the target's or the boot's `way`."""
    way, place = way_of(spec), (spec.way or target(spec.target).way).partition("@")[2]
    if way not in WAYS:
        raise ValueError(f"unknown way {way!r} to pass an application; known: {', '.join(WAYS)}")
    append = append_of(spec)
    if way == "esp-shell":
        return disk_argv("esp", esp.shell_disk(spec.loader, spec.app, append))
    if way in ("esp", "esp-boot"):
        directory = "hermit" if way == "esp" else "BOOT"
        return disk_argv("esp", esp.image(target(spec.target).cpu, spec.loader, spec.app, append, directory))
    apps, modules = (spec.app,) if spec.app else (), spec.modules
    if way.startswith("grub-"):
        protocol = "multiboot" if target(spec.target).name == "x86_64-multiboot" else "multiboot2"
        disk = grub.iso(protocol, spec.loader, apps + modules, append)
        if way == "grub-disk":
            return disk_argv("grub", disk)
        return ["-drive", f"if=ide,media=cdrom,format=raw,readonly=on,file={escape_commas(disk)}"]
    argv = ["-kernel", kernel_name(spec.loader)]
    if way == "guest-loader" and spec.app:
        address = place or hex(guest_loader_address(spec))
        argv += ["-device", f"guest-loader,addr={address},initrd={escape_commas(spec.app)}"]
        apps = ()
    if apps + modules:
        argv += ["-initrd", ",".join(map(initrd_name, apps + modules))]
    return argv + (["-append", append] if append else [])


def is_network_watched(spec: RunSpec) -> bool:
    """Return whether the harness receives the guest's frames."""
    return spec.net.kind != "none" and spec.net.watched


def guest_argv(spec: RunSpec) -> list[str]:
    """Return the part of the command line that determines the guest's hardware."""
    row = machine_of(spec)
    argv = [qemu_of(spec), *machine_argv(spec), "-accel", spec.accel, "-cpu", cpu_of(spec)]
    argv += ["-smp", str(max(spec.smp, row.min_cpus)), "-m", spec.memory, *firmware_argv(row)]
    if spec.debug_exit:
        argv += EXIT_DEVICES[row.arch]
    argv += [*loader_argv(spec), *nic.argv(spec.net)]
    if spec.share:
        argv += shared_directory.argv(spec.share, spec.memory, spec.share.mmio or spec.machine.startswith("microvm"))
    return [*argv, *spec.extra]


def harness_argv(spec: RunSpec, fds: InheritedFds) -> list[str]:
    """Return the harness's command line: paused, with serial port, QMP and GDB stub on inherited descriptors.

    A reset or triple fault pauses the machine in place: -no-reboot makes it a shutdown, -no-shutdown a pause.
    """
    argv = [*share_argv(spec, f"fd={fds.share}"), *guest_argv(spec)[1:]]
    argv += ["-display", "none", "-no-reboot", "-no-shutdown", "-S"]
    for name, fd in (("serial0", fds.serial), ("qmp0", fds.qmp), ("gdb0", fds.gdb)):
        argv += ["-chardev", f"socket,id={name},fd={fd}"]
    argv += migration.INCOMING if spec.stream else ()
    if is_network_watched(spec):
        argv += nic.watch_argv(fds.mirror, fds.inject)
    return argv + ["-serial", "chardev:serial0", "-mon", "chardev=qmp0,mode=control"]


def standalone_argv(spec: RunSpec) -> list[str]:
    """Return the same machine for a user's shell: serial port on stdio, no monitor, not paused, exit at a reset.

    virtiofsd listens on SHARE_SOCKET.
    """
    spec = replace(spec, net=replace(spec.net, fd=-1))
    argv = [*share_argv(spec, f"path={SHARE_SOCKET}"), *guest_argv(spec)[1:]]
    return [*argv, "-display", "none", "-serial", "stdio", "-no-reboot"]


def virtiofsd_note(spec: RunSpec) -> str:
    """Return the virtiofsd command to run before standalone_argv(), as a shell comment, or ""."""
    if not spec.share:
        return ""
    program, make_directory = (
        spec.share.program or "virtiofsd",
        "" if spec.share.directory else f"mkdir -p {SHARE_DIR}; ",
    )
    words = shared_directory.virtiofsd_argv(program, spec.share, f"--socket-path={SHARE_SOCKET}", SHARE_DIR)
    return f"# first, in another terminal in this directory: {make_directory}{shlex.join(words)}\n"


def share_argv(spec: RunSpec, address: str) -> list[str]:
    """Return QEMU and its connection to virtiofsd, which must precede the device on the command line."""
    return [qemu_of(spec), *(("-chardev", f"socket,id=share0,{address}") if spec.share else ())]


def shell_line(argv: Sequence[str], width: int = 110) -> str:
    """Format `argv` as lines for a POSIX shell, joined by backslashes, each option with its values."""
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
