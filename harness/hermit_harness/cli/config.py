# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Configuration files, and the one place that decides where the value of an option comes from.

A flag precedes the environment, the environment the files of the project, and those the file of the user. The keys of
each file are the flags of options.py without their dashes.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermit_harness import options
from hermit_harness.options import DEBUG_OPTIONS, OPTIONS, Option

IMAGE_KEYS = {"version", "kernel", "input"}  # what hermit.toml of a Hermit image always has
PROJECT_FILE, CARGO_FILE, USER_FILE = "hermit.toml", "Cargo.toml", "hermit/config.toml"
ROWS = {row.flag: row for row in (*OPTIONS, *DEBUG_OPTIONS)}
# Tables of Cargo.toml that cargo leaves to other programs.
CARGO_TABLES = ("package", "workspace")
# Values of these kinds are names of files. A name in a configuration file is relative to that file's directory.
PATHS = ("FILE", "DIR")


@dataclass(frozen=True)
class Setting:
    """A value, and where it is from: a flag, a variable, FILE:LINE, or "" for the default."""

    value: object
    origin: str


def project_directories(directory: Path) -> list[Path]:
    """Return the directories whose files count, the nearest first: up to the repository, the workspace or the package.

    Outside of a project that is the directory alone: another user's file in /tmp must not name programs to run.
    """
    above = [directory, *directory.parents]
    tops: dict[str, Path] = {}
    for place in above:
        if (place / ".git").exists():
            tops.setdefault("repository", place)
        if _is_workspace(place / CARGO_FILE):
            tops.setdefault("workspace", place)
        elif (place / CARGO_FILE).is_file():
            tops.setdefault("package", place)
    top = next((tops[kind] for kind in ("repository", "workspace", "package") if kind in tops), directory)
    return above[: above.index(top) + 1]


def _is_workspace(path: Path) -> bool:
    return b"[workspace" in path.read_bytes() if path.is_file() else False


def files(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield the files that count, the one that wins first. HERMIT_CONFIG names the only one.

    OSError if the current directory has been removed.
    """
    if only := environment.get("HERMIT_CONFIG"):
        path = Path(only)
        if not path.exists():
            raise ValueError(f"HERMIT_CONFIG={only}: there is no such file")
        yield path
        return
    for directory in project_directories(Path.cwd()):
        yield from (directory / name for name in (PROJECT_FILE, CARGO_FILE) if (directory / name).is_file())
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    if os.path.isabs(home) and (path := Path(home, USER_FILE)).is_file():
        yield path


def read(environment: Mapping[str, str]) -> dict[str, Setting]:
    """Return the settings of the files by flag. ValueError names the file and line of what is wrong."""
    found: dict[str, Setting] = {}
    for path in files(environment):
        for flag, setting in _of_file(path).items():
            found.setdefault(flag, setting)
    return found


def _of_file(path: Path) -> dict[str, Setting]:
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    is_cargo = path.name == CARGO_FILE
    if is_cargo and "metadata" not in text:
        return {}
    import tomllib  # here: most runs have no file, and a prompt is waited for

    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if is_cargo:  # cargo says more about it
            return {}
        raise ValueError(f"{_shown(path)}: {error}") from None
    if path.name == PROJECT_FILE and table.keys() >= IMAGE_KEYS:  # it configures a Hermit image, not hermitctl
        return {}
    tables = [table.get(name, {}).get("metadata", {}).get("hermit", {}) for name in CARGO_TABLES]
    found: dict[str, Setting] = {}
    for values in tables if is_cargo else [table]:
        for key, value in values.items():
            where = f"{_shown(path)}:{_line_of(text, key, 'hermit' if is_cargo else '')}"
            found[key] = Setting(_value(key, value, where, path.absolute().parent), where)
    return found


def _shown(path: Path) -> str:
    """The name of a file for people: relative below the current directory."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _line_of(text: str, key: str, table: str) -> int:
    """The number of the line that sets a key; that of the table's head, or 1, where it is not on a line of its own."""
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(rf"\s*\[.*\b{table}\b.*\]", line)] if table else []
    start = heads[0] if heads else 0
    pattern = re.compile(rf"""\s*(["']?){re.escape(key)}\1\s*[=.]|\s*\[\[?\s*{re.escape(key)}\b""")
    return next((number for number in range(start, len(lines)) if pattern.match(lines[number])), start) + 1


