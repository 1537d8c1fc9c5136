# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which GDB: the one that the person names, else the best that is installed and knows the processor."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hermit_harness.vm.filenames import user_temp_directory
from hermit_harness.vm.process import DIE_WITH_PARENT, Process
from hermit_harness.vm.qmp import Qmp
from hermit_harness.vm.targets import cpu_of_arch

# What GDB calls each processor.
ARCHITECTURES = {"x86_64": "i386:x86-64", "aarch64": "aarch64", "riscv64": "riscv:rv64"}
QUERY_SECONDS = 20.0
BATCH_SECONDS = 30.0
# The stub's socket comes as descriptor 0 and becomes 9: a shell takes only one digit. The first cat ends when QEMU
# does, the second with GDB.
STUB_AS_9 = ("sh", "-c", 'exec "$@" 9<&0 </dev/null', "sh")
PIPE_TARGET = "| cat <&9 & exec cat >&9"
# GDB repeats a packet that is not answered within 2 s, and then takes one answer for another. No packet gets lost on
# a socket, and a QEMU on a busy machine may need longer.
WAIT_FOR_ANSWERS = "set remotetimeout -1"
# Nothing of the person's own settings, nothing from the network.
BATCH_COMMANDS = ("set auto-load off", "set debuginfod enabled off", WAIT_FOR_ANSWERS)
BATCH_OPTIONS = ("-nx", "-q", "-batch", *(word for command in BATCH_COMMANDS for word in ("-iex", command)))


@dataclass(frozen=True)
class Gdb:
    """Words that start it, and what is added to its environment."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def supports_cpu(gdb: Gdb, cpu: str) -> bool:
    """Whether this program starts and knows the processor."""
    name = ARCHITECTURES[cpu]
    try:
        done = subprocess.run(
            [*gdb.words, "-nx", "-q", "-batch", "-ex", f"set architecture {name}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=QUERY_SECONDS,
            check=False,
            env={**os.environ, **gdb.environment, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return f'set to "{name}"' in done.stdout


def find_all(arch: str, environment: Mapping[str, str] | None = None) -> list[Gdb]:
    """The GDBs for applications of a kind, best first: $GDB or $RUST_GDB alone where they are set, else rust-gdb,
    gdb-multiarch, gdb, as far as they are installed. One that does not even start (Rust's wrapper without a toolchain,
    say) is passed over by who starts it.

    ValueError in one sentence where the person's own choice does not fit, or where none does.
    """
    environment = os.environ if environment is None else environment
    cpu = cpu_of_arch(arch)
    for name in ("GDB", "RUST_GDB"):
        if environment.get(name):
            return [_from_variable(name, environment[name], cpu)]
    native = cpu == platform.machine()
    multiarch = shutil.which("gdb-multiarch")
    found = [Gdb(("gdb-multiarch",))] if multiarch else []
    # Debian's plain gdb knows the machine's own processor alone, others' know all.
    if shutil.which("gdb") and (native or (not multiarch and supports_cpu(Gdb(("gdb",)), cpu))):
        found.append(Gdb(("gdb",)))
    if found and shutil.which("rust-gdb"):
        found.insert(0, Gdb(("rust-gdb",), {} if native and shutil.which("gdb") else {"RUST_GDB": found[0].words[0]}))
    if not found:
        package = "gdb" if native else "gdb-multiarch"
        raise ValueError(f"no GDB that knows {cpu} is installed: apt install {package}")
    return found


def first_working(gdbs: Sequence[Gdb], arch: str) -> Gdb:
    """The best that starts, for who cannot try one after the other."""
    return next(
        gdb for gdb in gdbs if gdb is gdbs[-1] or gdb.words[0] != "rust-gdb" or supports_cpu(gdb, cpu_of_arch(arch))
    )


def _from_variable(variable: str, text: str, cpu: str) -> Gdb:
    words = tuple(shlex.split(text))
    if not words or not shutil.which(words[0]):
        raise ValueError(f"{variable}={text}: there is no such program")
    found = Gdb(words)
    if cpu != platform.machine() and not supports_cpu(found, cpu):
        raise ValueError(f"{variable}={text} does not know {cpu}: unset it or name another one (gdb-multiarch, say)")
    return found


def batch_program(cpu: str) -> str:
    """The GDB for a processor: Debian's plain one knows the host's alone. OSError says what to install."""
    found = shutil.which("gdb-multiarch") or (shutil.which("gdb") if cpu == "x86_64" else None)
    if not found:
        package = "gdb" if cpu == "x86_64" else "gdb-multiarch"
        raise OSError(f"{package} is not installed (apt install {package})")
    return found


def utf8_path(path: Path) -> Path:
    """A name of a file or directory for GDB, whose Python takes UTF-8 only: that of a copy if it is another one.

    GDB would resolve a link to a file.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        path = path.absolute()
        other = user_temp_directory() / "names" / hashlib.sha256(bytes(path)).hexdigest()[:16]
        other.parent.mkdir(exist_ok=True)
        partial = other.with_suffix(f".{os.getpid()}")
        if path.is_dir():
            partial.symlink_to(path)
        else:
            shutil.copyfile(path, partial)
        return partial.replace(other)
    return path


def quote(path: object) -> str:
    """A file name as a word of a GDB command."""
    path = utf8_path(path) if isinstance(path, Path) else path
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def connect_commands(arch: str, symbols: Sequence[tuple[str, int]]) -> list[str]:
    """The GDB commands that load symbols (each file is moved by its offset) and connect. The first file is the main
    one. QEMU's stub has little-endian registers for a big-endian application, too."""
    lines = ["set pagination off", "set confirm off", f"set architecture {ARCHITECTURES[cpu_of_arch(arch)]}"]
    lines += ["set endian little"] if arch.endswith("_be") else []
    for number, (path, offset) in enumerate(symbols):
        command = "add-symbol-file" if number else "symbol-file"
        lines.append(f"{command} {quote(path)} -o {offset:#x}")
    return [*lines, f"target remote {PIPE_TARGET}"]


def run_batch(
    process: Process,
    qmp: Qmp,
    cpu: str,
    words: Sequence[str],
    environment: Mapping[str, str] | None = None,
    seconds: float = BATCH_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Open the machine's stub and run GDB with these words to its end. OSError without a GDB,
    subprocess.TimeoutExpired for one that does not end."""
    qmp.hmp("gdbserver chardev:gdb0")
    return subprocess.run(
        [*DIE_WITH_PARENT, *STUB_AS_9, batch_program(cpu), *BATCH_OPTIONS, *words],
        stdin=process.gdb.fileno(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds,
        check=False,
        start_new_session=True,
        env={**os.environ, "SHELL": "/bin/sh", "LC_ALL": "C.UTF-8", **(environment or {})},
    )
