# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The page: its data cannot leave their element, it loads nothing, and it shows each test with its own boot."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.cli.run import split_words
from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.report import results
from hermit_harness.report.page import document, history, run_directory, write
from tests.support.cli import ctl

HOSTILE = "</script><!-- <script>]]> & \u2028 \udc80 \x1b[31m"
CELLS = ("t/pc/tcg/one", "t/pc/tcg/two", "t/q35/tcg/one")


def data_of(page: str) -> dict[str, Any]:
    """Return the data of a page, as an HTML parser delimits them."""
    element = page.split('<script type="application/json" id="data">', 1)[1]
    found: dict[str, Any] = json.loads(element.split("</script", 1)[0])
    return found


def write_run(directory: Path, outcomes: dict[str, str], commit: str = "c0ffee", ended: bool = True) -> results.Results:
    """Leave a directory as a run does whose tests are these cells. Each prints its name."""
    recorder = results.Recorder(directory / results.NAME)
    recorder.plan(results.Plan(commit, "", False, len(outcomes), results.digest(outcomes), tuple(outcomes)))
    for cell, outcome in outcomes.items():
        (directory / cell).mkdir(parents=True, exist_ok=True)
        (directory / cell / "console.log").write_text(f"this is {cell}\n")
        recorder.test(EndedTest(f"test[{cell}]", cell, outcome, "", 0.5, artifacts=cell))
    if ended:
        recorder.end(0)
    return results.read(directory / results.NAME)


def test_data_stay_in_their_element() -> None:
    """Nothing that a guest prints ends the element, and nothing of it changes on the way."""
    text = document.embedded({"console": HOSTILE})
    assert not set("<>&\u2028") & set(text)
    page = document.document({"console": HOSTILE, "[[data]]": "[[script]]"})
    assert data_of(page) == {"console": HOSTILE, "[[data]]": "[[script]]"}
    assert page.count("</script>") == 2, "data, and the page's own script"


def test_page_names_nothing_outside() -> None:
    page = document.document({})
    assert "://" not in page
    assert re.findall(r'(?:src|href|url)\s*[=(]\s*"?([^"\s)]*)', page) == ["data:,"]


