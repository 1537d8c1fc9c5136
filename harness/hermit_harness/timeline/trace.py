# SPDX-License-Identifier: Apache-2.0 OR MIT
"""trace.json: the course of a run in the Trace Event format, which Perfetto and chrome://tracing open.

The format is described in "Trace Event Format" (Google, 2016): times are in microseconds, `X` is an event with a
duration, `i` an instant, `M` the name of a process or thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from hermit_harness.timeline.course import ORIGINS, Course, Mark

NAME = "trace.json"
PROCESS = 1
TRACKS = ("phases", *ORIGINS, "QEMU", "packets")  # the threads 1, 2, …
# Lines of these take time: each lasts until the next one.
LASTING = ("loader", "kernel")
TEXT_LIMIT = 200

Event = dict[str, Any]


def microseconds(seconds: float) -> int:
    return round(seconds * 1e6)


def content(course: Course) -> dict[str, Any]:
    """Return the object of trace.json. Its events are in the order of their times."""
    run = course.run
    timed = sorted([*_phases(run), *_lines(course), *_marks(course), _verdict(course)], key=lambda event: event["ts"])
    return {
        "traceEvents": [*_names(run), *timed],
        "displayTimeUnit": "ms",
        "otherData": {name: str(run[name]) for name in ("application", "loader", "target", "machine", "accelerator")},
    }


def _event(kind: str, track: str, name: str, time: float, **more: Any) -> Event:
    event = {"ph": kind, "pid": PROCESS, "tid": 1 + TRACKS.index(track), "cat": track, "ts": microseconds(time)}
    return {**event, "name": name[:TEXT_LIMIT], **more}


def _names(run: dict[str, Any]) -> Iterator[Event]:
    what = f"{(run['application'] or run['loader']).rpartition('/')[2]} on {run['machine']}, {run['accelerator']}"
    yield {"ph": "M", "pid": PROCESS, "tid": 0, "name": "process_name", "args": {"name": what}}
    for number, track in enumerate(TRACKS, 1):
        yield {"ph": "M", "pid": PROCESS, "tid": number, "name": "thread_name", "args": {"name": track}}
        yield {"ph": "M", "pid": PROCESS, "tid": number, "name": "thread_sort_index", "args": {"sort_index": number}}


def _phases(run: dict[str, Any]) -> Iterator[Event]:
    for phase in run["phases"]:
        start, end = microseconds(phase["start"]), microseconds(phase["end"])
        yield _event("X", "phases", phase["name"], phase["start"], dur=end - start)


def _lines(course: Course) -> Iterator[Event]:
    """A line of loader or kernel lasts until the next line, or until its phase ends."""
    ends = {phase["name"]: phase["end"] for phase in course.run["phases"]}
    for line, following in zip_longest(course.lines, course.lines[1:]):
        if line.kind not in LASTING:
            yield _event("i", line.kind or ORIGINS[-1], line.text, line.time, s="t")
            continue
        end = following.time if following else max(ends.get(line.kind, 0.0), line.time)
        duration = microseconds(end) - microseconds(line.time)
        yield _event("X", line.kind, line.text, line.time, dur=duration)


def _marks(course: Course) -> Iterator[Event]:
    rows: Sequence[tuple[str, Sequence[Mark]]] = (("QEMU", course.events), ("packets", course.packets))
    for track, marks in rows:
        yield from (_event("i", track, mark.text, mark.time, s="t") for mark in marks)


def _verdict(course: Course) -> Event:
    run = course.run
    args = {name: run[name] for name in ("verdict", "status", "origin", "cause", "hint")}
    return _event("i", "phases", run["summary"], run["seconds"], s="g", args=args)
