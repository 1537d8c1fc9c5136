# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots Hermit applications under QEMU and says how they ended."""

__version__ = "0.1.0"