def _value(key: str, value: object, where: str, directory: Path) -> object:
    """A key's value as a flag would give it. ValueError for an unknown key, a wrong type, or no possible value."""
    row = ROWS.get(key)
    if row is None:
        near = _nearest(key)
        raise ValueError(f"{where}: {key} is not known" + (f"; did you mean {near}?" if near else ""))
    given = value if isinstance(value, list) else [value]
    wanted, kinds = _TYPES[row.kind]
    if (isinstance(value, list) and row.kind != "many") or any(type(one) not in kinds for one in given):
        raise ValueError(f"{where}: {key} wants {wanted}")
    if row.kind == "yes":
        return value
    texts = [_path(row, str(one), directory) for one in given]
    if row.choices and (unknown := [text for text in texts if text not in row.choices]):
        raise ValueError(f"{where}: {key} {unknown[0]}: known: {', '.join(filter(None, row.choices))}")
    return texts if row.kind == "many" else texts[0]


_TYPES: dict[str, tuple[str, tuple[type, ...]]] = {
    "yes": ("true or false", (bool,)),
    "many": ("a text or a list of texts", (str,)),
    "number": ("a number", (int, str)),
    "text": ("a text", (str, int)),
}


def _nearest(key: str) -> str:
    """The key that is meant, "" if none is near. Names of variables count, too."""
    name = key.upper().replace("-", "_").removeprefix("HERMIT_")
    by_variable = (row.flag for row in ROWS.values() if name in (row.name, *row.aliases))
    return next(by_variable, "") or next(iter(difflib.get_close_matches(key, ROWS, 1)), "")


def _path(row: Option, text: str, directory: Path) -> str:
    """A name of a file, made absolute. Other values, targets, and `:TAG` of a share are unchanged."""
    is_path = row.metavar in PATHS or (row.metavar == "PROGRAM" and "/" in text)
    if not is_path or not text or text.startswith(":") or (row.flag == "loader" and text in options.TARGET_NAMES):
        return text
    return str(directory / os.path.expanduser(text))


def settle(arguments: argparse.Namespace, environment: Mapping[str, str] | None = None) -> None:
    """Give every option that no flag has set its value, and keep all with their origins in `settings`.

    An option that may be repeated has the values of its flags after those of the environment or of a file.
    """
    rows: tuple[Option, ...] = vars(arguments).get("rows", ())
    if not rows:
        return
    environment = os.environ if environment is None else environment
    configured = read(environment)
    arguments.settings = {}
    for row in rows:
        setting = _resolve(row, environment, configured)
        given = vars(arguments).get(row.dest)
        if given is not None:
            before: Any = setting.value if row.kind == "many" else []
            origin = f"{setting.origin} and --{row.flag}" if before else f"--{row.flag}"
            setting = Setting([*before, *given] if row.kind == "many" else given, origin)
        setattr(arguments, row.dest, setting.value)
        arguments.settings[row.flag] = setting


def _resolve(row: Option, environment: Mapping[str, str], configured: Mapping[str, Setting]) -> Setting:
    """The value without the flag."""
    variable = next((name for name in row.envs if environment.get(name)), "")
    if variable:
        return Setting(options.default_of(row, environment), variable)
    return configured.get(row.flag) or Setting(options.default_of(row, {}), "")


def lines(settings: Mapping[str, Setting]) -> list[str]:
    """A line for each value that is not the default, with its origin."""
    return [
        f"--{flag}{'' if setting.value is True else f' {setting.value}'}: from {setting.origin}"
        for flag, setting in settings.items()
        if setting.origin
    ]


def report(settings: Mapping[str, Setting]) -> None:
    """Print these lines to stderr."""
    for line in lines(settings):
        print(f"hermitctl: {line}", file=sys.stderr)


def schema() -> dict[str, Any]:
    """Return the JSON schema of hermit.toml, for editors."""
    types: dict[str, dict[str, Any]] = {
        "yes": {"type": "boolean"},
        "many": {"type": ["string", "array"], "items": {"type": "string"}},
        "number": {"type": ["integer", "string"]},
        "text": {"type": ["string", "integer"]},
    }
    properties = {}
    for flag, row in ROWS.items():
        choices = [choice for choice in row.choices if choice]
        shape = {"enum": choices} if choices else types[row.kind]
        default = {"default": row.default} if row.default and row.kind != "yes" else {}
        properties[flag] = {"description": row.help, **shape, **default}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hermit.toml, and [package.metadata.hermit] of Cargo.toml",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


DESCRIPTION = """\
Show what the configuration files and the environment set, and the origin of each
value. A flag precedes the environment. The environment precedes the project's
hermit.toml and Cargo.toml, and these precede the user's file.

  hermitctl config
  hermitctl config --schema        the JSON schema of hermit.toml

Exit status: 0; 125 if a file is wrong."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("config", help="what is configured, and by which file", description=DESCRIPTION)
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of hermit.toml")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Print the files and the values."""
    if arguments.schema:
        import json

        print(json.dumps(schema(), indent=2))
        return 0
    for path in files(os.environ):
        print(f"file: {_shown(path)}")
    shown = argparse.Namespace(rows=(*OPTIONS, *DEBUG_OPTIONS))
    settle(shown)
    print("\n".join(lines(shown.settings)) or "nothing is configured")
    return 0
