# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots Hermit applications under QEMU and says how they ended."""

from hermit_harness.paths import ROOT

__version__ = (ROOT / "VERSION").read_text(encoding="utf-8").strip()
