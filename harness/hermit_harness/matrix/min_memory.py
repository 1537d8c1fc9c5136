# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Finds the smallest -m of images, for [min_memory.TARGET] of matrix.toml:
python -m hermit_harness.matrix.min_memory TARGET IMAGE[@MACHINE]...
"""

from __future__ import annotations

import sys

from hermit_harness.boot import boot
from hermit_harness.matrix import specs


def boots(target: str, image: str, machine: str, mebibytes: int) -> bool:
    """Whether the image ends as it should with so much memory."""
    spec = specs.release(image, machine, target, memory=f"{mebibytes}M", cpu_seconds=10.0, wall_seconds=15.0)
    return boot(spec).matches(spec.expect)


def min_memory(target: str, image: str, machine: str = "", maximum: int = 256) -> int:
    """The smallest size in MiB that boots, by halving; 0 when even `top` does not. More memory never boots less."""
    if not boots(target, image, machine, maximum):
        return 0
    low = 1  # QEMU's own smallest size; taken as too little
    while low + 1 < maximum:
        middle = (low + maximum) // 2
        if boots(target, image, machine, middle):
            maximum = middle
        else:
            low = middle
    return maximum


def main() -> int:
    """Print a line for matrix.toml for each image that was named."""
    target, *words = sys.argv[1:]
    for word in words:
        image, _, machine = word.partition("@")
        print(f'"{image}" = {min_memory(target, image, machine)}', flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
