# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The report at the end of a run."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from hermit_harness.matrix.cell import Discard
from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.matrix.probe import Probe, ProbeResult
from hermit_harness.paths import ROOT
from hermit_harness.report import leaks, plugin, text
from hermit_harness.report.progress import Progress

RAN = [
    EndedTest("boot/test_cells.py::a", "t/pc/tcg/hello", "passed", "", 0.5),
    EndedTest("boot/test_cells.py::b", "t/pc/tcg/args", "failed", "app exit 1", 1.5),
    EndedTest("boot/test_cells.py::c", "t/pc/kvm/hello", "skipped", "no-kvm: x", 0.1),
    EndedTest("meta/test_requirements.py::d", "", "passed", "", 2.0),
]


@pytest.mark.requirement("P-05")
def test_table_of_cells() -> None:
    """Passed, failed and skipped cells by target, machine and accelerator."""
    assert text.cells_table(RAN) == [
        "target  machine  accel  passed  failed  skipped  apps",
        "------  -------  -----  ------  ------  -------  ----",
        "t       pc       kvm         0       0        1     1",
        "t       pc       tcg         1       1        0     2",
        "all                          1       1        1     2",
    ]


@pytest.mark.requirement("P-05")
@pytest.mark.parametrize(
    ("arguments", "keyword", "judged"), [(["harness/tests"], "", True), (["harness/tests"], "net", False)]
)
def test_complete_run_is_judged(
    arguments: list[str], keyword: str, judged: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete run that ran too little is red although no test failed; a part of it is not."""
    monkeypatch.setattr(leaks, "end_leaked_processes", lambda mark: [])
    option = SimpleNamespace(keyword=keyword, markexpr="", lf=False, cell="", collectonly=False)
    reporter = plugin.Reporter(SimpleNamespace(option=option, args=arguments))  # type: ignore[arg-type]
    skip = EndedTest("net/test_x.py::x", "", "skipped", "because", 0.1)
    reporter.results = {"x": skip}
    session = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    reporter.pytest_sessionfinish(session, pytest.ExitCode.OK)  # type: ignore[arg-type]
    said = "\n".join(reporter.faults)
    for fault in ("0 cells passed, at least", "must-run cell", "for a reason that is not in skips.toml: because"):
        assert (fault in said) == judged
    assert (session.exitstatus == pytest.ExitCode.TESTS_FAILED) == judged


@pytest.mark.parametrize(
    ("quick", "cell", "fault"),
    [(True, "", "must-run cell x86_64-multiboot/pc/tcg/hello did not pass"), (False, "x/*", "no cell matches x/*; ")],
)
def test_a_part_that_ran_too_little(quick: bool, cell: str, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make check` is red without a must-run cell, and a pattern without a cell is named."""
    monkeypatch.setattr(leaks, "end_leaked_processes", lambda mark: [])
    option = SimpleNamespace(keyword="", markexpr="", lf=False, cell=cell, quick=quick, collectonly=False)
    reporter = plugin.Reporter(SimpleNamespace(option=option, args=["harness/tests"]))  # type: ignore[arg-type]
    reporter.results = {"x": EndedTest("meta/test_x.py::x", "", "passed", "", 0.1)} if quick else {}
    session = SimpleNamespace(exitstatus=pytest.ExitCode.NO_TESTS_COLLECTED)
    reporter.pytest_sessionfinish(session, session.exitstatus)  # type: ignore[arg-type]
    assert fault in "\n".join(reporter.faults)


@pytest.mark.requirement("P-05")
def test_skips_and_slowest() -> None:
    """Each skip has its reason; slow tests are listed in descending order."""
    assert text.skip_list(RAN) == ["t/pc/kvm/hello: no-kvm: x"]
    assert text.slowest(RAN, 2) == ["   2.00 s  meta/test_requirements.py::d", "   1.50 s  t/pc/tcg/args"]


@pytest.mark.requirement("P-05")
def test_summary_page_of_a_ci_service(tmp_path: Path) -> None:
    """The file in GITHUB_STEP_SUMMARY gets the failures and the tables."""
    page = text.markdown([("failed", text.failures(RAN)), ("skips", [])])
    assert page == "### failed\n\n```\nt/pc/tcg/args: app exit 1\n```\n\n"
    argv = [sys.executable, "-m", "pytest", f"--junit-xml={tmp_path / 'x'}", f"{__file__}::test_skips_and_slowest"]
    env = os.environ | {"GITHUB_STEP_SUMMARY": str(tmp_path / "page.md")}
    subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, check=True, timeout=120)
    assert "### slowest ten\n\n```\n" in (tmp_path / "page.md").read_text(encoding="utf-8")


def test_failures_are_annotations_on_github(tmp_path: Path) -> None:
    """GitHub shows a failure beside the line of the test."""
    (tmp_path / "test_red.py").write_text("def test_red():\n    assert not 'x/pc/tcg/hello: hang'\n")
    argv = [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", "-p", "no:cacheprovider", "-n", "1", str(tmp_path)]
    env = os.environ | {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path), "GITHUB_STEP_SUMMARY": ""}
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=120)
    wanted = r"::error .*file=test_red.py,line=2::test_red.*x/pc/tcg/hello: hang"
    assert re.search(wanted, done.stdout + done.stderr), done.stdout + done.stderr


