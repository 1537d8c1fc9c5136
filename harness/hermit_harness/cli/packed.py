# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What `hermitctl run` takes from a Hermit image."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from hermit_harness import image
from hermit_harness.image import Image


def read_packed(path: Path, arguments: argparse.Namespace, cpus: int) -> Image | None:
    """Read a Hermit image. Return it with at least `cpus` CPUs, and set `least_memory`; None for other files.

    A line says if the user gives fewer CPUs. Of a damaged file the loader says what is wrong.
    """
    with path.open("rb") as file:
        if file.read(len(image.GZIP)) != image.GZIP:
            return None
        file.seek(0)
        try:
            packed = image.read(file.read())
        except ValueError:
            return None
    if packed is None:
        return None
    arguments.least_memory = packed.memory
    if packed.cpus > cpus and arguments.settings["smp"].origin:
        print(f"hermitctl: the Hermit image requires {packed.cpus} CPUs, --smp gives fewer", file=sys.stderr)
    return replace(packed, cpus=max(packed.cpus, cpus))
