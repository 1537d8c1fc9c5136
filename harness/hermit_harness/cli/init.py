# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl init and new: a cargo project that boots, debugs and tests its application with hermitctl."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hermit_harness.gdb import vscode

TRIPLE = "x86_64-unknown-hermit"
RUNNER = 'runner = ["hermitctl", "run", "--"]'
INIT = """\
Set up the cargo project of this directory, or of DIR: hermitctl as the runner
of `cargo run` and `cargo test`, a test in Python, VS Code's files, and a job of
GitHub Actions. Existing settings are kept, and a second call changes nothing.

  hermitctl init --dry-run       print the changes
  hermitctl init

Exit status: 0; 125 if a file cannot be merged."""
CONFTEST = 'pytest_plugins = ["hermit_harness.testing"]\n'
TEST = '''\
"""Boots of the application: `cargo build`, then `pytest tests`."""


def test_boots(hermit):
    hermit("{name}", expect="exit 0")
'''
WORKFLOW = """\
# OWNER is the owner of the repository of hermit-loader.
name: hermit
on: [push, pull_request]
jobs:
  boot:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - uses: actions/checkout@v4
        with: {{ repository: OWNER/hermit-loader, path: hermit-loader }}
      - run: cargo build
      - run: make -C hermit-loader run APP=$PWD/target/{triple}/debug/{name} TIMEOUT=60
      - run: hermit-loader/build/venv/bin/python -m pytest tests
"""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("init", help="set up a cargo project for hermitctl", description=INIT)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(), metavar="DIR")
    parser.add_argument("--dry-run", action="store_true", help="print the changes as a diff, and make none")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Change the files, or print what would change."""
    apply(project_files(arguments.directory.resolve()), arguments.dry_run)
    if not shutil.which("hermitctl"):
        program = Path(sys.prefix) / "bin"
        print(f"hermitctl: cargo's runner looks for hermitctl on PATH: add {program}", file=sys.stderr)
    return 0


def project_files(directory: Path) -> dict[Path, str]:
    """Return the files of a set-up project, merged with what is there. ValueError if one cannot be."""
    name = _application(directory)
    path = directory / ".cargo" / "config.toml"
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    configured = _toml(path, found).get("build", {}).get("target", TRIPLE)
    triple = configured if isinstance(configured, str) else TRIPLE
    app = directory / "target" / triple / "debug" / name
    editor = vscode.Editor(app, app, vscode.socket_endpoint(directory, app), (), "gdb", [str(app)], directory=directory)
    created = {
        "tests/conftest.py": CONFTEST,
        "tests/test_boot.py": TEST.format(name=name),
        ".github/workflows/hermit.yml": WORKFLOW.format(name=name, triple=triple),
    }
    kept = {file: file.read_text(encoding="utf-8") for file in map(directory.joinpath, created) if file.is_file()}
    merged = vscode.merged(directory, vscode.files(editor))
    return {
        path: with_runner(path, found, triple),
        **{directory / file: text for file, text in created.items()},
        **kept,
        **{file: text for file, text in merged.items() if text is not None},
    }


def _application(directory: Path) -> str:
    """The name of the project's application. ValueError if this is no package."""
    path = directory / "Cargo.toml"
    if not path.is_file():
        raise ValueError(f"{directory} has no Cargo.toml: `hermitctl new NAME` or `cargo new NAME` makes a project")
    table = _toml(path, path.read_text(encoding="utf-8"))
    names = [one["name"] for one in table.get("bin", []) if "name" in one] or [table.get("package", {}).get("name")]
    if not names[0]:
        raise ValueError(f"{path} has no package: name the directory of a member of the workspace")
    return str(names[0])


def _toml(path: Path, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: {error}") from None


def with_runner(path: Path, text: str, triple: str) -> str:
    """Return cargo's configuration with hermitctl as the runner of a target; a runner that is there is kept."""
    tables = _toml(path, text).get("target", {})
    if "runner" in tables.get(triple, {}):
        return text
    head = re.search(rf"^\[target\.[\"']?{re.escape(triple)}[\"']?\][^\n]*\n?", text, re.M)
    if triple in tables and not head:
        raise ValueError(f"{path}: write [target.{triple}] as a table of its own, or add to it: {RUNNER}")
    if head:
        return f"{text[: head.end()].rstrip()}\n{RUNNER}\n{text[head.end() :]}"
    return text + ("\n" if text else "") + f"[target.{triple}]\n{RUNNER}\n"


def apply(files: Mapping[Path, str], dry_run: bool) -> None:
    """Write what differs, and print the names; or print the differences."""
    for path, text in files.items():
        found = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else ""
        if found == text:
            continue
        if dry_run:
            lines = (found.splitlines(True), text.splitlines(True))
            sys.stdout.writelines(difflib.unified_diff(*lines, str(path) if found else "/dev/null", str(path)))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        print(path)
