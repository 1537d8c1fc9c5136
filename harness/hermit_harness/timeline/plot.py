# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The course of a boot as a picture (SVG), as `systemd-analyze plot` draws that of a Linux system.

A row is a phase, or lines of loader or kernel that were read together; they last until the next ones. The file needs
no other file, and its colours follow the viewer's preference for light or dark.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby, zip_longest

from hermit_harness.timeline.course import ORIGINS, Course, Mark

WIDTH, MARGIN, ROW, TOP = 1000, 20, 18, 96  # pixels
MAX_ROWS = 200  # of lines; the longest ones
TITLE_LIMIT = 100  # characters
CHARACTER = 6.8  # pixels of a character of a row, about
LEAST_ROOM = 12  # characters; a row with less room beside its bar has its text in the bar
SHOWN_AFTER = 1.25  # of the time until the application starts: more would hide the boot
# Light, dark.
COLOURS = {
    "firmware": ("#8d99ae", "#7f8ba0"),
    "loader": ("#e07a1f", "#f0923d"),
    "kernel": ("#2a78c0", "#4f9ddd"),
    "application": ("#2f9e5b", "#48b877"),
    "qemu": ("#9b4fb5", "#bd7bd3"),
    "packet": ("#c0392b", "#e0685c"),
}
NAMES = {"qemu": "QEMU", "packet": "packets"}
STYLE = """
svg {{ font: 11px ui-monospace, monospace; background: #fff; }}
text {{ fill: #1b1f24; }} .title {{ font-size: 15px; }} .inside {{ fill: #fff; }}
.quiet {{ fill: #59636e; }} .grid {{ stroke: #d1d9e0; }}
{light}
@media (prefers-color-scheme: dark) {{
svg {{ background: #0d1117; }} text {{ fill: #e6edf3; }} .inside {{ fill: #0d1117; }}
.quiet {{ fill: #9198a1; }} .grid {{ stroke: #30363d; }}
{dark}
}}
"""


@dataclass(frozen=True)
class Bar:
    """One row: a range of time, or `ticks` at moments."""

    kind: str
    text: str
    start: float
    end: float
    ticks: tuple[Mark, ...] = ()


def printable(text: str) -> str:
    """Return text of a guest for an SVG file: XML has no way to write a control character."""
    return escape("".join(c if c.isprintable() else "\ufffd" for c in text))


def duration(seconds: float) -> str:
    """Return a duration in a unit that suits it."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.1f} ms"


def horizon(course: Course) -> float:
    """Return where the axis ends: with the run, or some time after the application has started."""
    started = [phase["start"] for phase in course.run["phases"] if phase["name"] == ORIGINS[-1]]
    return min([course.end, *(start * SHOWN_AFTER for start in started)]) or 1.0


def bars(course: Course, until: float) -> list[Bar]:
    """Return the rows up to a time: phases, then their lines, then what is not the guest's."""
    phases = [Bar(row["name"], row["name"], row["start"], row["end"]) for row in course.run["phases"]]
    ends = {bar.kind: bar.end for bar in phases}
    shown = [row for row in _together(course.lines, ends) if row.kind in ("loader", "kernel")]
    longest = sorted(shown, key=lambda bar: bar.end - bar.start, reverse=True)[:MAX_ROWS]
    shown = [bar for bar in shown if bar in longest]
    printed = tuple(line for line in course.lines if line.kind == ORIGINS[-1])
    ticks = [(ORIGINS[-1], "output", printed), ("qemu", "events of QEMU", course.events)]
    ticks.append(("packet", "packets", course.packets))
    rows = [Bar(kind, text, marks[0].time, marks[-1].time, marks) for kind, text, marks in ticks if marks]
    return [bar for bar in (*phases, *shown, *rows) if bar.start <= until]


def _together(lines: Sequence[Mark], ends: Mapping[str, float]) -> Iterator[Bar]:
    """Yield one row for all lines that one origin printed at one time."""
    groups = [tuple(group) for _, group in groupby(lines, key=lambda line: (line.time, line.kind))]
    for group, following in zip_longest(groups, groups[1:]):
        kind, start = group[0].kind, group[0].time
        end = following[0].time if following else ends.get(kind, start)
        more = f" … {len(group)} lines" if len(group) > 1 else ""
        worded = next((line.text for line in group if line.text.rpartition("]")[2].strip(" =")), group[0].text)
        yield Bar(kind, " ".join(worded.split()) + more, start, max(end, start))


