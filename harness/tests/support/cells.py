# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Tests that run once for every cell of some groups."""

from __future__ import annotations

import pytest

from hermit_harness.matrix.expand import cells


def every(*groups: str) -> pytest.MarkDecorator:
    """Gives a test the parameter `cell`, whose id is the cell's."""
    return pytest.mark.parametrize("cell", cells(*groups), ids=str)
