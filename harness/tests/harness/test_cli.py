# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl run as a user sees it: streams, exit statuses, their origin, the last line."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness import options
from hermit_harness.cli.main import COMMANDS
from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT

CTL = [sys.executable, "-m", "hermit_harness"]
ENV = {key: value for key, value in os.environ.items() if not key.startswith("HERMIT_")}
HERE = ENV | {"HERMIT_ACCEL": "tcg", "PYTHONPATH": str(ROOT / "harness"), "TERM": "xterm"}


def ctl(*words: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CTL, *words], input=stdin, capture_output=True, env=HERE | (env or {}), check=False, timeout=60
    )


@pytest.fixture
def directory(tmp_path: Path) -> str:
    return f"--artifacts={tmp_path / 'artifacts'}"


def last(done: subprocess.CompletedProcess[bytes]) -> str:
    return done.stderr.decode().splitlines()[-1]


@pytest.mark.requirement("L-01", "L-15")
def test_streams(directory: str) -> None:
    """stdout is the console byte for byte, stderr has the harness's lines, and the last line summarises the run."""
    done = ctl("run", directory, "hello")
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("[LOADER][INFO] Hermit loader")
    assert lines[-2:] == [images()["hello"].greeting, "exit status 0"]
    assert (Path(directory.partition("=")[2]) / "console.log").read_bytes() == done.stdout
    assert done.stderr.count(b"\n") == 1
    assert re.fullmatch(r"app exit 0 after \d+ ms · hello, Hermit \S+ · x86_64-multiboot on pc, tcg", last(done))


@pytest.mark.parametrize(("status", "wanted"), [("0", 0), ("7", 7), ("67", 67), ("124", 124), ("256", 0), ("-1", 255)])
def test_exit_status_is_the_applications(status: str, wanted: int, directory: str) -> None:
    """The exit status is the low eight bits of the application's status, even above 64."""
    done = ctl("run", directory, "--machine=microvm", "exit", "--", status)
    assert done.returncode == wanted
    assert f"app exit {status} after" in last(done)


def test_refusal_and_forgery_are_distinguished(directory: str) -> None:
    """For the same number the last line and `origin` name its owner."""
    app = ctl("run", directory, "--machine=microvm", "liar-forged")
    assert (app.returncode, "app exit 67" in last(app)) == (67, True)
    damaged = Path(directory.partition("=")[2]).parent / "damaged"
    damaged.write_bytes(images()["hello"].path.read_bytes()[:5000])
    loader = ctl("run", directory, "--machine=microvm", "--json", str(damaged))
    summary = json.loads(loader.stdout)
    assert loader.returncode == summary["status"] == summary["exit_status"]
    assert loader.returncode in range(65, 120, 2)
    assert summary["origin"] == "loader"
    assert f"loader refused {summary['status']} {summary['class']} {summary['rule']}" in last(loader)


def test_deadline_is_124(directory: str) -> None:
    done = ctl("run", directory, "--machine=microvm", "--timeout=0.5", "liar-spin")
    assert done.returncode == 124
    assert "hang" in last(done)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--qemu=no-such-qemu", "hello"], "no-such-qemu"),
        (["no-such-app"], f"neither a file in {Path.cwd()} nor an image"),
        (["--machine=pentium", "hello"], "known: pc, q35, microvm"),
        (["--freq=70000", "hello"], "16 bits"),
        (["--loader=no-such-loader", "hello"], "not built"),
        (["--smp=many", "hello"], "wants a number"),
        (["--end=nowhere", "hello"], "known: bare"),
        (["--machine=microvm", "--kernel-args=-freq 65536", "hello"], "16 bits"),
    ],
)
def test_own_errors_are_125(words: list[str], said: str, directory: str) -> None:
    """If the harness or QEMU fails, the exit status is 125, with one sentence and no traceback."""
    done = ctl("run", directory, *words)
    assert done.returncode == 125
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.requirement("L-15")
def test_stdin_from_a_pipe(directory: str) -> None:
    """Piped input reaches the guest."""
    done = ctl("run", directory, "--machine=microvm", "echo", stdin=b"through the pipe\n")
    assert b"through the pipe" in done.stdout
    assert done.returncode == 0


@pytest.mark.requirement("L-15")
def test_stdin_from_a_file(tmp_path: Path, directory: str) -> None:
    """stdin may be a regular file, which a selector does not accept."""
    (tmp_path / "in").write_bytes(b"out of a file\n")
    with (tmp_path / "in").open("rb") as source:
        done = subprocess.run(
            [*CTL, "run", directory, "echo"], stdin=source, capture_output=True, env=HERE, check=False, timeout=60
        )
    assert b"out of a file" in done.stdout


