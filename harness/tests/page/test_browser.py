# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The page in a browser, by keyboard alone: what it shows is what the run has left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.boot import boot
from hermit_harness.matrix import specs
from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.net import pcap
from hermit_harness.paths import REPORT
from hermit_harness.report import results
from hermit_harness.report.page import write
from tests.support.browser import Browser, missing
from tests.support.cli import ctl

GREEN = ("hello", "args", "exit", "files")
RED = "x86_64-multiboot/pc/tcg/real-echo-0.11.0-rtl8139"
HOSTILE = "x86_64-multiboot/pc/tcg/hostile"
PRINTED = (
    "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"><!-- \x1b[31mred"
)
SHOWN = PRINTED.replace("\x1b", "^[")
PICTURES = REPORT / "page"
CONSOLE = "#section-console .text"
CELLS, SECONDS = 5000, 2.0
COUNTERS = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration")


@pytest.fixture(scope="module", autouse=True)
def lane() -> None:
    if os.environ.get("HERMIT_LANE") != "page":
        pytest.skip("own-lane: a browser; `make test LANE=page` runs it")
    if lacks := missing():
        pytest.skip(f"own-lane: {lacks}")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of real boots: green ones, one that is ended while it waits for a client, and one that prints HTML."""
    directory = tmp_path_factory.mktemp("report")
    ended = []
    for name in GREEN:
        cell = f"x86_64-multiboot/microvm/tcg/{name}"
        outcome = boot(specs.release(name, "microvm"), directory / cell)
        ended.append(EndedTest(f"test[{cell}]", cell, "passed", "", outcome.timings["end"], artifacts=cell))
    words = ("--net", "user", "--capture", directory / "wire.pcap", "--timeout", "3", "--artifacts", directory / RED)
    done = ctl("run", "--machine", "pc", *words, RED.rpartition("/")[2])
    assert done.returncode == 124, done.stderr
    ended.append(EndedTest(f"test[{RED}]", RED, "failed", "timeout: the guest serves", 3.0, artifacts=RED))
    (directory / HOSTILE).mkdir()
    (directory / HOSTILE / "console.log").write_text(f"{PRINTED}\n")
    ended.append(EndedTest(f"test[{HOSTILE}]", HOSTILE, "passed", "", 0.1, artifacts=HOSTILE))
    ended.append(EndedTest("meta/test_other.py::test_other", "", "skipped", "no-kvm: x", 0.1))
    recorder = results.Recorder(directory / results.NAME)
    names = tuple(test.test for test in ended)
    recorder.plan(results.Plan("c0ffee", "", False, len(names), results.digest(names), names))
    for test in ended:
        recorder.test(test)
    recorder.end(1)
    return write.of_tests([results.read(directory / results.NAME)], directory)


@pytest.fixture(scope="module")
def started(lane: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("browser")) as browser:
        yield browser


@pytest.fixture
def browser(started: Browser, report: Path) -> Iterator[Browser]:
    """The browser with the report. At the end of a test the page has asked for nothing but itself."""
    started.open(report)
    yield started
    assert set(started.ask("requested")) == {report.as_uri()}
    assert started.ask("console") == []


def read(report: Path, cell: str, name: str) -> Any:
    return json.loads((report.parent / cell / name).read_text())


def test_red_cell_by_keyboard(browser: Browser, report: Path) -> None:
    """Search, choose, open, look at memory and packets, close; all of it agrees with what the run has left."""
    ran = results.read(report.parent / results.NAME).tests
    squares = "[...document.querySelectorAll('.square')].map((s) => s.getAttribute('aria-label'))"
    cells = {f"{test.cell} {test.outcome}" for test in ran if test.cell}
    assert set(browser.script(f"return {squares}")) == cells
    browser.keys("/", "echo", "ENTER")
    assert browser.script(f"return {squares}") == [f"{RED} failed"]
    browser.keys("ENTER")
    assert browser.text("#details h2") == RED
    assert read(report, RED, "run.json")["cause"] in browser.texts("#details dd")
    titles = browser.texts("#details .jump")
    browser.keys(next(title[0] for title in titles if title.endswith("Memory")))
    assert browser.script("return document.activeElement.id") == "section-memory"
    known = read(report, RED, "memory.json")["ranges"]
    rows = browser.script(
        "return [...document.querySelectorAll('#section-memory tbody tr')].map((row) => [...row.cells].map((c) =>"
        " c.textContent))"
    )
    assert [(row[0], row[1], row[3], row[4]) for row in rows] == [
        (hex(row["start"]), hex(row["end"]) if row["end"] is not None else "", row["what"], row["phase"])
        for row in known
    ]
    browser.keys(next(title[0] for title in titles if title.endswith("Packets")))
    frames = pcap.frames(report.parent / "wire.pcap")
    shown = browser.texts("#section-packets .frame text.lane")
    assert len(shown) == len(frames) and {f"DHCP {frame.dhcp_message}" for frame in frames if frame.dhcp_message} == {
        " ".join(text.split()[:2]) for text in shown if text.startswith("DHCP")
    }
    browser.keys("ESCAPE")
    assert browser.script("return document.activeElement.id") == "rows" and not browser.text("#details h2")


def test_console_of_each_cell(browser: Browser, report: Path) -> None:
    """Going from cell to cell, each shows its own console, phases and time."""
    browser.keys("v", "/", "microvm/tcg", "ENTER", "ENTER")
    seen = {}
    for _ in GREEN:
        seen[browser.text("#details h2")] = ["\n".join(browser.texts(CONSOLE)), browser.texts("#section-boot .name")]
        browser.keys("j")
    for name in GREEN:
        cell = f"x86_64-multiboot/microvm/tcg/{name}"
        printed = (report.parent / cell / "console.log").read_text().replace("\r", "").rstrip("\n")
        assert seen[cell] == [printed, [phase["name"] for phase in read(report, cell, "run.json")["phases"]]]


def test_hostile_console(browser: Browser) -> None:
    """What a guest prints is text: neither script, nor element, nor escape sequence."""
    browser.keys("/", "hostile", "ENTER", "ENTER")
    assert browser.texts(CONSOLE) == [SHOWN]
    assert browser.script("return document.title") == "red: Hermit loader tests"
    assert browser.script("return document.querySelectorAll('script, img').length") == 2, "the page's own scripts"


def test_light_and_dark(browser: Browser) -> None:
    """Each scheme has its own colours, and text that can be read (WCAG: 4.5 to 1). Pictures stay in the report;
    docs/pictures has a copy."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    backs = {}
    browser.keys("/", "echo", "ENTER", "ENTER")
    for scheme in ("light", "dark"):
        browser.ask("scheme", scheme)
        browser.ask("picture", str(PICTURES / f"red-cell-{scheme}.webp"))
        backs[scheme] = browser.script("return getComputedStyle(document.body).backgroundColor")
        for selector in ("#details h2", "#details dt", "#details .pill", ".console .text", "#count", "#facts"):
            assert contrast(browser, selector) >= 4.5, (scheme, selector)
    browser.ask("scheme", "light")
    assert backs["light"] != backs["dark"]


def contrast(browser: Browser, selector: str) -> float:
    """Return the contrast of a text with what is behind it, as WCAG defines it."""
    colours = browser.script(
        f"let element = document.querySelector({json.dumps(selector)}); const text = getComputedStyle(element).color;"
        "while (getComputedStyle(element).backgroundColor === 'rgba(0, 0, 0, 0)') element = element.parentElement;"
        "return [text, getComputedStyle(element).backgroundColor]"
    )
    high, low = sorted((luminance(colour) for colour in colours), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_five_thousand_cells(started: Browser, report: Path, tmp_path: Path) -> None:
    """A page of many cells opens, and finds in all of their consoles, within two seconds of script and layout."""
    (line,) = [line for line in report.read_text().splitlines() if 'id="data"' in line]
    rows = json.loads(line.partition(">")[2].partition("<")[0])["tests"]
    model = next(row for row in rows if row.get("cell", "").endswith("/args"))
    cells = [f"target-{n % 5}/machine-{n % 20}/tcg/image-{n // 20}" for n in range(CELLS)]
    page = write.of_boots("many", [{**model, "test": cell, "cell": cell} for cell in cells], tmp_path / "many.html")
    started.open(page)
    opened = started.ask("metrics")
    started.keys("/", "machine-7 hermit loader", "ENTER")
    assert started.text("#count") == f"{CELLS // 20} cells"
    searched = started.ask("metrics")
    opening, both = (sum(counters[name] for name in COUNTERS) for counters in (opened, searched))
    searching = both - opening
    size = page.stat().st_size >> 20
    figure = f"{CELLS} cells, {size} MiB: opened in {opening:.2f} s, searched in {searching:.2f} s of script and layout"
    (PICTURES / "seconds.txt").write_text(f"{figure}\n")
    assert opening < SECONDS and searching < SECONDS, figure
