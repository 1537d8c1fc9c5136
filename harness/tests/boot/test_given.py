# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The images of a user's directory, `make test KERNELS=DIR`. Without that directory this file is not collected."""

from __future__ import annotations

import time
from collections.abc import Callable

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.targets import target
from tests.support.cells import each_cell

RunCell = Callable[[Cell], Outcome]


@each_cell("given")
def test_given_image(cell: Cell, run_cell: RunCell) -> None:
    """The image ends, greets and writes files as its TOML file says."""
    image = images(target(cell.target).arch)[cell.image]
    began = time.time()
    outcome = run_cell(cell)
    assert image.greeting.encode() in outcome.console
    for pattern, directory in specs.written(image).items():
        new = [path for path in directory.glob(pattern) if path.stat().st_mtime >= began]
        assert new, f"{cell.image} has written no file {pattern} in {directory}"
        print("written:", *new)
