# SPDX-License-Identifier: Apache-2.0 OR MIT
"""trace.json and the picture of a boot, from the files of a run."""

from __future__ import annotations

import json
import struct
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.matrix.specs import release
from hermit_harness.net import frames
from hermit_harness.timeline import course, plot, trace
from hermit_harness.verdict.outcome import Outcome
from tests.support.cli import ctl

SVG = "{http://www.w3.org/2000/svg}"
RUN = {
    "summary": "app exit 0",
    "verdict": "pass",
    "status": 0,
    "origin": "app",
    "cause": "",
    "hint": "",
    "application": "target/hello",
    "loader": "target/loader",
    "target": "x86_64-multiboot",
    "machine": "pc",
    "accelerator": "tcg",
    "capture": None,
    "started": "2026-11-30T12:00:00.900000+00:00",
    "seconds": 5.0,
    "phases": [
        {"name": "firmware", "start": 0.2, "end": 1.0},
        {"name": "loader", "start": 1.0, "end": 2.0},
        {"name": "kernel", "start": 2.0, "end": 4.0},
        {"name": "application", "start": 4.0, "end": 5.0},
    ],
}
CONSOLE = (
    (0.5, "BIOS\n[LO"),
    (1.0, "ADER][INFO] Hermit loader\n"),
    (2.0, "[LOADER][INFO] Loading kernel to 0x200000..0x300000\n[0][INFO] Welcome to Hermit 0.11.0\n"),
    (3.0, "plain\n"),
    (4.0, "[0][INFO] Jumping into application\n"),
    (4.5, "<script>alert('&')</script>\x00\x1b[31mred\x1b[0m\nunfinished"),
)


def directory_of(path: Path, console: tuple[tuple[float, str], ...] = CONSOLE, **changes: object) -> Path:
    """Write the files of a run."""
    (path / "run.json").write_text(json.dumps(RUN | changes))
    rows = [json.dumps({"t": time, "data": text}) + "\n" for time, text in console]
    (path / "console.jsonl").write_text("".join(rows))
    messages = [{"return": {}}, {"event": "SHUTDOWN", "data": {"reason": "guest-shutdown"}}]
    rows = [json.dumps({"t": 4.9, "way": "<", "message": message}) + "\n" for message in messages]
    (path / "qmp.jsonl").write_text("".join(rows) + '{"t": 5.0, "wa')
    return path


def check_rules(events: list[dict[str, Any]]) -> None:
    """Check what the Trace Event format demands, and that a viewer can draw each track."""
    timed = [event for event in events if event["ph"] != "M"]
    assert {event["ph"] for event in events} == {"M", "X", "i"}
    assert all(type(event[key]) is int for event in timed for key in ("ts", "pid", "tid"))
    assert all(event["ts"] >= 0 for event in timed)
    assert [event["ts"] for event in timed] == sorted(event["ts"] for event in timed)
    assert all(event["s"] in ("g", "p", "t") for event in timed if event["ph"] == "i")
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert {(event["pid"], event["tid"]) for event in timed} <= named
    tracks = defaultdict(list)
    for event in timed:
        if event["ph"] == "X":
            assert type(event["dur"]) is int and event["dur"] >= 0
            tracks[event["tid"]].append(event)
    for track in tracks.values():
        for one, following in pairwise(track):
            assert one["ts"] + one["dur"] <= following["ts"], (one, following)


def named(events: list[dict[str, Any]], track: str) -> list[tuple[str, int, int | None]]:
    """Return name, time and duration of the events of a track, in microseconds."""
    return [(event["name"], event["ts"], event.get("dur")) for event in events if event.get("cat") == track]


def test_trace_of_a_run(tmp_path: Path) -> None:
    """Each line is in the track of who printed it. Lines of loader and kernel last until the next line."""
    events = trace.content(course.read(directory_of(tmp_path)))["traceEvents"]
    check_rules(events)
    assert named(events, "firmware") == [("BIOS", 500_000, None)]
    assert named(events, "loader") == [
        ("[LOADER][INFO] Hermit loader", 1_000_000, 1_000_000),
        ("[LOADER][INFO] Loading kernel to 0x200000..0x300000", 2_000_000, 0),
    ]
    assert named(events, "kernel") == [
        ("[0][INFO] Welcome to Hermit 0.11.0", 2_000_000, 1_000_000),
        ("plain", 3_000_000, 1_000_000),
        ("[0][INFO] Jumping into application", 4_000_000, 500_000),
    ]
    printed = [name for name, _, _ in named(events, "application")]
    assert printed == ["<script>alert('&')</script>\x00red", "unfinished"]
    assert named(events, "QEMU") == [("SHUTDOWN guest-shutdown", 4_900_000, None)]
    assert [row[0] for row in named(events, "phases")] == ["firmware", "loader", "kernel", "application", "app exit 0"]


def captured(path: Path, stamps: list[tuple[int, int]]) -> Path:
    """Write a capture with one ARP request at each time, in seconds and microseconds."""
    packet = frames.arp_request("52:54:00:12:34:56", "10.0.2.15", "10.0.2.2")
    records = [struct.pack("<IIII", *stamp, len(packet), len(packet)) + packet for stamp in stamps]
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1) + b"".join(records))
    return path


