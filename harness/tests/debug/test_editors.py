# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Editors as clients: the files for VS Code, and GDB's debug adapter protocol."""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.paths import ROOT
from tests.support.processes import background

HERMITCTL = [sys.executable, "-m", "hermit_harness"]


def write(environment: dict[str, str], directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*HERMITCTL, "debug", "--write", str(directory), *words],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def launch_and_tasks(directory: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    launch, tasks = (json.loads((directory / ".vscode" / f"{name}.json").read_text()) for name in ("launch", "tasks"))
    return launch["configurations"], tasks["tasks"]


@contextmanager
def machine(environment: dict[str, str], argv: list[str], ready: str) -> Iterator[None]:
    """Run what a task runs, from the line by which the editor sees that it is ready."""
    with background(
        argv, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if re.match(ready, line):
                break
        else:
            raise AssertionError(lines)
        yield


def gdb(environment: dict[str, str], argv: list[str], text: str = "") -> str:
    done = subprocess.run(argv, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.requirement("L-32")
def test_vs_code(environment: dict[str, str], tmp_path: Path) -> None:
    """The task listens on a socket in the directory and says when. GDB/MI, as the extension types it, stops there."""
    directory = tmp_path / "space here"
    words = ("--break", "app_main", "--smp", "2", "steps", "loader.log=error", "--", "two words")
    for _ in range(2):  # writing the same files again is no conflict
        assert write(environment, directory, *words).returncode == 0
    (launch, lldb), (task,) = launch_and_tasks(directory)
    assert launch["preLaunchTask"] == lldb["preLaunchTask"] == task["label"]
    socket = directory / ".vscode" / "steps.socket"
    assert task["args"][:3] == ["debug", "--port", f"unix:{socket}"]
    assert task["args"][-3:] == ["loader.log=error", "--", "two words"]
    assert "--smp 2" in " ".join(task["args"])
    assert f'process connect --plugin gdb-remote "unix-connect://{socket}"' in lldb["processCreateCommands"]
    typed = [*(row["text"] for row in launch["customLaunchSetupCommands"]), f"-{launch['launchCompleteCommand']}"]
    argv = [task["command"], *task["args"]]
    with machine(environment, argv, task["problemMatcher"]["background"]["endsPattern"]):
        slide = re.search(r"--slide (0x[0-9a-f]+)$", Path(f"{socket}.lldb").read_text(), re.M)
        assert slide and f"-o {slide[1]}\n" in Path(f"{socket}.gdb").read_text()
        second = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert (second.returncode, "another session listens there" in second.stderr) == (125, True), second.stderr
        said = gdb(environment, [launch["miDebuggerPath"], "-nx", "-q", "--interpreter=mi2"], "\n".join([*typed, ""]))
    stop = re.findall(r"^\*stopped,.*$", said, re.M)[-1]
    assert 'reason="breakpoint-hit"' in stop and 'func="app_main"' in stop, said
    assert f'fullname="{ROOT}/fixtures/bare/steps/steps.c"' in stop


def test_errors_of_the_task(environment: dict[str, str], tmp_path: Path) -> None:
    """The editor takes an error for one: its pattern matches the sentence."""
    assert write(environment, tmp_path, "steps").returncode == 0
    pattern = launch_and_tasks(tmp_path)[1][0]["problemMatcher"]["pattern"]
    argv = [*HERMITCTL, "debug", "--port", f"unix:{tmp_path}/nosuch/socket", "steps"]
    said = subprocess.run(argv, env=environment, cwd=ROOT, capture_output=True, text=True, check=False).stderr
    shown = re.match(pattern["regexp"], said)
    assert shown, said
    assert shown[pattern["message"]].endswith(f": there is no directory {tmp_path}/nosuch")
    assert (pattern["kind"], shown[pattern["file"]]) == ("file", "hermitctl")


@pytest.mark.requirement("P-06")
def test_recorded_run(environment: dict[str, str], tmp_path: Path) -> None:
    """The configurations of a recorded run stop at its end and go backwards."""
    assert write(environment, tmp_path, "--reverse", "fault").returncode == 0
    assert not (tmp_path / ".gdbinit").exists()
    (launch, lldb), (task,) = launch_and_tasks(tmp_path)
    assert (lldb["reverseDebugging"], lldb["stopOnEntry"], launch["launchCompleteCommand"]) == (True, True, "None")
    with machine(environment, [task["command"], *task["args"]], "hermitctl: listening for GDB"):
        socket = tmp_path / ".vscode" / "fault.socket"
        commands = [f"source {socket}.gdb", f"target remote {socket}", "bt 1", "reverse-stepi", "kill"]
        said = gdb(environment, ["gdb", "-nx", "-q", "-batch", *(w for one in commands for w in ("-ex", one))])
    assert re.search(r"#0 .*fault_raise .*raise\.c:\d+", said), said
    assert "No more reverse-execution history" not in said


def test_files_are_merged(environment: dict[str, str], tmp_path: Path) -> None:
    """Entries of other names and files of others stay; an entry or file of hermitctl is replaced."""
    (tmp_path / ".vscode").mkdir()
    launch, own = tmp_path / ".vscode" / "launch.json", {"name": "mine", "type": "python"}
    launch.write_text(json.dumps({"version": "0.1.0", "configurations": [own], "compounds": []}))
    for application in ("steps", "hello", "steps"):
        assert write(environment, tmp_path, application).returncode == 0
    configurations, tasks = launch_and_tasks(tmp_path)
    names = ["Hermit: steps", "Hermit: steps (CodeLLDB)", "Hermit: hello", "Hermit: hello (CodeLLDB)"]
    assert [row["name"] for row in configurations] == ["mine", *names]
    assert configurations[0] == own
    assert {"version": "0.1.0", "compounds": []}.items() <= json.loads(launch.read_text()).items()
    assert [row["label"] for row in tasks] == ["Hermit: steps: machine", "Hermit: hello: machine"]
    gdbinit = tmp_path / ".gdbinit"
    assert "bare/x86_64/steps on " in gdbinit.read_text()
    gdbinit.write_text("set pagination off\n")
    said = write(environment, tmp_path, "hello").stdout
    assert gdbinit.read_text() == "set pagination off\n"
    assert f"hermitctl: {gdbinit} is not hermitctl's: it stays as it is" in said
    launch.write_text("// a comment\n{}")
    before = [path.read_bytes() for path in sorted(launch.parent.iterdir())]
    refused = write(environment, tmp_path, "steps")
    assert refused.returncode == 125
    assert "launch.json is not plain JSON with a list `configurations`" in refused.stderr
    assert [path.read_bytes() for path in sorted(launch.parent.iterdir())] == before


def test_socket_of_a_deep_directory(environment: dict[str, str], tmp_path: Path) -> None:
    """A socket's name has at most 107 bytes, and GDB takes a colon for the start of a port."""
    for name in ("deep" * 30, "with:colon"):
        assert write(environment, tmp_path / name, "steps").returncode == 0
        (task,) = launch_and_tasks(tmp_path / name)[1]
        path = task["args"][2].removeprefix("unix:")
        assert len(path) <= 107 and ":" not in path and path.endswith(".socket")


def test_lock_of_a_socket(environment: dict[str, str], tmp_path: Path) -> None:
    """What a session that was killed has left is replaced; a session that lives keeps its socket."""
    socket = tmp_path / "s"
    (tmp_path / "s.gdb").write_text("left")
    argv = [*HERMITCTL, "debug", "--isolate", "--port", f"unix:{socket}", "steps"]
    with machine(environment, argv, "hermitctl: listening for GDB"):
        with (tmp_path / "s.gdb").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert "left" not in (tmp_path / "s.gdb").read_text()


# --- the debug adapter protocol ---


class Adapter:
    """A client of `gdb -i dap`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None and process.stdout is not None
        self.stdin, self.stdout = process.stdin, process.stdout
        self.number = 0

    def send(self, command: str, **arguments: object) -> int:
        self.number += 1
        message = {"seq": self.number, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(message).encode()
        self.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.stdin.flush()
        return self.number

    def receive(self) -> dict[str, Any]:
        header = b""
        while not header.endswith(b"\r\n\r\n"):
            byte = self.stdout.read(1)
            assert byte, f"the adapter has ended: {header!r}"
            header += byte
        found = re.search(rb"^Content-Length: (\d+)", header)
        assert found, header
        message: dict[str, Any] = json.loads(self.stdout.read(int(found[1])))
        return message

    def answer(self, request: int) -> dict[str, Any]:
        while (message := self.receive()).get("request_seq") != request:
            pass
        assert message["success"], message
        return dict(message.get("body") or {})

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        return self.answer(self.send(command, **arguments))


def test_gdb_as_a_debug_adapter(environment: dict[str, str], tmp_path: Path) -> None:
    """An editor attaches to the socket with the symbols of the file beside it."""
    tried = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-i", "dap"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"no-dap: {tried.stderr.strip()}")
    socket = tmp_path / "s"
    argv = [*HERMITCTL, "debug", "--isolate", "--port", f"unix:{socket}", "steps"]
    adapter_argv = ["gdb", "-nx", "-q", "-i", "dap", "-x", f"{socket}.gdb"]
    with (
        machine(environment, argv, "hermitctl: listening for GDB"),
        background(adapter_argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
    ):
        adapter = Adapter(process)
        adapter.ask("initialize", clientID="test", adapterID="gdb")
        attached = adapter.send("attach", target=str(socket))
        adapter.ask("setFunctionBreakpoints", breakpoints=[{"name": "app_main"}])
        adapter.ask("configurationDone")
        adapter.answer(attached)
        thread = adapter.ask("threads")["threads"][0]["id"]
        adapter.ask("continue", threadId=thread)
        while (event := adapter.receive()).get("event") != "stopped":
            pass
        assert event["body"]["reason"] == "breakpoint"
        frames = adapter.ask("stackTrace", threadId=thread)["stackFrames"]
        assert [row["name"] for row in frames][:2] == ["app_main", "crt_entry"]
        assert frames[0]["source"]["path"] == f"{ROOT}/fixtures/bare/steps/steps.c"
