# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Tests that only a lane runs, because they take minutes of a processor."""

from __future__ import annotations

import os

import pytest


def only_in(lane: str) -> pytest.MarkDecorator:
    """Return the mark of tests that `make test LANE=` runs, for `pytestmark`. Other runs skip them."""
    return pytest.mark.skipif(
        os.environ.get("HERMIT_LANE") != lane, reason=f"own-lane: `make test LANE={lane}` runs it"
    )
