# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Files for debuggers that are not started by us: a .gdbinit, and launch.json and tasks.json of Visual Studio Code,
whose C/C++ extension drives GDB.

The editor's task starts the machine and leaves it stopped; its launch sources the script, which ends before the last
`continue`: that one the editor does itself, so that it notices where the machine stops.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hermit_harness.gdb import script
from hermit_harness.gdb.script import DebugPlan

SCRIPT_PATH = ".vscode/hermit.gdb"
TASK_LABEL = "hermit: start the machine"


def _task(words: Sequence[str]) -> dict[str, object]:
    ready = "^hermitctl: listening for GDB"
    return {
        "label": TASK_LABEL,
        "type": "process",
        "command": str(Path(sys.prefix) / "bin" / "hermitctl"),
        "args": ["debug", *words],
        "options": {"cwd": str(Path.cwd())},
        "isBackground": True,
        "problemMatcher": {
            "owner": "hermit",
            "severity": "info",
            # The editor takes no pattern without a file.
            "pattern": {"kind": "file", "regexp": "^(hermitctl): (?!listening)(.*)$", "file": 1, "message": 2},
            "background": {"activeOnStart": True, "beginsPattern": ready, "endsPattern": ready},
        },
    }


def _launch(plan: DebugPlan, gdb: str, folder: Path) -> dict[str, object]:
    source = f"source {folder / SCRIPT_PATH}"
    return {
        "name": f"Hermit: {plan.app.name}",
        "type": "cppdbg",
        "request": "launch",
        "program": str(plan.symbols.path.resolve()),
        "cwd": "${workspaceFolder}",
        "MIMode": "gdb",
        "miDebuggerPath": gdb,
        "preLaunchTask": TASK_LABEL,
        "customLaunchSetupCommands": [{"text": f'-interpreter-exec console "{source}"'}],
        "launchCompleteCommand": "exec-continue",
    }


def files(
    plan: DebugPlan, port: int, breaks: list[str], qemu: str, gdb: str, words: Sequence[str], folder: Path
) -> dict[str, str]:
    """Names below `folder` and contents. `words` are hermitctl's for the same machine, waiting at `port`."""
    script_text = script.standalone_script(plan, f":{port}", breaks, qemu)
    launch = {"version": "0.2.0", "configurations": [_launch(plan, gdb, folder)]}
    tasks = {"version": "2.0.0", "tasks": [_task(words)]}
    return {
        ".gdbinit": script_text,
        SCRIPT_PATH: script_text.removesuffix("continue\n"),
        ".vscode/launch.json": json.dumps(launch, indent=4) + "\n",
        ".vscode/tasks.json": json.dumps(tasks, indent=4) + "\n",
    }


# The list in each of the editor's files, and the name of an entry of it.
LISTS = {".vscode/launch.json": ("configurations", "name"), ".vscode/tasks.json": ("tasks", "label")}


def _merged(path: Path, name: str, text: str) -> str:
    """Return `text` with the entries of an existing file that have other names. ValueError if that is not possible."""
    if not path.exists() or path.read_text(encoding="utf-8") == text:
        return text
    rows, key = LISTS.get(name, ("", ""))
    try:
        found, own = json.loads(path.read_text(encoding="utf-8")) if rows else None, json.loads(text) if rows else {}
        new = {row[key]: row for row in own.get(rows, ())}
        kept = [new.pop(row.get(key), row) for row in found[rows]]  # type: ignore[index]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is there already, with other content: remove it, or name another folder") from None
    return json.dumps({**found, rows: [*kept, *new.values()]}, indent=4) + "\n"  # type: ignore[dict-item]


def write(folder: Path, content: dict[str, str]) -> None:
    """Write the files. Entries of the editor's files that have other names are kept.

    ValueError where the folder cannot have them, or, and nothing is written, where another file has one of the names.
    """
    content = {name: _merged(folder / name, name, text) for name, text in content.items()}
    try:
        for name, text in content.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be written: {error.strerror}") from error
