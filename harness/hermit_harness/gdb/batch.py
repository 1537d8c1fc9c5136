# SPDX-License-Identifier: Apache-2.0 OR MIT
"""GDB as a program that runs to its end, connected to a machine that the harness has started.

The stub is opened on a socket pair that QEMU inherited with the others: no port, no path, nothing to clean up. GDB
talks to it through a pipe of two `cat`s, since it cannot take a connected socket itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

from hermit_harness.vm.process import DIE_WITH_PARENT, Process
from hermit_harness.vm.qmp import Qmp
from hermit_harness.vm.targets import cpu_of_arch

SECONDS = 30.0
# The stub's socket comes as descriptor 0 and becomes 9: a shell takes only one digit. The first cat ends when QEMU
# does, the second with GDB.
STUB_AS_9 = ("sh", "-c", 'exec "$@" 9<&0 </dev/null', "sh")
PIPE = "| cat <&9 & exec cat >&9"
# Nothing of the person's own settings, nothing from the network.
PLAIN = ("-nx", "-q", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off")
# What GDB calls each processor. It must be told before it connects, or it takes the first reply for too long.
ARCHITECTURES = {"x86_64": "i386:x86-64", "aarch64": "aarch64", "riscv64": "riscv:rv64"}


def program(cpu: str) -> str:
    """The GDB for a processor: Debian's plain one knows the host's alone. OSError says what to install."""
    found = shutil.which("gdb-multiarch") or (shutil.which("gdb") if cpu == "x86_64" else None)
    if not found:
        package = "gdb" if cpu == "x86_64" else "gdb-multiarch"
        raise OSError(f"{package} is not installed (apt install {package})")
    return found


def quoted(path: object) -> str:
    """A file name as a word of a GDB command."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def connect(arch: str, symbols: Sequence[tuple[str, int]]) -> list[str]:
    """The GDB commands that load symbols (each file is moved by its offset) and connect. The first file is the main
    one. QEMU's stub has little-endian registers for a big-endian application, too."""
    lines = ["set pagination off", "set confirm off", f"set architecture {ARCHITECTURES[cpu_of_arch(arch)]}"]
    lines += ["set endian little"] if arch.endswith("_be") else []
    for number, (path, offset) in enumerate(symbols):
        verb = "add-symbol-file" if number else "symbol-file"
        lines.append(f"{verb} {quoted(path)} -o {offset:#x}")
    return [*lines, f"target remote {PIPE}"]


def run(
    process: Process,
    qmp: Qmp,
    cpu: str,
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Open the machine's stub and run GDB with these words to its end. OSError without a GDB,
    subprocess.TimeoutExpired for one that does not end."""
    qmp.hmp("gdbserver chardev:gdb0")
    return subprocess.run(
        [*DIE_WITH_PARENT, *STUB_AS_9, program(cpu), *PLAIN, *words],
        stdin=process.gdb.fileno(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
        start_new_session=True,
        env={**os.environ, "SHELL": "/bin/sh", "LC_ALL": "C.UTF-8", **(environment or {})},
    )