@pytest.mark.parametrize("second", [0, 1])
def test_packets_have_the_time_of_the_run(second: int, tmp_path: Path) -> None:
    """QEMU stamps with the guest's clock and its own start in whole seconds, which may be the next second."""
    noon = 1_796_040_000
    file = captured(tmp_path / "pcap", [(noon + second, 500_000), (noon + second + 3, 0)])
    run = {"started": f"2026-11-30T12:00:00.{'900000' if second else '100000'}+00:00", "capture": str(file)}
    found = course.read(directory_of(tmp_path, CONSOLE, **run)).packets
    assert [mark.time for mark in found] == pytest.approx([0.7, 3.2], abs=1e-5)
    assert found[0].text.startswith("arp-request 10.0.2.15 → 10.0.2.2, ")


def test_endless_output_is_bounded(tmp_path: Path) -> None:
    """The first and last lines stay, with a count of those between; the picture has the longest ones."""
    lines = tuple((4.0 + at / 1e5, f"[0][INFO] {at}\n") for at in range(9000))
    of_run = course.read(directory_of(tmp_path, CONSOLE[:3] + lines))
    assert len(of_run.lines) == course.FIRST + 1 + course.LAST
    texts = [line.text for line in of_run.lines]
    assert f"({9000 + 4 - course.FIRST - course.LAST} left out)" in texts and texts[-1] == "[0][INFO] 8999"
    check_rules(trace.content(of_run)["traceEvents"])
    assert plot.svg(of_run).count('class="row') <= plot.MAX_ROWS + 8


def test_run_that_printed_nothing(tmp_path: Path) -> None:
    """A guest without output, or a QEMU that did not start, has a trace and a picture, too."""
    for phases in ([{"name": "firmware", "start": 0.2, "end": 5.0}], []):
        silent = course.read(directory_of(tmp_path, (), phases=phases))
        events = trace.content(silent)["traceEvents"]
        assert [row[0] for row in named(events, "phases")] == [*(row["name"] for row in phases), "app exit 0"]
        assert ElementTree.fromstring(plot.svg(silent)).tag == f"{SVG}svg"


def test_picture_is_escaped_and_to_scale(tmp_path: Path) -> None:
    """What a guest prints is text, whatever it is. Bars are as long as the phases, in colours for light and dark."""
    text = plot.svg(course.read(directory_of(tmp_path, application="target/<b>&")))
    root = ElementTree.fromstring(text)
    assert {element.tag for element in root.iter()} == {
        SVG + name for name in ("svg", "title", "style", "text", "line", "rect", "g")
    }
    assert "<b>& on pc" in (root.findtext(f"{SVG}title") or "") and "\x00" not in text
    hints = [element.text or "" for element in root.iter(f"{SVG}title")]
    assert any("<script>alert('&')</script>\ufffdred" in hint for hint in hints)
    phases = list(root.iter(f"{SVG}g"))[:4]
    widths = [float(row.find(f"{SVG}rect").get("width") or 0) for row in phases]  # type: ignore[union-attr]
    assert [width / widths[1] for width in widths] == pytest.approx([0.8, 1.0, 2.0, 1.0], rel=0.01)
    assert "prefers-color-scheme: dark" in (root.findtext(f"{SVG}style") or "")
    assert not [value for element in root.iter() for value in element.attrib.values() if "http" in value]


def test_trace_of_a_real_kernel(tmp_path: Path) -> None:
    """Phases, lines and verdict of a boot are in its trace, at the times of its other files."""
    outcome: Outcome = boot(release("real-hello-0.11.0-microvm", "microvm"), artifacts=tmp_path)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    check_rules(events)
    run = json.loads((tmp_path / "run.json").read_text())
    phases = [(row["name"], row["start"], row["end"] - row["start"]) for row in run["phases"]]
    *found, verdict = named(events, "phases")
    assert [row[0] for row in found] == [row[0] for row in phases]
    times = [microseconds / 1e6 for _, start, length in found for microseconds in (start, length or 0)]
    assert times == pytest.approx([second for _, *seconds in phases for second in seconds], abs=2e-6)
    assert verdict[0] == str(outcome)
    first = named(events, "loader")[0]
    assert first[0].startswith("[LOADER][INFO] Hermit loader ") and first[1] == found[1][1]
    assert named(events, "kernel")[0][0].startswith("[0][INFO] Welcome to Hermit 0.11.0")
    assert ("RESUME", named(events, "QEMU")[0][1], None) == named(events, "QEMU")[0]


def test_plot_option(tmp_path: Path) -> None:
    """--plot writes the picture of the run and changes nothing else; what it cannot write is one line."""
    words = ("run", "--machine=microvm", f"--artifacts={tmp_path / 'run'}")
    app = images()["exit"].path
    done = ctl(*words, f"--plot={tmp_path / 'boot.svg'}", app, "--", 3)
    assert (done.returncode, "boot.svg" in done.stderr) == (3, False)
    (title,) = ElementTree.parse(tmp_path / "boot.svg").getroot().findall(f"{SVG}title")
    assert (title.text or "").startswith("exit on microvm, tcg: app exit 3 after ")
    done = ctl(*words, "--plot=/dev/full", app, "--", 3)
    assert (done.returncode, "hermitctl: --plot /dev/full was not written: No space" in done.stderr) == (3, True)
