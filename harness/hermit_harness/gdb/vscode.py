# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Files for debuggers that are not started by us: a .gdbinit, and launch.json and tasks.json of Visual Studio Code.

The editor's task starts the machine, stopped, and listens on a Unix socket that no other application has. Beside the
socket it writes the commands that load the symbols, one file for GDB and one for LLDB: it knows the addresses. Then
the editor's extension connects: Microsoft's C/C++ by GDB, CodeLLDB by LLDB.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hermit_harness.gdb import script
from hermit_harness.gdb.program import quote
from hermit_harness.gdb.running import MAX_SOCKET_PATH
from hermit_harness.vm.filenames import user_temp_directory
from hermit_harness.vm.gdb_relay import Endpoint

GDB_SUFFIX, LLDB_SUFFIX = ".gdb", ".lldb"
GDBINIT, LAUNCH, TASKS = ".gdbinit", ".vscode/launch.json", ".vscode/tasks.json"
# The list in each of the editor's files, and the name of an entry of it.
LISTS = {LAUNCH: ("configurations", "name"), TASKS: ("tasks", "label")}
# KVM has the four debug registers of a CPU. TCG's breakpoints never change memory.
KVM_BREAKPOINTS = 4


@dataclass(frozen=True)
class Editor:
    """What the files are about. `words` are hermitctl's for this machine, without the endpoint, and `directory` is
    where it is called, by default the current one."""

    app: Path
    symbols: Path
    endpoint: Endpoint
    breaks: Sequence[str]
    gdb: str
    words: Sequence[str]
    is_recorded: bool = False
    is_kvm: bool = False
    directory: Path | None = None

    @property
    def name(self) -> str:
        return f"Hermit: {self.app.name}" + (" backwards" if self.is_recorded else "")


def socket_endpoint(directory: Path, app: Path) -> Endpoint:
    """The socket of an application in a directory. GDB takes a name with a colon for an address."""
    path = directory / ".vscode" / f"{app.name}.socket"
    if len(bytes(path)) > MAX_SOCKET_PATH or not str(path).isprintable() or ":" in str(path):
        path = user_temp_directory() / f"{hashlib.sha256(bytes(path)).hexdigest()[:16]}.socket"
    return Endpoint(path=path)


def _task(editor: Editor) -> dict[str, Any]:
    ready = "^hermitctl: listening for GDB"
    return {
        "label": f"{editor.name}: machine",
        "type": "process",
        "command": str(Path(sys.prefix) / "bin" / "hermitctl"),
        "args": ["debug", "--port", editor.endpoint.word, *editor.words],
        "options": {"cwd": str(editor.directory or Path.cwd())},
        "isBackground": True,
        "problemMatcher": {
            "owner": "hermit",
            "severity": "info",
            # The editor takes no pattern without a file.
            "pattern": {"kind": "file", "regexp": "^(hermitctl): (?!listening)(.*)$", "file": 1, "message": 2},
            "background": {"activeOnStart": True, "beginsPattern": ready, "endsPattern": ready},
        },
    }


def _with_gdb(editor: Editor) -> dict[str, Any]:
    """For Microsoft's C/C++ extension."""
    commands = [f"source {editor.endpoint.path}{GDB_SUFFIX}", f"target remote {editor.endpoint.remote}"]
    commands += [f"hbreak {place}" for place in editor.breaks]
    row = {
        "name": editor.name,
        "type": "cppdbg",
        "request": "launch",
        "program": str(editor.symbols.resolve()),
        "cwd": "${workspaceDirectory}",
        "MIMode": "gdb",
        "miDebuggerPath": editor.gdb,
        "preLaunchTask": _task(editor)["label"],
        "customLaunchSetupCommands": [{"text": f"-interpreter-exec console {json.dumps(line)}"} for line in commands],
        "launchCompleteCommand": "None" if editor.is_recorded else "exec-continue",
    }
    return row | ({"hardwareBreakpoints": {"require": True, "limit": KVM_BREAKPOINTS}} if editor.is_kvm else {})


def _with_lldb(editor: Editor) -> dict[str, Any]:
    """For CodeLLDB, which steps backwards in a recorded run."""
    path = editor.endpoint.path
    return {
        "name": f"{editor.name} (CodeLLDB)",
        "type": "lldb",
        "request": "launch",
        "initCommands": ["settings set target.require-hardware-breakpoint true"] if editor.is_kvm else [],
        "targetCreateCommands": [f"target create {quote(editor.symbols.resolve())}"],
        "processCreateCommands": [
            f"process connect --plugin gdb-remote {quote(f'unix-connect://{path}')}",
            f"command source {quote(f'{path}{LLDB_SUFFIX}')}",
            *(f"breakpoint set --name {quote(place)}" for place in editor.breaks),
        ],
        "preLaunchTask": _task(editor)["label"],
        "stopOnEntry": editor.is_recorded,
        "reverseDebugging": editor.is_recorded,
    }


def files(editor: Editor, gdbinit: str = "") -> dict[str, str]:
    """Names below the directory and contents. A recorded run has no .gdbinit."""
    launch = {"version": "0.2.0", "configurations": [_with_gdb(editor), _with_lldb(editor)]}
    tasks = {"version": "2.0.0", "tasks": [_task(editor)]}
    content = {LAUNCH: json.dumps(launch, indent=4) + "\n", TASKS: json.dumps(tasks, indent=4) + "\n"}
    if editor.is_recorded or not gdbinit:
        return content
    return {GDBINIT: gdbinit} | content


def _merged(path: Path, name: str, text: str) -> str | None:
    """Return `text` with the entries of an existing file that have other names, None to leave that file alone.

    ValueError if the file cannot be merged.
    """
    if not path.exists():
        return text
    found = path.read_text(encoding="utf-8", errors="surrogateescape")
    if name not in LISTS:
        return text if found.startswith(script.HEAD) else None
    rows, key = LISTS[name]
    try:
        old, own = json.loads(found), json.loads(text)
        new = {row[key]: row for row in own[rows]}
        kept = [new.pop(row.get(key), row) for row in old.get(rows, [])]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{path} is not plain JSON with a list `{rows}`: remove its comments, or name another directory"
        ) from None
    return json.dumps({**own, **old, rows: [*kept, *new.values()]}, indent=4) + "\n"


def merged(directory: Path, content: dict[str, str]) -> dict[Path, str | None]:
    """Return the files with what is there; None for a file that is not ours. ValueError if one cannot be merged."""
    return {directory / name: _merged(directory / name, name, text) for name, text in content.items()}


def write(directory: Path, content: dict[str, str]) -> dict[Path, bool]:
    """Write the files, and return each with whether it was written. What is not ours is kept.

    ValueError, and nothing is written, if a file of the editor cannot be merged or the directory is not writable.
    """
    try:
        files = merged(directory, content)
        for path, text in files.items():
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ValueError(f"{error.filename} cannot be written: {error.strerror}") from error
    return {path: text is not None for path, text in files.items()}