@pytest.mark.requirement("L-15")
def test_on_a_terminal(directory: str) -> None:
    """A terminal gets colours, unless NO_COLOR is set."""
    texts = []
    for env in (HERE, HERE | {"NO_COLOR": "1"}):
        ours, theirs = pty.openpty()
        os.write(ours, b"typed\n")
        child = subprocess.Popen([*CTL, "run", directory, "echo"], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
        os.close(theirs)
        text = b""
        try:
            while data := os.read(ours, 4096):
                text += data
        except OSError:  # the last writer has closed the terminal
            pass
        os.close(ours)
        assert child.wait(30) == 0
        texts.append(text)
    assert all(b"typed" in text and b"app exit 0" in text for text in texts)
    assert b"\x1b[32mapp exit 0" in texts[0]
    assert b"\x1b[32mapp exit 0" not in texts[1]


@pytest.mark.requirement("L-15")
def test_stdout_closed(directory: str) -> None:
    """Without stdout the exit status is still right."""
    line = f"{shlex.join([*CTL, 'run', directory, 'exit', '--', '7'])} >&- 2>&- <&-"
    assert subprocess.run(["sh", "-c", line], env=HERE, check=False, timeout=60).returncode == 7


def test_reader_exits(directory: str) -> None:
    """`hermitctl run ... | head -1` ends without a traceback."""
    line = f"{{ {shlex.join([*CTL, 'run', directory, 'liar-junk'])}; echo status $? >&2; }} | head -c 1 >/dev/null"
    done = subprocess.run(["sh", "-c", line], env=HERE, capture_output=True, check=False, timeout=60)
    assert b"status 141" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, b"interrupted"), (signal.SIGTERM, 143, b"ended by SIGTERM"), (signal.SIGHUP, 129, b"SIGHUP")],
    ids=["Ctrl-C", "kill", "terminal-gone"],
)
def test_interrupt(number: signal.Signals, status: int, word: bytes, directory: str, tmp_path: Path) -> None:
    """Ctrl-C gives 130, SIGTERM 128 plus its number; no traceback, and nothing of the run is left."""
    child = subprocess.Popen(
        # A process that a shell starts with & ignores SIGINT, nohup ignores SIGHUP, and children inherit both.
        ["env", "--default-signal=INT,HUP", *CTL, "run", directory, "--machine=microvm", "liar-spin"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=HERE | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )
    handles = tmp_path / "hermit-harness"
    with child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            assert list(handles.iterdir())
            child.send_signal(number)
            _, said = child.communicate(timeout=30)
        finally:
            child.kill()
    assert child.returncode == status
    assert b"Traceback" not in said
    assert word in said
    assert list(handles.iterdir()) == []


@pytest.mark.parametrize(
    ("session", "guest"),
    [(["setsid", "--ctty"], "liar-spin"), ([], "liar-junk")],
    ids=["signal-first", "error-first"],
)
def test_terminal_closes(session: list[str], guest: str, directory: str) -> None:
    """When its terminal closes, the exit status is 129, without an error about the closed output.

    The signal and the error of the next write come in either order. Without a session the signal never comes.
    """
    ours, theirs = pty.openpty()
    argv = [*session, "env", "--default-signal=HUP", *CTL, "run", directory, "--machine=microvm", guest]
    child = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=HERE)
    try:
        os.close(theirs)
        os.read(ours, 1)
        os.close(ours)
        assert child.wait(timeout=30) == 129
    finally:
        child.kill()


def test_dry_run(directory: str) -> None:
    """The printed line can be pasted, and boots."""
    done = ctl("run", directory, "--dry-run", "--machine=microvm", "--mem=64M", "hello")
    line = done.stdout.decode()
    assert "microvm,x-option-roms=" in line
    assert "-m 64M" in line.replace("\\\n   ", "")
    again = subprocess.run(["sh", "-c", line], capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60)
    assert again.returncode == 3
    assert images()["hello"].greeting.encode() in again.stdout


@pytest.mark.requirement("L-18", "L-36")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["args"], None),
        (["args", "-freq", "1000"], "-freq 1000"),
        (["args", "--", "a", "b c"], "-- a 'b c'"),
        (["args", "env=A=b", "--", "--machine", "x"], "env=A=b -- --machine x"),
        (["args", "env=A=b", "--mem", "64M", "--", "x"], "env=A=b -- x"),
        (["args", "--", "a", "--", "b"], "-- a -- b"),
        (["--kernel-args=env=A=b", "--args=x  'y z'", "args"], "env=A=b -- x  'y z'"),
        (["--freq=1234", "args", "--", "a"], "-freq 1234 -- a"),
    ],
)
def test_arguments(words: list[str], wanted: str | None, directory: str) -> None:
    """KERNEL_ARGS and APP_ARGS, hermitctl's options before and after APP, and quoted blanks for the kernel."""
    line = ctl("run", directory, "--dry-run", *words).stdout.decode()
    argv = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' {line}"], capture_output=True, text=True, check=True
    ).stdout.split("\0")
    found = argv[argv.index("-append") + 1] if "-append" in argv else None
    assert found == wanted or (wanted is None and not words[1:])


