# SPDX-License-Identifier: Apache-2.0 OR MIT
"""python -m tests.support.soak [--time SECONDS] [--first SEED]: boots in a row until the time is over.

Each round boots damaged applications, compares the memory that the loader wrote for one of them, and boots a good
application by each target. All boots are in one process, which may keep neither a descriptor, a process nor a file.
The exit status is 1 if anything of that fails; seed and image then repeat it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import TARGETS
from tests.support.mutated import damaged, ended_badly, spec_of, written
from tests.support.processes import descendants

IMAGES = ("real-hello-0.11.0-microvm", "real-hello-0.10.0-microvm", "real-args-0.11.0-microvm", "hello")
DAMAGED_PER_ROUND = 48  # and one boot of each target without firmware
SLOW = ("uefi",)  # its firmware boots for seconds


@dataclass
class Soak:
    """The course of a soak: seconds to go, number and kinds of ends, and what went wrong."""

    until: float
    seed: int
    ends: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def judge(self, what: str, kind: str, fault: str) -> None:
        self.ends[kind] += 1
        if fault:
            self.faults.append(f"{what}: {fault}")
            print(f"FAULT  {self.faults[-1]}", flush=True)

    def time_is_over(self) -> bool:
        return time.monotonic() > self.until

    def round(self, directory: Path) -> None:
        for _ in range(DAMAGED_PER_ROUND):
            if self.time_is_over():
                return
            self._damaged(directory / "app")
        self._written(directory)
        for name in TARGETS:
            if not self.time_is_over() and not name.endswith(SLOW):
                outcome = boot(good(name))
                self.judge(name, f"{name} {outcome}", "" if outcome.matches("exit 0") else str(outcome))

    def _damaged(self, file: Path) -> None:
        image = IMAGES[self.seed % len(IMAGES)]
        file.write_bytes(damaged(images()[image].path.read_bytes(), self.seed))
        outcome = boot(spec_of(image, file))
        self.judge(f"{image}, seed {self.seed}", kind(outcome), ended_badly(outcome))
        self.seed += 1

    def _written(self, directory: Path) -> None:
        file = directory / "app"
        file.write_bytes(damaged(images()["hello"].path.read_bytes(), self.seed))
        spec = replace(spec_of("hello", file), append="loader.log=debug", memory="64M")
        found = written(spec, boot(spec).console, directory)
        if found:
            self.judge(f"memory, seed {self.seed}", "memory compared", f"{found.outside}" if found.outside else "")


def good(target_name: str) -> RunSpec:
    """Return the boot of a good application by a target."""
    plain = specs.release("hello", target_name=target_name)
    return specs.with_simulator(plain, specs.LINUX_SIMULATOR, "good") if target_name == "x86_64-linux" else plain


def kind(outcome: Outcome) -> str:
    """Return a name for one kind of end."""
    return f"refused {outcome.rule}" if outcome.verdict == "refused" else outcome.verdict


def left(before: set[str]) -> Iterator[str]:
    """Yield what this process has, and did not have before: open descriptors and children."""
    yield from sorted(open_files() - before)
    yield from (f"process {pid}" for pid in descendants(os.getpid()))


def open_files() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"descriptor {name}: {os.readlink(f'/proc/self/fd/{name}')}")
        except OSError:  # the one of listdir() itself
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.support.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--time", type=float, default=600.0, help="seconds (default: 600)")
    parser.add_argument("--first", type=int, default=0, help="first seed (default: 0)")
    arguments = parser.parse_args()
    started, before = time.monotonic(), open_files()
    soak = Soak(started + arguments.time, arguments.first)
    with tempfile.TemporaryDirectory() as name:
        while not soak.time_is_over():
            soak.round(Path(name))
        remaining = [path for path in os.listdir(name) if path not in ("app", "memory")]
    for text in (*left(before), *remaining):
        soak.judge("left over", "left over", text)
    for end, count in soak.ends.most_common():
        print(f"{count:6} {end}")
    boots = sum(soak.ends.values())
    print(f"{boots} boots in {time.monotonic() - started:.0f} s, next seed {soak.seed}, {len(soak.faults)} faults")
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main())
