# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each test of this directory has a network of its own: a namespace for guests and clients, or a socket link."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hermit_harness.matrix import specs
from hermit_harness.matrix.servers import Attachment, ServerGuest, prepare_server
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.report import plugin

Serve = Callable[..., ServerGuest]


@pytest.fixture
def lab() -> Iterator[NetworkNamespace]:
    with NetworkNamespace() as made:
        yield made


@pytest.fixture
def serve(lab: NetworkNamespace, request: pytest.FixtureRequest) -> Serve:
    """plug() in the test's namespace. The artifacts are stored under the test's name."""
    name = plugin.short_id(request.node.nodeid).replace("::", "/").replace(".py", "")

    def go(attachment: Attachment, app: str, **more: str | tuple[str, ...]) -> ServerGuest:
        request.node.user_properties.append((plugin.ARTIFACTS, name))
        return prepare_server(lab, attachment, app, specs.artifacts(name), **more)  # type: ignore[arg-type]

    return go
