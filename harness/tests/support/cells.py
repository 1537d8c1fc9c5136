# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Tests that run once per cell of some groups."""

from __future__ import annotations

import pytest

from hermit_harness.matrix.expand import cells


def each_cell(*groups: str) -> pytest.MarkDecorator:
    """Parametrise a test with `cell`; the parameter's id is the cell's id."""
    return pytest.mark.parametrize("cell", cells(*groups), ids=str)
