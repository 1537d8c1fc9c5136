# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Session set-up (prerequisites, probe of the accelerators) and the fixtures that tests share."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pytest

from hermit_harness import fixtures
from hermit_harness.boot import boot
from hermit_harness.matrix import expand, loaders, prerequisites, probe, specs
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import REPORT, ROOT
from hermit_harness.report import plugin, shard
from hermit_harness.report.recording import Recording
from hermit_harness.testing import failure_text
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from tests.support.again import boot_again
from tests.support.clock import without_waits
from tests.support.errata import skip_known
from tests.support.probe_session import WITHOUT_GUESTS, probe_session
from tests.support.quick import is_quick
from tests.support.resume import resumed

Report = Generator[None, pytest.TestReport, pytest.TestReport]
RunCell = Callable[[Cell], Outcome]
Boot = Callable[[RunSpec], Outcome]
RESUMED = ("firmware", "resumed")  # the property of a test whose firmware did not boot in full
TCG = "/tcg/"  # in the id of each cell that needs no probe


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cell", metavar="ID", default="", help="only cells with this id (patterns: * ?)")
    parser.addoption("--loaders", metavar="PATH", default="", help="boot the cells by these loaders; no other tests")
    parser.addoption("--kernels", metavar="DIR", default="", help="boot the images of this directory; no other tests")
    parser.addoption("--once", action="store_true", help="do not run a red cell again")
    parser.addoption("--quick", action="store_true", help="only the must-run cells and the short tests of the harness")
    shard.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set up report, prerequisites and probe in the first process.

    Workers read the probe's result from their environment. No configuration of the user counts.
    """
    os.environ["XDG_CONFIG_HOME"] = os.devnull
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # programs start in half the CPU time with bytecode
    sys.dont_write_bytecode = False
    if not config.option.xmlpath:
        config.option.xmlpath = str(REPORT / "junit.xml")
    if hasattr(config, "workerinput"):
        return
    shard.configure(config)
    _choose(loaders.VARIABLE, config.option.loaders, loaders.given)
    _choose(fixtures.GIVEN_VARIABLE, config.option.kernels, fixtures.all_images)
    reporter = plugin.Reporter(config)
    config.pluginmanager.register(reporter, "hermit-report")
    config.pluginmanager.register(Recording(config, reporter), "hermit-results")
    if config.option.collectonly or not _boots(config) or prerequisites.PREPARED in os.environ:
        return
    try:
        pattern = config.option.cell
        plan = expand.expand_for_host(probe.Probe())
        planned = plan.groups[fixtures.GIVEN] if config.option.kernels else plan.cells()
        prerequisites.prepare(cell for cell in planned if fnmatchcase(cell.id, pattern or "*"))
        # The must-run cells are of TCG.
        if probe.VARIABLE not in os.environ and TCG not in pattern and not config.option.quick:
            os.environ[probe.VARIABLE] = probe_session().dump()
    except prerequisites.BuildError as error:
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)


def _choose(variable: str, path: str, check: Callable[[], object]) -> None:
    """Let this process and its workers use a user's files, or none."""
    os.environ.pop(variable, None)
    if path:
        os.environ[variable] = os.path.abspath(path)
        try:
            check()
        except ValueError as error:
            raise pytest.UsageError(str(error)) from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Omit the test of given images if there are none."""
    return True if collection_path.name == "test_given.py" and not config.option.kernels else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Report:
    """A cell that another loader does not promise is no failure, but the reason has how it ended."""
    report = yield
    cell = cell_of(item)
    if report.failed and cell and loaders.given() and (why := loaders.not_promised(cell)):
        ended = plugin.first_line(report)
        report.outcome, report.longrepr = (
            "skipped",
            (str(item.path), 0, f"Skipped: {loaders.NOT_PROMISED}: {why}: {ended}"),
        )
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that run the cells of --cell, and those of the shard."""
    _keep_cells(config, items)
    _keep_quick(config, items)
    shard.select(config, items)


