# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Take the pictures of docs/screens: type the commands of screens.toml in a terminal, and draw what it shows as SVG.

Usage: screens.py [NAME...]     default: all
"""

from __future__ import annotations

import os
import pty
import re
import select
import shlex
import struct
import subprocess
import sys
import termios
import tomllib
from fcntl import ioctl
from itertools import groupby
from pathlib import Path
from typing import Any

import pyte
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[2]
DIR = ROOT / "docs" / "screens"
TABLE = Path(__file__).with_name("screens.toml")
COLUMNS = (80, 120)
ROWS = 600  # of the terminal: nothing scrolls out of it
SECONDS = 600
BLACK, RED, GREEN, YELLOW = (36, 41, 47), (207, 34, 46), (17, 99, 41), (122, 78, 0)
BLUE, MAGENTA, CYAN, GREY = (9, 105, 218), (130, 80, 223), (27, 124, 131), (110, 119, 129)
BRIGHT = [(255, 123, 114), (126, 231, 135), (210, 153, 34), (121, 192, 255), (210, 168, 255), (118, 227, 234)]
# Background, foreground, the eight colours of a terminal.
THEMES = {
    "light": TerminalTheme((255, 255, 255), BLACK, [BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, GREY]),
    "dark": TerminalTheme((13, 17, 23), (230, 237, 243), [(72, 79, 88), *BRIGHT, (177, 186, 196)]),
}
# rich's own format names a font on a server; this one needs nothing but the file.
FORMAT = """\
<svg viewBox="0 0 WIDTH HEIGHT" xmlns="http://www.w3.org/2000/svg">
<!-- SPDX-License-Identifier: Apache-2.0 OR MIT; made by `make screenshots` -->
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-ligatures: none; white-space: pre
}}
{styles}
</style>
<rect width="100%" height="100%" rx="6" fill="BACKGROUND"/>
<g transform="translate(8, 8)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def output_of(command: str, columns: int) -> bytes:
    """Type a command in a terminal of this width and return what it prints."""
    main, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    path = f"{ROOT / 'build' / 'venv' / 'bin'}:{os.environ['PATH']}"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HERMIT_", "MAKE", "NO_COLOR"))}
    env |= {"PATH": path, "TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": str(ROWS), "PAGER": "cat"}
    program = subprocess.Popen(
        shlex.split(command),
        cwd=ROOT,
        env=env,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    printed = b""
    while select.select([main], [], [], SECONDS)[0]:
        try:
            data = os.read(main, 65536)
        except OSError:  # the last program has closed the terminal
            break
        printed += data
    os.close(main)
    program.wait()
    return printed


def colour(name: str) -> str | None:
    """The name of a colour of pyte's as rich has it."""
    if name == "default":
        return None
    return (
        f"#{name}"
        if re.fullmatch("[0-9a-f]{6}", name)
        else name.replace("bright", "bright_").replace("brown", "yellow")
    )


def style_of(look: tuple[Any, ...]) -> Style:
    """The style of a cell of pyte's without its character."""
    foreground, background, bold, _italics, _underscore, _strikethrough, reverse = look[:7]
    return Style(color=colour(foreground), bgcolor=colour(background), bold=bold, reverse=reverse)


def rows_of(printed: bytes, columns: int) -> list[Text]:
    """What a terminal shows after this output, without the empty lines at its end."""
    screen = pyte.Screen(columns, ROWS)
    pyte.ByteStream(screen).feed(printed)
    rows = []
    for number in range(ROWS):
        text, cells = Text(), [screen.buffer[number][column] for column in range(columns)]
        for look, run in groupby(cells, lambda cell: cell[1:]):
            text.append("".join(cell.data for cell in run), style_of(look))
        text.rstrip()
        rows.append(text)
    while rows and not rows[-1].plain:
        rows.pop()
    return rows


def draw(rows: list[Text], columns: int, theme: str, title: str) -> str:
    """The rows as an SVG picture."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=columns, file=nowhere, force_terminal=True, color_system="truecolor")
        for row in rows:
            console.print(row, no_wrap=True, overflow="crop", highlight=False)
        sizes = {
            "WIDTH": f"{columns * 12.2 + 16:.1f}",
            "HEIGHT": f"{len(rows) * 24.4 + 16:.1f}",
        }  # of rich's characters
        form = FORMAT.replace("BACKGROUND", THEMES[theme].background_color.hex)
        for name, value in sizes.items():
            form = form.replace(name, value)
        picture = console.export_svg(title=title, theme=THEMES[theme], code_format=form, unique_id="screen")
        # The form has no clip paths: no line is longer than the picture is wide.
        return re.sub(r' clip-path="[^"]*"|<text [^>]*>\n</text>', "", picture)


def take(screen: dict[str, Any]) -> None:
    """Take all pictures of one row of the table. ValueError if the output is not the expected one."""
    for columns in COLUMNS:
        rows = rows_of(output_of(screen["command"], columns), columns)
        plain = re.sub(r"\s+", " ", "".join(row.plain for row in rows))
        if not re.search(screen["shows"], plain):
            raise ValueError(
                f"{screen['name']}: no {screen['shows']} in\n" + "\n".join(row.plain for row in rows[-20:])
            )
        shown = rows[-screen["last"] :] if 0 < screen["last"] < len(rows) else rows
        cut = [] if len(shown) == len(rows) else [Text("…")]
        prompt = Text.assemble(("$ ", "bold"), screen["command"])
        if str(ROOT) in "".join(row.plain for row in shown):
            raise ValueError(f"{screen['name']}: the picture would show {ROOT}")
        for theme in THEMES:
            picture = draw([prompt, *cut, *shown], columns, theme, screen["alt"])
            (DIR / f"{screen['name']}-{columns}-{theme}.svg").write_text(picture, encoding="utf-8")


def main() -> int:
    """Take the pictures that are asked for."""
    DIR.mkdir(exist_ok=True)
    for screen in tomllib.loads(TABLE.read_text(encoding="utf-8"))["screen"]:
        if not sys.argv[1:] or screen["name"] in sys.argv[1:]:
            print(screen["name"], flush=True)
            take(screen)
    return 0


if __name__ == "__main__":
    sys.exit(main())
