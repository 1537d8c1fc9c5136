# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Every test of this folder has a network of its own, in a namespace that it makes itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hermit_harness.net.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made
