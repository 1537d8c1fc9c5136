# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which GDB: the one that the person names, else the best that is installed and knows the processor."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping
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


def choose(arch: str, environment: Mapping[str, str] | None = None) -> Gdb:
    """The GDB for applications of a kind: $GDB, $RUST_GDB, rust-gdb, gdb-multiarch, gdb, in this order.

    ValueError in one sentence where the person's own choice does not fit, or where none does.
    """
    environment = os.environ if environment is None else environment
    cpu = cpu_of_arch(arch)
    for name in ("GDB", "RUST_GDB"):
        if environment.get(name):
            return _named(name, environment[name], cpu)
    if shutil.which("rust-gdb"):
        # It starts plain gdb unless told otherwise, and Debian's knows the machine's own processor alone.
        multiarch = {} if cpu == platform.machine() else {"RUST_GDB": shutil.which("gdb-multiarch") or "gdb"}
        found = Gdb(("rust-gdb",), multiarch)
        if knows(found, cpu):
            return found
    for program in ("gdb-multiarch", "gdb"):
        if shutil.which(program) and (program == "gdb-multiarch" or knows(Gdb((program,)), cpu)):
            return Gdb((program,))
    package = "gdb" if cpu == platform.machine() else "gdb-multiarch"
    raise ValueError(f"no GDB that knows {cpu} is installed: apt install {package}")


def _named(variable: str, text: str, cpu: str) -> Gdb:
    words = tuple(shlex.split(text))
    if not words or not shutil.which(words[0]):
        raise ValueError(f"{variable}={text}: there is no such program")
    found = Gdb(words)
    if not knows(found, cpu):
        raise ValueError(f"{variable}={text} does not know {cpu}: unset it or name another one (gdb-multiarch, say)")
    return found