LEAVES = """
import subprocess

from hermit_harness.report import plugin


def pytest_addoption(parser):
    parser.addoption("--cell", default="")


def pytest_configure(config):
    config.pluginmanager.register(plugin.Reporter(config))
    config.server = subprocess.Popen(["sleep", "4712"])


def pytest_unconfigure(config):
    config.server.kill()


def test_good():
    subprocess.run(["sh", "-c", "sleep 4711 >/dev/null 2>&1 &"])
"""


def test_surviving_process_fails_the_session(tmp_path: Path) -> None:
    """A process that outlives the tests is named and ended, even if it is an orphan.

    Processes from before the session are ignored.
    """
    (tmp_path / "conftest.py").write_text(LEAVES.partition("def test")[0])
    (tmp_path / "test_leaves.py").write_text(LEAVES)
    argv = [sys.executable, "-m", "pytest", f"--rootdir={tmp_path}", str(tmp_path)]
    here = os.environ | {"GITHUB_STEP_SUMMARY": ""}  # its failure does not belong on this session's page
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=here)
    assert done.returncode == 1 and "1 passed" in done.stdout, done.stdout + done.stderr
    *_, fault, _ = done.stdout.splitlines()
    match = re.match(r"process (\d+) outlived the session: .*sleep 4711", fault)
    assert match, "the reason is printed just before the last line"
    assert "sleep 4712" not in done.stdout, done.stdout
    with suppress(FileNotFoundError, ProcessLookupError):
        assert Path(f"/proc/{match[1]}/cmdline").read_bytes() == b"", "the process is gone, or a zombie"


WAITS = """
import signal


def test_before():
    pass


def test_waits():
    signal.pause()


def test_after():
    pass
"""


def test_endless_test_is_named(tmp_path: Path) -> None:
    """A test that waits for ever fails with the line where it waits; the other tests run."""
    (tmp_path / "conftest.py").write_text(LEAVES.partition("    config.server")[0])
    (tmp_path / "test_waits.py").write_text(WAITS)
    words = ("-c", str(ROOT / "harness" / "pyproject.toml"), f"--rootdir={tmp_path}", "-o", "faulthandler_timeout=3")
    argv = [sys.executable, "-m", "pytest", *words, "-n", "1", "-p", "no:cacheprovider", str(tmp_path)]
    here = os.environ | {"GITHUB_STEP_SUMMARY": ""}
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=here)
    assert done.returncode == 1 and "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert re.search(r"FAILED test_waits\.py::test_waits", done.stderr), done.stderr
    assert re.search(r'File ".*test_waits\.py", line 10 in test_waits', done.stderr), done.stderr


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        ("", rf"harness/tests -n {2 * len(os.sched_getaffinity(0))} --dist worksteal"),
        ("CELL=t/pc/tcg/hello", r"harness/tests/boot -n 0 .*--cell 't/pc/tcg/hello'"),
        ("LOADERS=up", rf"harness/tests/boot -n {2 * len(os.sched_getaffinity(0))} .*--loaders 'up'"),
        ("CELL=t/*", rf"harness/tests/boot -n {2 * len(os.sched_getaffinity(0))} .*--cell 't/\*'"),
    ],
    ids=["all", "one", "loaders", "some"],
)
def test_workers(cell: str, wanted: str) -> None:
    """`make test` has two workers per processor. One cell needs none, and only the directory with the cells."""
    here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "HERMIT_", "MFLAGS"))}
    words = ["make", "-n", "test", *filter(None, [cell])]
    done = subprocess.run(words, cwd=ROOT, env=here, capture_output=True, text=True, check=True, timeout=60)
    assert re.search(f"pytest {wanted}", done.stdout), done.stdout[-300:]


def test_discards_by_reason() -> None:
    found = [Discard("a", "microvm has no acpi"), Discard("b", "microvm has no acpi"), Discard("c", "other")]
    assert text.discard_list(found) == ["  2  microvm has no acpi", "  1  other"]


@pytest.mark.requirement("P-05")
def test_probe_is_shown() -> None:
    """The table shows the measurements of the accelerators."""
    shown = "\n".join(text.probe_table(Probe((ProbeResult("pc", "app exit 0", 0.3, "app exit 0", 4.1, True),))))
    assert "slower than TCG (4.10 s against 0.30 s)" in shown


@pytest.mark.requirement("P-05")
def test_progress_without_a_terminal() -> None:
    """Without a terminal there is a line from time to time, and one per failure at once."""
    out = io.StringIO()
    progress = Progress(out, total=40)
    for number in range(40):
        progress.test_ended(f"cell {number}", "failed" if number == 3 else "passed", "app exit 1")
    lines = out.getvalue().splitlines()
    assert "FAILED cell 3: app exit 1" in lines
    assert len(lines) == 21
    assert lines[-1].startswith("[40/40] ")
    assert lines[-1].endswith("39 passed, 1 failed, 0 skipped: cell 39")


@pytest.mark.requirement("P-05")
@pytest.mark.parametrize(("columns", "shown"), [(40, 39), (0, 119)])
def test_progress_on_a_small_terminal(columns: int, shown: int) -> None:
    """The progress line fits into the terminal, because a longer one would leave remains."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w") as out:
        Progress(out, total=40).test_ended("cell " * 100, "passed")
        text = os.read(ours, 4096).decode()
    os.close(ours)
    assert len(text.removeprefix("\r").removesuffix("\x1b[K")) == shown


@pytest.mark.requirement("P-05")
def test_without_pytests_cache(tmp_path: Path) -> None:
    """`-p no:cacheprovider` removes options of pytest that the report reads."""
    test = "harness/tests/meta/test_report.py::test_table_of_cells"
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={tmp_path}/junit.xml", test]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, "INTERNALERROR" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr
