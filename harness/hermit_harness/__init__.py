# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots Hermit applications under QEMU and says how they ended."""

from pathlib import Path

__version__ = (Path(__file__).parents[2] / "VERSION").read_text(encoding="utf-8").strip()
