# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which GDB: the one that the person names, else the best that is installed and knows the processor."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hermit_harness.vm.targets import cpu_of_arch

# What GDB calls each processor.
ARCHITECTURES = {"x86_64": "i386:x86-64", "aarch64": "aarch64", "riscv64": "riscv:rv64"}
ASK_SECONDS = 20.0


@dataclass(frozen=True)
class Gdb:
    """Words that start it, and what is added to its environment."""

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def knows(gdb: Gdb, cpu: str) -> bool:
    """Whether this program starts and knows the processor."""
    name = ARCHITECTURES[cpu]
    try:
        done = subprocess.run(
            [*gdb.words, "-nx", "-q", "-batch", "-ex", f"set architecture {name}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ASK_SECONDS,
            check=False,
            env={**os.environ, **gdb.environment, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return f'set to "{name}"' in done.stdout


def choose(arch: str, environment: Mapping[str, str] | None = None) -> list[Gdb]:
    """The GDBs for applications of a kind, best first: $GDB or $RUST_GDB alone where they are set, else rust-gdb,
    gdb-multiarch, gdb, as far as they are installed. One that does not even start (Rust's wrapper without a toolchain,
    say) is passed over by who starts it.

    ValueError in one sentence where the person's own choice does not fit, or where none does.
    """
    environment = os.environ if environment is None else environment
    cpu = cpu_of_arch(arch)
    for name in ("GDB", "RUST_GDB"):
        if environment.get(name):
            return [_named(name, environment[name], cpu)]
    native = cpu == platform.machine()
    multiarch = shutil.which("gdb-multiarch")
    found = [Gdb(("gdb-multiarch",))] if multiarch else []
    # Debian's plain gdb knows the machine's own processor alone, others' know all.
    if shutil.which("gdb") and (native or (not multiarch and knows(Gdb(("gdb",)), cpu))):
        found.append(Gdb(("gdb",)))
    if found and shutil.which("rust-gdb"):
        found.insert(0, Gdb(("rust-gdb",), {} if native and shutil.which("gdb") else {"RUST_GDB": found[0].words[0]}))
    if not found:
        package = "gdb" if native else "gdb-multiarch"
        raise ValueError(f"no GDB that knows {cpu} is installed: apt install {package}")
    return found


def first(gdbs: Sequence[Gdb], arch: str) -> Gdb:
    """The best that starts, for who cannot try one after the other."""
    return next(gdb for gdb in gdbs if gdb is gdbs[-1] or gdb.words[0] != "rust-gdb" or knows(gdb, cpu_of_arch(arch)))


def _named(variable: str, text: str, cpu: str) -> Gdb:
    words = tuple(shlex.split(text))
    if not words or not shutil.which(words[0]):
        raise ValueError(f"{variable}={text}: there is no such program")
    found = Gdb(words)
    if cpu != platform.machine() and not knows(found, cpu):
        raise ValueError(f"{variable}={text} does not know {cpu}: unset it or name another one (gdb-multiarch, say)")
    return found