def test_variables() -> None:
    """A variable that make exports equals its option, and an option takes precedence."""
    env = {"HERMIT_APP": "hello", "HERMIT_MACHINE": "q35", "HERMIT_MEM": "99M", "HERMIT_SMP": "2"}
    line = ctl("run", "--dry-run", env=env).stdout.decode().replace("\\\n   ", "")
    assert all(word in line for word in ("-M q35", "-m 99M", "-smp 2", "/hello"))
    assert "-M pc" in ctl("run", "--dry-run", "--machine=pc", env=env).stdout.decode()


@pytest.mark.requirement("C-23")
def test_variables_of_other_runners() -> None:
    """The memory benchmark's variables and uhyve's names work; ours take precedence."""
    for env in (
        {"HERMIT_CPUS": "4", "HERMIT_MEM": "6G"},
        {"HERMIT_CPU_COUNT": "4", "HERMIT_MEMORY_SIZE": "6G"},
        {"HERMIT_SMP": "4", "HERMIT_CPUS": "2", "HERMIT_MEM": "6G", "HERMIT_MEMORY_SIZE": "1G"},
    ):
        line = ctl("run", "--dry-run", "hello", env=env).stdout.decode().replace("\\\n   ", "")
        assert "-smp 4 -m 6G" in line, env


def test_options_table() -> None:
    """Each option has a flag, a make variable, a HERMIT_ variable and a help text, in the help and in docs/options.md.

    The page is read as it is in the tree, so an option that nobody documents is found.
    """
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    lines = (line.strip("| ").split(" | ") for line in page.splitlines() if "| `--" in line)
    rows = {row[0]: row for row in lines if row[1].endswith("=`")}  # the options of uhyve have a table of their own
    helps = {verb: ctl(verb, "--help", env={"COLUMNS": "80"}).stdout.decode() for verb in ("run", "debug")}
    for option in options.OPTIONS + options.DEBUG_OPTIONS:
        (row,) = [cells for flag, cells in rows.items() if re.match(rf"`--{option.flag}[ `]", flag)]
        assert row[1] == f"`{option.name}=`"
        assert [f"`{name}`" for name in option.envs] == row[2].split(", ")
        assert option.help.split(";")[0].replace("|", "\\|") in row[-1]
        assert f"--{option.flag}" in helps["debug"]
        assert (f"--{option.flag}" in helps["run"]) == (option in options.OPTIONS) or option.flag == "port"
    assert len(rows) == len(options.OPTIONS) + len(options.DEBUG_OPTIONS)
    assert page == ctl("options", "--markdown").stdout.decode()


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_everywhere(command: str) -> None:
    """Each command's help shows examples before options, and its exit statuses, within 82 columns."""
    done = ctl(*filter(None, [command]), "--help", env={"COLUMNS": "80"})
    text = done.stdout.decode()
    assert (done.returncode, text.startswith("usage: hermitctl")) == (0, True)
    name = f"hermitctl {command}".rstrip()
    assert re.search(rf"^  (sudo |echo \S+ \| )?{name}( |$)", text.partition("\noptions:")[0], re.M), text
    assert "Exit status: " in text
    assert [line for line in text.splitlines() if len(line) > 82] == []


def test_debug_writes_no_results(directory: str) -> None:
    """An option that has no effect in a debug session is named."""
    done = ctl("debug", directory, "--dry-run", "--junit=x.xml", "--per-test", "hello")
    said = done.stderr.decode()
    assert done.returncode == 0 and "-S -gdb" in done.stdout.decode()
    for flag in ("--junit", "--per-test"):
        assert f"hermitctl: {flag} has no effect here: only `hermitctl run` writes results\n" in said


def test_list() -> None:
    """Images appear with their summaries, machines with their features."""
    listed = json.loads(ctl("list", "--json").stdout)
    assert {"hello", "liar-forged"} <= {image["id"] for image in listed["images"]}
    assert {"pc", "q35", "microvm", "microvm-acpi-off", "microvm-mmio", "ovmf", "ovmf-bios"} == {
        machine["id"] for machine in listed["machines"] if machine["arch"] == "x86_64"
    }
    assert b"hello" in ctl("list", "images").stdout


@pytest.mark.requirement("L-02")
def test_doctor() -> None:
    """Each tool has its version, and a missing one the command that installs it."""
    report = {row["what"]: row for row in json.loads(ctl("doctor", "--json").stdout)}
    assert report["qemu-system-x86_64"]["good"]
    assert re.search(r"\d+\.\d+", report["qemu-system-x86_64"]["found"])
    assert report["namespaces"]["good"]
    assert "KVM" in report
    bare = {row["what"]: row for row in json.loads(ctl("doctor", "--json", env={"PATH": "/nowhere"}).stdout)}
    assert not bare["qemu-system-x86_64"]["good"]
    assert "qemu-system-x86" in bare["qemu-system-x86_64"]["cure"]


def test_status_list() -> None:
    """The loader's statuses come from the loader's host program."""
    rows = json.loads(ctl("status", "--json").stdout)
    assert {67, 101} <= {row["number"] for row in rows}
    assert all(row["number"] % 2 == 1 and 65 <= row["number"] <= 119 for row in rows)
