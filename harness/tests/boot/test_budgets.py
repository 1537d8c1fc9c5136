# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the loader costs stays within harness/budgets.toml: bytes of its files, and instructions of a boot."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from hermit_harness.matrix import specs
from hermit_harness.matrix.table import HARNESS
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.icount import counts
from hermit_harness.vm.targets import TARGETS
from tests.support.mutated import addresses
from tests.support.qemu import run_qemu

BUDGETS: dict[str, Any] = tomllib.loads((HARNESS / "budgets.toml").read_text(encoding="utf-8"))
OTHER_COMPILER = 1.10
GROWTH = 1.02
SLACK = 0.90  # a limit far above the value would hide growth

# Phase and the loader's function with which it begins. The first one begins at the loader's entry point, the last one
# ends at the application's.
PHASES = {
    "start": "",
    "read": "boot_run",
    "place": "place_image",
    "describe": "handover_block_write",
    "copy": "load_segments",
    "relocate": "load_relocate",
    "enter": "arch_handover",
}
ACCESS = re.compile(r"^memory_region_ops_(read|write) .* name '([^']*)'$", re.M)


def entry_point(file: Path) -> int:
    with file.open("rb") as stream:
        return int(ELFFile(stream).header.e_entry)


def built_with(target_name: str) -> str:
    """Return compiler and major version as the loader's banner reports them."""
    found = re.search(rb"Built with (\w+) (\d+)|(?:gcc|clang) \d+", loader_file(target_name).read_bytes())
    assert found
    return found[0].removeprefix(b"Built with ").decode()


def check(value: int, limit: int, target_name: str) -> None:
    same = built_with(target_name) == BUDGETS["compiler"]
    assert value <= limit * (1 if same else OTHER_COMPILER), f"{value} exceeds {limit}"
    assert not same or value >= limit * SLACK, f"{value} is far below {limit}: lower the limit in budgets.toml"


@pytest.mark.requirement("P-02")
def test_every_target_has_a_limit() -> None:
    assert set(BUDGETS["size"]) == set(TARGETS)


@pytest.mark.requirement("P-02")
@pytest.mark.parametrize("target_name", BUDGETS["size"])
def test_size(target_name: str) -> None:
    check(loader_file(target_name).stat().st_size, BUDGETS["size"][target_name], target_name)


class Counted:
    """A boot whose instructions can be counted: QEMU's words without serial port, and the addresses of the phases."""

    def __init__(self, boot: str, memory: str = "") -> None:
        target_name, _, image = boot.partition("/")
        spec = specs.release(image, target_name=target_name, **({"memory": memory} if memory else {}))
        assert spec.app and spec.loader_debug
        command = standalone_argv(spec)
        self.console = run_qemu(command).stdout
        at = re.search(rb"Loading kernel to 0x([0-9a-f]+)", self.console)
        assert at, self.console
        # The guest sees the paths on its command line, and their length would count.
        self.qemu = [word.replace(f"{ROOT}/", "") for word in command]
        serial = self.qemu.index("-serial")
        del self.qemu[serial : serial + 2]
        functions = addresses(spec.loader_debug)
        self.places = [functions[name] if name else entry_point(spec.loader_debug) for name in PHASES.values()]
        self.places.append(int(at[1], 16) + entry_point(spec.app))

    def phases(self, directory: Path) -> dict[str, int]:
        """Return the instructions of each phase. The same command gives the same ones, whatever else the host does."""
        reached = counts(self.qemu, self.places, directory, ROOT)
        return {name: after - before for name, (before, after) in zip(PHASES, pairwise(reached), strict=True)}

    def accesses(self, directory: Path) -> Counter[str]:
        """Return how often the loader reads and writes the registers of each device."""
        log = directory / "accesses"
        trace = ("-trace", "memory_region_ops_*", "-D", str(log))
        sizes: list[int] = []  # of the log: the firmware's part ends at the first one
        places = (self.places[0], self.places[-1])
        counts([*self.qemu, *trace], places, directory, ROOT, lambda: sizes.append(log.stat().st_size))
        return Counter(" ".join(match.groups()) for match in ACCESS.finditer(log.read_text()[slice(*sizes)]))


@pytest.mark.requirement("P-02")
@pytest.mark.parametrize("boot", BUDGETS["instructions"])
def test_instructions(boot: str, tmp_path: Path) -> None:
    recorded = BUDGETS["instructions"][boot]
    measured = Counted(boot).phases(tmp_path)
    print(boot, "\n".join(f"{name} = {value}" for name, value in measured.items()), sep="\n")  # to be entered
    assert measured.keys() == recorded.keys()
    slack = GROWTH if built_with(boot.partition("/")[0]) == BUDGETS["compiler"] else OTHER_COMPILER
    assert {name: value for name, value in measured.items() if value > recorded[name] * slack} == {}, "grown"
    shrunk = {name: value for name, value in measured.items() if value * GROWTH < recorded[name]}
    assert slack != GROWTH or shrunk == {}, "shrunk: enter the new value in budgets.toml"


@pytest.mark.requirement("P-02")
def test_no_step_grows_with_memory(tmp_path: Path) -> None:
    """A machine with eight times the memory needs not one instruction more."""
    small, large = (Counted("x86_64-multiboot/hello", memory).phases(tmp_path) for memory in ("128M", "1G"))
    assert small == large


@pytest.mark.requirement("P-02")
def test_exits_from_the_guest(tmp_path: Path) -> None:
    """The loader uses no device but the UART, and reads its status only when the FIFO may have bytes."""
    boot = Counted("x86_64-multiboot/hello")
    lines = [line + b"\n" for line in boot.console.split(b"\n") if line.startswith(b"[LOADER]")]
    row = BUDGETS["uart"]
    status_reads = sum(-(-len(line) // row["bytes_per_status_read"]) for line in lines)
    assert boot.accesses(tmp_path) == {
        "read serial": row["setup_reads"] + status_reads,
        "write serial": row["setup_writes"] + sum(map(len, lines)),
    }
