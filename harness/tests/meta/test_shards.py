# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Shards of a test run: how tests are divided, what a run that was ended leaves, and how the results are joined."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.paths import ROOT
from hermit_harness.report import results, shard
from tests.support.cli import ctl

TESTS = ("a::one", "a::two", "b::three", "b::four")
DIVIDED = "harness/tests/lint/test_arrows.py"


def write(directory: Path, number: int, count: int, **changes: object) -> Path:
    """Write the results of one shard of TESTS, with another plan if asked to."""
    own = TESTS[number - 1 :: count]
    plan = results.Plan("c0ffee", f"{number}/{count}", True, len(TESTS), results.digest(TESTS), own)
    recorder = results.Recorder(directory / str(number) / results.NAME)
    recorder.plan(replace(plan, **changes))  # type: ignore[arg-type]
    for test in own:
        recorder.test(EndedTest(test, "", "passed", "", 0.5))
    recorder.end(0)
    return directory / str(number) / results.NAME


def merged(*paths: Path) -> tuple[set[str], str]:
    tests, faults = results.merge([results.read(path) for path in paths])
    return {test.test for test in tests}, "\n".join(faults)


def killed(path: Path) -> None:
    """Cut the file within the line of the last result, as SIGKILL does."""
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2]) + lines[-2][:20])


def lost_line(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2] + lines[-1:]))


def leaked(path: Path) -> None:
    path.write_text(path.read_text().replace('"end":0', '"end":1'))


@pytest.mark.requirement("M-24")
def test_shards_are_one_run(tmp_path: Path) -> None:
    """All shards together have every test once, and no fault."""
    paths = [write(tmp_path, number, 3) for number in (1, 2, 3)]
    assert merged(*paths) == (set(TESTS), "")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (killed, "was ended after 1 of 2 tests"),
        (lost_line, "has no result of 1 tests: b::four"),
        (leaked, "ended with 1 although no test failed"),
        (Path.unlink, "results.jsonl: No such file"),
        (lambda path: path.write_text(""), "has no plan"),
        (lambda path: path.write_text("{}\nno json\n"), ":2 is not JSON"),
    ],
    ids=["killed", "lost-line", "leaked-process", "removed", "empty", "not-json"],
)
def test_damaged_shard_is_named(damage: Callable[[Path], object], named: str, tmp_path: Path) -> None:
    """A shard without all of its results is named."""
    paths = [write(tmp_path, number, 2) for number in (1, 2)]
    damage(paths[1])
    try:
        faults = merged(*paths)[1]
    except results.ResultsError as error:
        faults = str(error)
    assert named in faults and str(paths[1]) in faults


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"commit": "decade"}, "shard 2/2 ({}) is of commit decade, {} of c0ffee"),
        ({"collected": 3, "digest": "other"}, "shard 2/2 ({}) collected 3 tests, not the 4 of {}"),
        ({"complete": False}, "one of shard 2/2 ({}) and {} ran only a selection"),
        ({"shard": "1/2"}, "shard 1/2 ({}) is there twice: also {}"),
        ({"shard": "2/3"}, "these are not shards of one run: 1/2, 2/3"),
        ({"shard": ""}, "these are not shards of one run: , 1/2"),
    ],
)
def test_foreign_shard_is_named(changes: dict[str, object], named: str, tmp_path: Path) -> None:
    """A shard of another commit, of other tests or with another's number is named."""
    first, second = write(tmp_path, 1, 2), write(tmp_path, 2, 2, **changes)
    assert named.format(second, first) in merged(first, second)[1]


def test_missing_shard_is_named(tmp_path: Path) -> None:
    """So is one that left nothing."""
    assert merged(write(tmp_path, 1, 3), write(tmp_path, 3, 3))[1] == "shard 2/3 is missing"


def test_merge_writes_one_report(tmp_path: Path) -> None:
    """The command joins results and JUnit, and judges: four tests without cells are no green run of this tree."""
    for number in (1, 2):
        junit = write(tmp_path / "shards", number, 2).with_name("junit.xml")
        junit.write_text(f'<testsuites><testsuite tests="{number}"/></testsuites>')
    done = ctl("report", "merge", tmp_path / "shards", "--output", tmp_path / "out")
    assert done.returncode == 1 and "must-run cell" in done.stdout and "4 passed" in done.stdout, done.stdout
    assert {test.test for test in results.read(tmp_path / "out" / results.NAME).tests} == set(TESTS)
    assert (tmp_path / "out" / "junit.xml").read_text().count("<testsuite ") == 2
    assert "must-run cell" in (tmp_path / "out" / "summary.md").read_text()
    page = (tmp_path / "out" / "index.html").read_text()
    assert "must-run cell" in page and all(f'"{test}"' in page for test in TESTS)


def run(directory: Path, *words: str) -> results.Results:
    """Run the tests of one file, with the results in a directory of their own."""
    argv = [sys.executable, "-m", "pytest", DIVIDED, "-q", "-p", "no:cacheprovider", *words]
    argv += [f"--junit-xml={directory / 'junit.xml'}"]
    env = os.environ | {"GITHUB_STEP_SUMMARY": ""}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return results.read(directory / results.NAME)


@pytest.mark.requirement("M-24")
def test_shards_divide_the_tests(tmp_path: Path) -> None:
    """Two shards run each test once; a run that was ended is resumed with the tests that it owes."""
    first, second = (run(tmp_path / str(number), "--hermit-shard", f"{number}/2") for number in (1, 2))
    assert first.plan.digest == results.digest(first.plan.tests + second.plan.tests)
    assert not set(first.plan.tests) & set(second.plan.tests)
    assert [test.test for test in second.tests] == list(second.plan.tests)
    killed(second.path)
    owed = len(second.plan.tests) - len(results.read(second.path).tests)
    resumed = run(tmp_path / "2", "--hermit-shard", "2/2", "--resume")
    assert {test.test for test in resumed.tests} == set(second.plan.tests) and resumed.status == 0
    assert f'tests="{owed}"' in (tmp_path / "2" / "junit.xml").read_text()


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_wrong_shard(text: str) -> None:
    with pytest.raises(ValueError, match="a shard is I/N"):
        shard.parse(text)


def test_durations_list_the_long_tests() -> None:
    """Only tests that take long are recorded, and each entry is a number of seconds."""
    ran = [EndedTest("long", "", "passed", "", 2.34), EndedTest("short", "", "passed", "", 0.2)]
    assert json.loads(shard.record_durations(ran)) == {"long": 2.3}
    assert all(seconds >= shard.MIN_SECONDS for seconds in shard.durations().values())