def test_only_the_own_script_and_style_are_allowed() -> None:
    """The policy names both by their digest, so that a browser runs no other."""
    page = document.document({})
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and policy[1].startswith("default-src 'none';")
    for element, text in re.findall(r"<(style|script)>(.*?)</\1>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy[1]


def test_part_of_a_boot_is_bounded(tmp_path: Path) -> None:
    """However much a guest prints: the end is there, and how much is not."""
    (tmp_path / "console.log").write_text("x" * 79 + "\n" + "line\n" * 100_000 + "the last one")
    boot = run_directory.read(tmp_path, failed=False)
    assert boot["console"][-1] == [None, "the last one"]
    shown = sum(len(text) + 1 for _, text in boot["console"])
    assert shown <= run_directory.CONSOLE + 1 and boot["cut"] == 500_092 - run_directory.CONSOLE


def test_lines_have_the_time_of_their_first_character(tmp_path: Path) -> None:
    """Pieces arrive in the middle of lines; the last row of a harness that was killed is cut off."""
    rows = (
        {"t": 0.1, "data": "one\r\ntw"},
        {"t": 0.2, "data": "o\n"},
        {"t": 0.3, "left_out": 7},
        {"t": 0.4, "data": "x"},
    )
    text = "\n".join(map(json.dumps, rows)) + '\n{"t": 0.5, "da'
    (tmp_path / "console.jsonl").write_text(text)
    lines, _ = run_directory.console(tmp_path, 1000)
    assert lines == [[0.1, "one"], [0.1, "two"], [None, ""], [0.3, "(7 bytes are left out)"], [0.4, "x"]]


@pytest.mark.requirement("P-05")
def test_each_test_has_its_own_boot(tmp_path: Path) -> None:
    run = write_run(tmp_path, dict.fromkeys(CELLS, "passed"))
    tests = data_of(write.of_tests([run], tmp_path).read_text())["tests"]
    assert {test["cell"]: test["run"]["console"][0][1] for test in tests} == {c: f"this is {c}" for c in CELLS}


def test_skipped_test_shows_no_earlier_boot(tmp_path: Path) -> None:
    """A directory that another run has left is not shown for a test that booted nothing."""
    write_run(tmp_path, {CELLS[0]: "passed"})
    recorder = results.Recorder(tmp_path / results.NAME)
    recorder.plan(results.Plan("", "", False, 1, "", ("a",)))
    recorder.test(EndedTest("a", CELLS[0], "skipped", "no-kvm: x", 0.0))
    (test,) = data_of(write.of_tests([results.read(tmp_path / results.NAME)], tmp_path).read_text())["tests"]
    assert "run" not in test and test["reason"] == "no-kvm: x"


def test_earlier_runs_are_compared(tmp_path: Path) -> None:
    """The last runs are kept, a killed one and the oldest ones are not; each test says what it did in them."""
    for number in range(history.KEPT + 2):
        outcome = "failed" if number == history.KEPT + 1 else "passed"
        write_run(tmp_path, {CELLS[0]: outcome}, str(number))
        history.keep(tmp_path)
    write_run(tmp_path, {CELLS[0]: "failed"}, ended=False)
    history.keep(tmp_path)
    run = write_run(tmp_path, {CELLS[0]: "passed", CELLS[1]: "passed"})
    data = data_of(write.of_tests([run], tmp_path).read_text())
    assert [row["commit"] for row in data["before"]] == [str(n) for n in range(2, history.KEPT + 2)]
    assert [test.get("before") for test in data["tests"]] == ["p" * (history.KEPT - 1) + "f", None]


def test_frames_of_a_capture(tmp_path: Path) -> None:
    """Frames of a capture have the times between them, and say what is wrong."""
    head = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000")
    arp = "0806000108000604000152540012345601020304" + "00" * 6 + "01020305"
    body = b""
    for microseconds, rest in ((0, arp), (1500, "0800")):
        frame = bytes.fromhex("ffffffffffff525400123456" + rest)
        body += struct.pack("<IIII", 1, microseconds, len(frame), len(frame)) + frame
    (tmp_path / "wire.pcap").write_bytes(head + body)
    mac, everyone = "52:54:00:12:34:56", "ff:ff:ff:ff:ff:ff"
    assert run_directory.read(tmp_path, failed=True)["frames"] == [
        [0.0, mac, everyone, "ARP who has 1.2.3.5?", "", "1.2.3.4"],
        [0.0015, mac, everyone, "frame, 14 bytes", "no IPv4 header", ""],
    ]


def test_page_of_one_run(tmp_path: Path) -> None:
    """`hermitctl run --report` leaves it where it is asked to; the last line still says how the run ended."""
    page = tmp_path / "boot.html"
    done = ctl("run", f"--report={page}", "--artifacts", tmp_path / "run", "hello")
    assert done.returncode == 0 and done.stderr.splitlines()[-1].startswith("app exit 0 after"), done.stderr
    assert f"hermitctl: report: {page}" in done.stderr
    (test,) = data_of(page.read_text())["tests"]
    assert test["outcome"] == "passed" and "Hello" in str(test["run"]["console"])


def test_report_takes_no_word_after_it() -> None:
    """What follows --report is the application; a file follows after an equals sign."""
    assert split_words(["run", "--report", "hello"]) == (["run", "--report=", "hello"], [])
    assert split_words(["run", "hello", "--report=x"]) == (["run", "--report=x", "hello"], [])


def test_number_of_boots_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large run some tests that passed have no boot; one that failed has its own."""
    monkeypatch.setattr(write, "BOOTS", 1)
    run = write_run(tmp_path, dict(zip(CELLS, ("passed", "passed", "failed"), strict=True)))
    tests = data_of(write.of_tests([run], tmp_path).read_text())["tests"]
    assert [test["cell"] for test in tests if "run" in test] == [CELLS[0], CELLS[2]]


def test_source_of_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines around it are shown. Debug information may name any file: others than the project's are not read."""
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "main.rs").write_text("".join(f"line {n}\n" for n in range(1, 100)))
    (tmp_path / "secret.rs").write_text("secret\n")
    (project / "key.pem").write_text("secret\n")
    (project / "link.rs").symlink_to(tmp_path / "secret.rs")
    monkeypatch.chdir(project)
    lines = run_directory.source_lines({"file": "src/main.rs", "line": 50})
    assert lines == [[number, f"line {number}"] for number in range(45, 56)]
    for name in (tmp_path / "secret.rs", "../secret.rs", "key.pem", "link.rs", "src", "absent.rs"):
        assert run_directory.source_lines({"file": str(name), "line": 1}) == []
