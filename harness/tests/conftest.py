# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Session set-up (prerequisites, probe of the accelerators) and the fixtures that tests share."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.matrix import expand, prerequisites, probe, specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import REPORT, ROOT
from hermit_harness.report import plugin, shard
from hermit_harness.report.recording import Recording
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from tests.support.again import boot_again
from tests.support.clock import counted
from tests.support.errata import skip_known
from tests.support.probe_session import WITHOUT_GUESTS, probe_session

RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]
TCG = "/tcg/"  # in the id of each cell that needs no probe


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cell", metavar="ID", default="", help="only cells with this id (patterns: * ?)")
    parser.addoption("--once", action="store_true", help="do not run a red cell again")
    shard.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set up report, prerequisites and probe in the first process.

    Workers read the probe's result from their environment. No configuration of the user counts.
    """
    os.environ["XDG_CONFIG_HOME"] = os.devnull
    if not config.option.xmlpath:
        config.option.xmlpath = str(REPORT / "junit.xml")
    if hasattr(config, "workerinput"):
        return
    shard.configure(config)
    reporter = plugin.Reporter(config)
    config.pluginmanager.register(reporter, "hermit-report")
    config.pluginmanager.register(Recording(config, reporter), "hermit-results")
    if config.option.collectonly or not _boots(config) or prerequisites.PREPARED in os.environ:
        return
    try:
        pattern = config.option.cell
        planned = expand.expand_for_host(probe.Probe()).cells()
        prerequisites.prepare(cell for cell in planned if fnmatchcase(cell.id, pattern or "*"))
        if probe.VARIABLE not in os.environ and TCG not in pattern:
            os.environ[probe.VARIABLE] = probe_session().dump()
    except prerequisites.BuildError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that run the cells of --cell, and those of the shard."""
    _keep_cells(config, items)
    shard.select(config, items)


def _keep_cells(config: pytest.Config, items: list[pytest.Item]) -> None:
    pattern = config.option.cell
    if not pattern:
        return
    kept = [item for item in items if fnmatchcase(cell_of(item), pattern)]
    if not kept:
        raise pytest.UsageError(f"no cell matches {pattern!r}; `make list` names them all")
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def cell_of(item: pytest.Item) -> str:
    """Return the id of the cell that a test runs; empty for other tests."""
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("cell") if callspec else None
    return cell.id if isinstance(cell, Cell) else ""


def _boots(config: pytest.Config) -> bool:
    """Return whether the selected tests start guests; the folders of PURE start none."""
    return not all(
        any(part in WITHOUT_GUESTS for part in Path(argument.split("::")[0]).parts) for argument in config.args
    )


@pytest.fixture
def run_cell(record_property: Callable[[str, object], None], pytestconfig: pytest.Config) -> RunCell:
    """Boot a cell and require its expected outcome. An outcome that an erratum explains is skipped with its id.

    A red cell is run again once. Only one whose infrastructure failed at the first try may pass.

    The must-run cells run by the real clock.
    """

    def go(cell: Cell) -> Outcome:
        record_property(plugin.CELL, cell.id)
        record_property(plugin.ARTIFACTS, cell.id)
        spec = specs.spec(cell)
        spec = spec if cell.id in matrix().must_run else counted(spec)
        command = f"make test CELL={shlex.quote(cell.id)}"
        outcome = boot(spec, artifacts=specs.artifacts(cell.id), command=command)
        if outcome.matches(spec.expect):
            return outcome
        skip_known(cell.id, str(outcome))
        second = specs.artifacts(f"{cell.id}/again")
        return boot_again(
            outcome,
            spec.expect,
            None if pytestconfig.option.once else partial(boot, spec, second, command=command),
            record_property,
        )

    return go


@pytest.fixture
def boot_here(request: pytest.FixtureRequest) -> Iterator[Boot]:
    """Boot something that is not a cell. Its artifacts are stored under the test's name."""
    name = plugin.short_id(request.node.nodeid).replace("::", "/").replace(".py", "")

    def go(spec: RunSpec) -> Outcome:
        request.node.user_properties.append((plugin.ARTIFACTS, name))
        return boot(counted(spec), artifacts=specs.artifacts(name))

    yield go


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
