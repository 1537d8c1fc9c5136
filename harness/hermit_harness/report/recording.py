# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The pytest side of results.jsonl. Registered by tests/conftest.py, in the controlling process."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.report import results
from hermit_harness.report.page import history, write
from hermit_harness.report.plugin import WORKER_ENDED, Reporter


class Recording:
    """Records what the reporter collects; gives it the results that a resumed run keeps."""

    def __init__(self, config: pytest.Config, reporter: Reporter) -> None:
        self._config = config
        self._reporter = reporter
        self._recorder: results.Recorder | None = None

    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        if node.gateway.id == "gw0" and not self._recorder:
            self._begin()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if session.items and not self._config.option.collectonly:
            self._begin()

    def _begin(self) -> None:
        directory = results.directory(self._config)
        if not (directory / results.PLAN).is_file():
            return  # the collection failed
        plan = results.plan_of(json.loads((directory / results.PLAN).read_text(encoding="utf-8")))
        history.keep(directory)
        self._recorder = results.Recorder(directory / results.NAME)
        self._recorder.plan(plan)
        for test in results.resumed(directory, plan) if self._config.option.resume else ():
            self._reporter.results[test.test] = test
            self._recorder.test(test)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Iterator[None]:
        yield  # the reporter's turn
        if self._recorder and report.when in ("teardown", WORKER_ENDED):
            self._recorder.test(self._reporter.results[report.nodeid])

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Iterator[None]:
        yield  # the reporter may change the status
        if self._recorder:
            self._recorder.end(int(session.exitstatus))
            self._write_page(results.directory(self._config))

    def _write_page(self, directory: Path) -> None:
        try:
            run = results.read(directory / results.NAME)
            self._reporter.page = write.of_tests([run], directory, self._reporter.faults)
        except OSError as error:
            print(f"no page: {error}", file=sys.stderr)
