# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One cell of the matrix: everything that decides what one boot is, and the name that stands for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """A frozen value. Two cells with the same fields are the same cell, whatever group asked for them."""

    target: str  # what was built: "x86_64-multiboot"
    machine: str  # row of the harness's table of machines
    accel: str  # "tcg" or "kvm"
    image: str  # id of a fixture image
    profile: str = "release"
    memory: str = ""  # "" is the machine's default; "floor" is the smallest -m recorded for the image
    cpu: str = ""  # name in [cpus]; "" is the machine's default
    smp: int = 1
    pad: str = ""  # name in [pads]; "" is a loader of its natural size
    line: str = ""  # name in [[line]]; "" is the image's own arguments
    way: str = ""  # how the application is passed; "" is the target's own
    expect: str = ""  # "" is what the image's fixture.toml says

    @property
    def id(self) -> str:
        """Stable and readable: target/machine/accel/image, then one part for each thing that is not the default."""
        parts = [self.target, self.machine, self.accel, self.image]
        if self.profile != "release":
            parts.append(self.profile)
        if self.memory:
            parts.append(f"mem{self.memory}")
        if self.cpu:
            parts.append(f"cpu-{self.cpu}")
        if self.smp != 1:
            parts.append(f"smp{self.smp}")
        if self.pad:
            parts.append(f"pad{self.pad}")
        if self.line:
            parts.append(f"line-{self.line}")
        if self.way:
            parts.append(f"by-{self.way}")
        return "/".join(parts)

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Discard:
    """A combination that a group asked for and that does not run, with the reason a person reads."""

    id: str
    reason: str