def steps(until: float) -> Iterator[float]:
    """Yield the times of the grid: ten or less, at a distance of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(until / 10))
    distance = next(power * factor for factor in (1, 2, 5, 10) if until / (power * factor) <= 10)
    return (number * distance for number in range(math.floor(until / distance) + 1))


def svg(course: Course) -> str:
    """Return the text of the file."""
    until = horizon(course)
    rows = bars(course, until)
    height = TOP + ROW * len(rows) + 2 * MARGIN
    scale = (WIDTH - 2 * MARGIN) / until
    run = course.run
    what = (run["application"] or run["loader"]).rpartition("/")[2]
    title = f"{what} on {run['machine']}, {run['accelerator']}: {run['summary']} after {duration(run['seconds'])}"
    kinds = dict.fromkeys(bar.kind for bar in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{printable(title)}</title>",
        f"<style>{STYLE.format(light=_colours(0), dark=_colours(1))}</style>",
        f'<text class="title" x="{MARGIN}" y="28">{printable(title[:TITLE_LIMIT])}</text>',
        *_legend(list(kinds)),
        *_grid(until, scale, height),
        *(part for number, bar in enumerate(rows) for part in _row(bar, TOP + ROW * number, scale, until)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _colours(theme: int) -> str:
    return " ".join(f".{kind} {{ fill: {colour[theme]}; }}" for kind, colour in COLOURS.items())


def _legend(kinds: list[str]) -> Iterator[str]:
    for number, kind in enumerate(kinds):
        x = MARGIN + 130 * number
        yield f'<rect class="{kind}" x="{x}" y="42" width="12" height="12"/>'
        yield f'<text x="{x + 18}" y="52">{NAMES.get(kind, kind)}</text>'


def _grid(until: float, scale: float, height: int) -> Iterator[str]:
    for time in steps(until):
        x = MARGIN + time * scale
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 14}" y2="{height - MARGIN}"/>'
        text = duration(time) if time else "start of QEMU"
        if x + len(text) * CHARACTER < WIDTH:
            yield f'<text class="quiet" x="{x + 2:.1f}" y="{TOP - 8}">{text}</text>'


def _row(bar: Bar, y: int, scale: float, until: float) -> Iterator[str]:
    left, right = (MARGIN + min(time, until) * scale for time in (bar.start, bar.end))
    length = duration(bar.end - bar.start)
    yield f'<g class="row {bar.kind}">'
    for mark in bar.ticks:
        if mark.time <= until:
            x = MARGIN + mark.time * scale
            hint = f"{duration(mark.time)}: {printable(mark.text)}"
            yield f'<rect x="{x:.1f}" y="{y}" width="1.5" height="{ROW - 5}"><title>{hint}</title></rect>'
    if not bar.ticks:
        hint = f"{printable(bar.text)}: {duration(bar.start)} + {length}"
        yield f'<rect x="{left:.1f}" y="{y}" width="{max(right - left, 1.5):.1f}" height="{ROW - 5}">'
        yield f"<title>{hint}</title></rect>"
    yield _label(bar.text, str(len(bar.ticks)) if bar.ticks else length, left, right, y + ROW - 8)
    yield "</g>"


def _label(text: str, size: str, left: float, right: float, y: int) -> str:
    """Return a row's text, on the side of the bar that has room for it, or has more room."""
    rooms = {"start": WIDTH - MARGIN - right - 6, "end": left - 6 - MARGIN}
    characters = {anchor: max(int(room / CHARACTER), 0) for anchor, room in rooms.items()}
    whole = f"{text} ({size})"
    anchor = next((anchor for anchor, room in characters.items() if len(whole) <= room), "")
    anchor = anchor or max(characters, key=lambda name: characters[name])
    room, x, style = characters[anchor], right + 6 if anchor == "start" else left - 6, ""
    if room < LEAST_ROOM:
        room, x, anchor, style = int((right - left) / CHARACTER), left + 6, "start", ' class="inside"'
    shown = whole if len(whole) <= room else f"{text[: max(room - len(size) - 4, 0)]}… ({size})"
    return f'<text{style} x="{x:.1f}" y="{y}" text-anchor="{anchor}">{printable(shown)}</text>'