def _keep_cells(config: pytest.Config, items: list[pytest.Item]) -> None:
    option = config.option
    if not (option.cell or option.loaders or option.kernels):
        return
    pattern = option.cell or "*"
    kept = [item for item in items if (cell := cell_of(item)) and fnmatchcase(cell.id, pattern)]
    if option.kernels:
        kept = [item for item in kept if item.path.name == "test_given.py"]
    _deselect(config, items, set(items).difference(kept))


def _keep_quick(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what `make check` runs."""
    if not config.option.quick:
        return
    wanted, long = matrix().must_run, shard.durations()
    kept = {item for item in items if is_quick(plugin.short_id(item.nodeid), _cell_id(item), wanted, long)}
    _deselect(config, items, set(items) - kept)


def _deselect(config: pytest.Config, items: list[pytest.Item], left_out: set[pytest.Item]) -> None:
    config.hook.pytest_deselected(items=list(left_out))
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests resumed; JUnit names them."""
    reports = [report for key in ("passed", "failed") for report in terminalreporter.stats.get(key, [])]
    if count := sum(RESUMED in getattr(report, "user_properties", ()) for report in reports):
        terminalreporter.write_line(f"firmware: {count} tests resumed after its start, which a full boot had saved")


def cell_of(item: pytest.Item) -> Cell | None:
    """Return the cell that a test runs; None for other tests."""
    callspec = getattr(item, "callspec", None)
    cell = callspec.params.get("cell") if callspec else None
    return cell if isinstance(cell, Cell) else None


def _cell_id(item: pytest.Item) -> str:
    cell = cell_of(item)
    return cell.id if cell else ""


def _boots(config: pytest.Config) -> bool:
    """Return whether the selected tests start guests; the directories of PURE start none."""
    return not all(
        any(part in WITHOUT_GUESTS for part in Path(argument.split("::")[0]).parts) for argument in config.args
    )


@pytest.fixture
def run_cell(request: pytest.FixtureRequest) -> RunCell:
    """Boot a cell and require its expected outcome. An outcome that an erratum explains is skipped with its id.

    A red cell is run again once, from a reset. Only one whose infrastructure failed at the first try may pass.

    The must-run cells run by the real clock and from a reset, the others from a stream where there is one.
    """

    def record(name: str, value: object) -> None:
        """As record_property does, which warns of schemas of JUnit's that have no properties."""
        request.node.user_properties.append((name, value))

    def go(cell: Cell) -> Outcome:
        record(plugin.CELL, cell.id)
        record(plugin.ARTIFACTS, cell.id)
        spec = specs.spec(cell)
        must_run = cell.id in matrix().must_run
        full = spec if must_run else without_waits(spec)
        command = f"make test CELL={shlex.quote(cell.id)}"
        first = spec if must_run else resumed(spec)
        if first.stream:
            record(*RESUMED)
        outcome = boot(first, artifacts=specs.artifacts(cell.id), command=command)
        if outcome.matches(spec.expect):
            return outcome
        if loaders.given() and loaders.not_promised(cell):
            pytest.fail(failure_text(outcome, spec.expect), pytrace=False)
        skip_known(cell.id, str(outcome))
        second = specs.artifacts(f"{cell.id}/again")
        return boot_again(
            outcome,
            spec.expect,
            None if request.config.option.once else partial(boot, full, second, command=command),
            record,
        )

    return go


@pytest.fixture
def boot_here(request: pytest.FixtureRequest) -> Iterator[Boot]:
    """Boot something that is not a cell. Its artifacts are stored under the test's name."""
    name = plugin.short_id(request.node.nodeid).replace("::", "/").replace(".py", "")

    def go(spec: RunSpec) -> Outcome:
        request.node.user_properties.append((plugin.ARTIFACTS, name))
        here = resumed(spec)
        if here.stream:
            request.node.user_properties.append(RESUMED)
        return boot(here, artifacts=specs.artifacts(name))

    yield go


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT
