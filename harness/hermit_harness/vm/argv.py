# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From a RunSpec to QEMU's command line. Pure but for the defaults, which ask the host (CPU for KVM, MHz)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from hermit_harness.vm import host
from hermit_harness.vm.machines import machine
from hermit_harness.vm.spec import RunSpec

DEBUG_EXIT = ("-device", "isa-debug-exit,iobase=0xf4,iosize=0x04")
MAX_MHZ = 65535  # the kernel parses the number as u16


@dataclass(frozen=True)
class Wires:
    """The descriptors that QEMU inherits, one end of a socket pair each."""

    serial: int
    qmp: int
    gdb: int


def comma_escaped(text: object) -> str:
    """A file name inside one of QEMU's comma-separated options: a comma is doubled."""
    return str(text).replace(",", ",,")


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


def append_text(spec: RunSpec) -> str:
    """What stands after -append."""
    if not machine(spec.machine).freq:
        return spec.append
    return with_freq(spec.append, host.mhz() or 1000)


def cpu_of(spec: RunSpec) -> str:
    """The -cpu text: given, or the default of machine and accelerator."""
    if spec.cpu:
        return spec.cpu
    row = machine(spec.machine)
    return row.cpu_tcg if spec.accel == "tcg" else host.kvm_cpu(spec.qemu, row.cpu_kvm)


def machine_argv(spec: RunSpec) -> tuple[str, ...]:
    """The words of the machine's row for this QEMU."""
    row = machine(spec.machine)
    return row.argv_newer if row.argv_newer and host.qemu_major(spec.qemu) >= 8 else row.argv


def guest_argv(spec: RunSpec) -> list[str]:
    """The part of the command line that decides what the guest sees."""
    argv = [spec.qemu, *machine_argv(spec), "-accel", spec.accel, "-cpu", cpu_of(spec)]
    argv += ["-smp", str(spec.smp), "-m", spec.memory]
    if spec.debug_exit:
        argv += DEBUG_EXIT
    argv += ["-kernel", str(spec.loader)]
    files = [comma_escaped(path) for path in ((spec.app,) if spec.app else ()) + spec.modules]
    if files:
        argv += ["-initrd", ",".join(files)]
    append = append_text(spec)
    if append:
        argv += ["-append", append]
    return argv + list(spec.extra)


def wired_argv(spec: RunSpec, wires: Wires) -> list[str]:
    """The command line as the harness runs it: paused, serial, QMP and the later gdb stub over inherited descriptors.

    A reset or a triple fault stops the machine where it happened (-no-reboot turns it into a shutdown, -no-shutdown
    into a pause).
    """
    argv = guest_argv(spec)
    argv += ["-display", "none", "-no-reboot", "-no-shutdown", "-S"]
    for name, fd in (("serial0", wires.serial), ("qmp0", wires.qmp), ("gdb0", wires.gdb)):
        argv += ["-chardev", f"socket,id={name},fd={fd}"]
    return argv + ["-serial", "chardev:serial0", "-mon", "chardev=qmp0,mode=control"]


def plain_argv(spec: RunSpec) -> list[str]:
    """The same machine for a person: serial on stdio, no monitor, runs at once, ends at a reset."""
    return [*guest_argv(spec), "-display", "none", "-serial", "stdio", "-no-reboot"]


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
