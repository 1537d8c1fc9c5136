# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Application files with deterministic damage, how a boot of one may end, and what the loader wrote meanwhile."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from hermit_harness.elf import read
from hermit_harness.matrix import specs
from hermit_harness.status import statuses
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.icount import RemoteGuest, pair
from hermit_harness.vm.process import DIE_WITH_PARENT
from hermit_harness.vm.spec import RunSpec

HEAD = 1024  # bytes at the start of a file: ELF header, program headers, notes
LOADING = re.compile(rb"Loading kernel to 0x([0-9a-f]+)\.\.0x([0-9a-f]+)")
BLOCK = re.compile(rb"Map (\d+) pages at 0x([0-9a-f]+) \(page size 4 KByte\)")
REFUSED = re.compile(rb"\[LOADER\]\[ERROR\] (\d+) ([a-z0-9-]+): ")
OWN_FAULTS = (99, 101)  # internal-error and cpu-exception: the loader's own
MEMORY = 64 << 20
CHUNK = 4096
Range = tuple[int, int]


def addresses(file: Path) -> dict[str, int]:
    """Return the address of each symbol of an ELF file."""
    with file.open("rb") as stream:
        symbols = ELFFile(stream).get_section_by_name(".symtab")
        assert isinstance(symbols, SymbolTableSection)
        return {symbol.name: int(symbol["st_value"]) for symbol in symbols.iter_symbols()}


def damaged(data: bytes, seed: int) -> bytes:
    """Return a copy with flipped bits, cut off, or with one part written over another. Equal seeds, equal damage."""
    # The seed is no secret: it must give the same file everywhere.
    chance = random.Random(seed)
    kind = chance.choice(("flip", "flip-head", "word", "cut", "splice"))
    copy = bytearray(data)
    if kind == "cut":
        return bytes(copy[: chance.choice((chance.randrange(HEAD), chance.randrange(len(copy))))])
    if kind == "splice":
        size = chance.choice((8, 56, 4096))
        source, to = (chance.randrange(max(1, len(copy) - size)) for _ in range(2))
        to = chance.choice((to, chance.randrange(HEAD)))
        copy[to : to + size] = copy[source : source + size]
        return bytes(copy[: len(data)])
    if kind == "word":
        at = chance.randrange(16, HEAD) // 8 * 8
        copy[at : at + 8] = chance.choice((0, 1, 1 << 31, 1 << 63, (1 << 64) - 1, 1 << 40)).to_bytes(8, "little")
        return bytes(copy)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(min(HEAD, len(copy)) if kind == "flip-head" else len(copy))
        copy[at] ^= 1 << chance.randrange(8)
    return bytes(copy)


def spec_of(image: str, file: Path) -> RunSpec:
    """Return the boot of a damaged copy of a test image on microvm."""
    return replace(specs.release(image, "microvm"), app=file, cpu_seconds=1.0, wall_seconds=30.0)


def ended_badly(outcome: Outcome) -> str:
    """Return why an end is none that a damaged file may cause, or "".

    It may cause a refusal by a known rule, or anything that the application does after the hand-over: its success, an
    exit, a panic, an exception, a reset, or an endless loop.
    """
    if outcome.verdict in ("infra", "harness-bug"):
        return f"{outcome.verdict}: {outcome.cause}"
    lines = REFUSED.findall(outcome.console)
    known = {row.rule: row.number for row in statuses()}
    if LOADING.search(outcome.console):
        late = [int(number) for number, _ in lines if int(number) in OWN_FAULTS]
        return f"the loader's own fault after the hand-over: {late}" if late else ""
    if len(lines) != 1 or outcome.verdict != "refused":
        return f"neither refused nor handed over: {outcome}"
    number, word = int(lines[0][0]), lines[0][1].decode()
    return "" if known.get(word) == number and number not in OWN_FAULTS else f"refused by {number} {word}"


@dataclass(frozen=True)
class Written:
    """Chunks of guest memory that the loader changed, and the ranges that were its to change."""

    changed: list[int]
    permitted: list[Range]

    @property
    def outside(self) -> list[int]:
        return [at for at in self.changed if not any(start < at + CHUNK and at < end for start, end in self.permitted)]


def written(spec: RunSpec, console: bytes, directory: Path) -> Written | None:
    """Compare memory at the loader's entry point with that at the application's, or at the refusal.

    `console` is the output of the same boot with loader.log=debug. None after a refused relocation: image and block
    are written by then, and no line says where they are.
    """
    assert spec.app and spec.loader_debug
    loading, block, refused = LOADING.search(console), BLOCK.search(console), REFUSED.search(console)
    if refused and refused[2].startswith(b"reloc"):
        return None
    symbols = addresses(spec.loader_debug)
    permitted = [(symbols["loader_start"], symbols["loader_end"])]
    places = [symbols["enter_long_mode"]]
    if loading:
        facts = read(spec.app)
        assert facts and block, console
        start, end = (int(word, 16) for word in loading.groups())
        permitted += [(start, end), (int(block[2], 16), int(block[2], 16) + 4096 * int(block[1]))]
        places.append(facts.entry + facts.offset_for(start))
    first, last = _memory_at(spec, places, directory)
    changed = [at for at, _ in pairwise(range(0, MEMORY + 1, CHUNK)) if first[at : at + CHUNK] != last[at : at + CHUNK]]
    return Written(changed, permitted)


def _memory_at(spec: RunSpec, places: list[int], directory: Path) -> tuple[bytes, bytes]:
    """Return all memory at the first place, and at the second or at QEMU's end."""
    file = directory / "memory"
    backend = f"memory-backend-file,id=ram,size={MEMORY},mem-path={file},share=on"
    argv = standalone_argv(replace(spec, memory=f"{MEMORY >> 20}M"))
    argv[argv.index("-M") + 1] += ",memory-backend=ram"
    with pair() as (gdb, gdb_end):
        command = [*DIE_WITH_PARENT, *argv, "-object", backend, "-S"]
        command += ["-chardev", f"socket,id=gdb,fd={gdb_end.fileno()}", "-gdb", "chardev:gdb"]
        process = subprocess.Popen(
            command,
            pass_fds=(gdb_end.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            gdb_end.close()
            found = list(_snapshots(RemoteGuest(gdb), places, file))
        finally:
            process.kill()
            process.wait()
    return found[0], found[1] if len(found) > 1 else file.read_bytes()


def _snapshots(guest: RemoteGuest, places: list[int], file: Path) -> Iterator[bytes]:
    guest.call("?")
    for place in places:
        guest.run_to(place)
        yield file.read_bytes()
    if len(places) == 1:
        try:
            guest.call("c")
        except OSError:
            return  # the exit device has ended QEMU
