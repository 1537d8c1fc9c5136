# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Finds the smallest -m of images and records it in [min_memory.TARGET] of matrix.toml (`make min-memory`).

python -m hermit_harness.matrix.min_memory [TARGET IMAGE[@MACHINE]...]: without images, of all that are recorded.
"""

from __future__ import annotations

import re
import sys

from hermit_harness.boot import boot
from hermit_harness.matrix import specs
from hermit_harness.matrix.table import MinMemory, matrix


def boots(target: str, image: str, machine: str, mebibytes: int) -> bool:
    """Whether the image ends as it should with so much memory."""
    spec = specs.release(image, machine, target, memory=f"{mebibytes}M", cpu_seconds=10.0, wall_seconds=15.0)
    return boot(spec).matches(spec.expect)


def min_memory(target: str, image: str, machine: str = "", maximum: int = 256) -> int:
    """The smallest size in MiB that boots, by halving; 0 when even `maximum` does not. More memory never boots less."""
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


def current(target: str, image: str, recorded: MinMemory) -> int:
    """The smallest size in MiB now, 0 if none boots. A recorded size that still holds costs two boots."""
    if not boots(target, image, "", recorded.boots_with):
        return min_memory(target, image)
    if not boots(target, image, "", recorded.fails_with):
        return recorded.boots_with
    return min_memory(target, image, maximum=recorded.fails_with)


def with_size(text: str, target: str, image: str, size: int) -> str:
    """Return the text of matrix.toml with a size of [min_memory.TARGET]. Raise ValueError if it has no such number.

    A size that depends on QEMU's version is a range, which a person must decide about.
    """
    head, table, rest = text.partition(f"[min_memory.{target}]\n")
    rows, blank, tail = rest.partition("\n\n")
    name = re.escape(image)
    changed, number = re.subn(rf'^("?{name}"?) = \d+$', rf"\1 = {size}", rows, flags=re.MULTILINE)
    if number != 1:
        raise ValueError(f"{target}/{image} needs {size} MiB now: edit its range in matrix.toml")
    return head + table + changed + blank + tail


def record() -> int:
    """Measure every recorded size, and write those that have changed. Return 1 if one could not be written."""
    file, status = matrix().path, 0
    for target, row in matrix().min_memory.items():
        for image, recorded in row.items():
            size = current(target, image, recorded)
            print(
                f"{target}/{image}: {size} MiB" + ("" if size == recorded.boots_with else ", has changed"), flush=True
            )
            if size == recorded.boots_with:
                continue
            try:
                file.write_text(with_size(file.read_text(encoding="utf-8"), target, image, size), encoding="utf-8")
            except ValueError as error:
                print(error, file=sys.stderr)
                status = 1
    return status


def main() -> int:
    """Record all sizes, or print a line for matrix.toml for each image that was named."""
    if len(sys.argv) == 1:
        return record()
    target, *words = sys.argv[1:]
    for word in words:
        image, _, machine = word.partition("@")
        print(f'"{image}" = {min_memory(target, image, machine)}', flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
