# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each test of this folder has a network of its own: a namespace for guests and clients, or a socket link."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hermit_harness.matrix import specs
from hermit_harness.matrix.servers import Served, Way, plug
from hermit_harness.net.netns import Lab
from hermit_harness.report import plugin

Serve = Callable[..., Served]


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture
def serve(lab: Lab, request: pytest.FixtureRequest) -> Serve:
    """plug() in the test's namespace. The artifacts are stored under the test's name."""
    name = plugin.short(request.node.nodeid).replace("::", "/").replace(".py", "")

    def go(way: Way, app: str, **more: str | tuple[str, ...]) -> Served:
        return plug(lab, way, app, specs.artifacts(name), **more)  # type: ignore[arg-type]

    return go
