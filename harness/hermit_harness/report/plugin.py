# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The pytest side of the report: collects what ended, shows the line and the tables, and turns a hollow green run red.

Registered by tests/conftest.py. Under pytest-xdist it acts in the controlling process only, which gets all reports.
"""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.fixtures import GIVEN_VARIABLE
from hermit_harness.matrix import ledger, loaders, probe
from hermit_harness.matrix.cell import Discard
from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.matrix.table import matrix
from hermit_harness.paths import REPORT
from hermit_harness.postmortem.frames import relative
from hermit_harness.report import leaks, text
from hermit_harness.report.progress import Progress

# Names of the properties by which a test says which cell it ran, how both tries of a red one ended, and which directory
# its last boot left within that of the report.
CELL, FIRST, AGAIN, ARTIFACTS = "cell", "first-try", "second-try", "artifacts"
FAULTS = "red although no test failed"
WORKER_ENDED = "???"  # pytest-xdist's phase of such a report


def short_id(nodeid: str) -> str:
    """A test's id without the directories above the tests."""
    return nodeid.split("tests/", 1)[-1]


def result_of(report: pytest.TestReport, seconds: float) -> EndedTest:
    """One ended test as the ledger wants it."""
    reason = ""
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = str(report.longrepr[2]).removeprefix("Skipped: ")
    elif report.failed:
        reason = first_line(report)
    said = {name: str(value) for name, value in report.user_properties}
    outcome = "failed" if report.failed else "skipped" if report.skipped else "passed"
    reason = reason or said.get(FIRST, "")
    more = said.get(AGAIN, ""), said.get(ARTIFACTS, "")
    return EndedTest(short_id(report.nodeid), said.get(CELL, ""), outcome, reason, seconds, *more)


def first_line(report: pytest.TestReport) -> str:
    """The sentence of a failure."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = str(getattr(crash, "message", report.longrepr or ""))
    return message.splitlines()[0][:200] if message else ""


def is_complete(config: pytest.Config) -> bool:
    """Whether everything was asked for, or a shard of it: no -k, no -m, no --cell or --quick, no single paths."""
    options = config.option
    selects = options.keyword or options.markexpr or options.cell or loaders.given() or os.environ.get(GIVEN_VARIABLE)
    selects = selects or getattr(options, "lf", False) or getattr(options, "quick", False)
    return not selects and [Path(argument).name for argument in config.args] == ["tests"]


class Reporter:
    """Hooks of the controlling process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.results: dict[str, EndedTest] = {}
        self.seconds: dict[str, float] = {}
        self.progress = Progress(sys.stderr)
        self.faults: list[str] = []
        self.mark = ""
        self.page: Path | None = None  # that shows the results

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        # Before there are workers, and after the builds: a server that a compiler has left is not the tests'.
        self.mark = leaks.mark_session()

    def pytest_xdist_node_collection_finished(self, node: object, ids: list[str]) -> None:
        self.progress.total = len(ids)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items:
            self.progress.total = len(session.items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport, config: pytest.Config) -> tuple[str, str, str] | None:
        """Suppress pytest's letters in favour of the progress line; -v restores pytest's own lines."""
        if config.option.verbose > 0 or (report.when != "call" and report.passed):
            return None
        broken = report.failed and report.when not in ("call", WORKER_ENDED)
        return "error" if broken else report.outcome, "", ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        total = self.seconds.get(report.nodeid, 0.0) + report.duration
        self.seconds[report.nodeid] = total
        ended = _ended(report, self.results.get(report.nodeid))
        if ended:
            result = result_of(report, total)
            self.results[report.nodeid] = result
            self.progress.test_ended(result.cell or result.test, result.outcome, result.reason)
        elif report.when == "teardown" and report.nodeid in self.results:
            self.results[report.nodeid] = replace(self.results[report.nodeid], seconds=total)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.progress.close()
        if self.config.option.collectonly:
            return
        known = ledger.errata()
        today = datetime.date.today()
        options = self.config.option
        if not self.results:  # pytest says why no test ran
            self.faults = []
        elif is_complete(self.config) and not getattr(options, "hermit_shard", ""):
            self.faults = ledger.judge(matrix(), self.results.values(), ledger.reasons(), known, today)
        else:
            self.faults = ledger.expired(today, known)
            if getattr(options, "quick", False):
                self.faults += ledger.not_passed(matrix(), self.results.values())
        if options.cell and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            self.faults.append(f"no cell matches {options.cell}; `make list` names them all")
        self.faults += leaks.end_leaked_processes(self.mark)
        if self.faults and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None]:
        """Print what makes the run red last, after pytest's list of skips, so that it is in view at the end."""
        if not self.config.option.collectonly:
            self._write_sections(terminalreporter)
        yield
        if self.faults:
            terminalreporter.section(FAULTS)
            terminalreporter.write_line("\n".join(self.faults))

    def _write_sections(self, terminalreporter: Any) -> None:
        sections = [(title, lines) for title, lines in self._sections() if lines]
        for title, lines in sections:
            terminalreporter.section(title)
            terminalreporter.write_line("\n".join(lines))
        if page := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(page).open("a", encoding="utf-8") as out:
                out.write(
                    text.markdown([("failed", text.failures(self.results.values())), (FAULTS, self.faults), *sections])
                )

    def _discards(self) -> list[str]:
        found = discards()
        return [*text.discard_list(found), f"the whole list: {_write_discards(found)}"]

    def _sections(self) -> list[tuple[str, list[str]]]:
        ran = list(self.results.values())
        cells = [test for test in ran if test.cell]
        junit = self.config.option.xmlpath
        paths = [f"report: {relative(str(REPORT))}"] + ([f"JUnit:  {relative(junit)}"] if junit else [])
        paths += [f"page:   {relative(str(self.page))}"] if self.page else []
        return [
            ("cells", text.cells_table(ran) if cells else []),
            ("accelerators", text.probe_table(probe.from_environment()) if cells else []),
            ("not run, and why", self._discards() if cells and (loaders.given() or is_complete(self.config)) else []),
            ("loaders", [f"{target}: {file}" for target, file in loaders.given().items()]),
            ("not promised by this loader", text.not_promised(ran)),
            ("skips", text.skip_list(ran)),
            ("run again", text.second_tries(ran)),
            ("slowest ten", text.slowest(ran)),
            ("files", paths),
        ]


def _write_discards(found: tuple[Discard, ...]) -> Path:
    """The whole list, one combination a line, beside the other reports."""
    path = REPORT / "discards.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{discard.id}: {discard.reason}\n" for discard in found), encoding="utf-8")
    return path


def _ended(report: pytest.TestReport, before: EndedTest | None) -> bool:
    """A test ends with its call, with a set-up that did not pass, or with a tear-down that failed after a pass. For one
    that has ended its worker, pytest-xdist makes a report."""
    if report.when in ("call", WORKER_ENDED) or (report.when == "setup" and not report.passed):
        return True
    return report.when == "teardown" and report.failed and (before is None or before.outcome != "failed")


def discards() -> tuple[Discard, ...]:
    """Left-out combinations of this tree on this machine."""
    from hermit_harness.matrix.expand import session_matrix  # late: reads the fixtures

    return session_matrix().discards
