# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Files that are not what they should be, in every place where a command takes one: one sentence, never a traceback."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermit_harness.cli import main
from hermit_harness.fixtures import images
from hermit_harness.paths import BUILD, ROOT
from hermit_harness.vm.process import LaunchError
from tests.support.cli import ENVIRONMENT, checkout, ctl

EXIT = images()["exit"].path
# Every command, with the words of a call that names a file; {} is the file.
VERBS = {
    "run": ("run", "{}"),
    "run-kernel": ("run", "--loader={}", "exit"),
    "run-module": ("run", "--module={}", "exit"),
    "run-share": ("run", "--share={}/x", "exit"),
    "run-capture": ("run", "--net=user", "--capture={}/x", "exit"),
    "run-plot": ("run", "--plot={}/x", "exit"),
    "run-qemu": ("run", "--qemu={}", "exit"),
    "run-virtiofsd": ("run", "--share=.", "--virtiofsd={}", "exit"),
    "debug": ("debug", "{}"),
    "debug-symbols": ("debug", "--symbols={}", "exit"),
    "debug-write": ("debug", "--write={}/x", "exit"),
    "proxy": ("proxy", "{}"),
    "bench": ("bench", "{}"),
    "compare": ("compare", "{}", "exit"),
    "image": ("image", "pack", "{}"),
    "image-output": ("image", "pack", "exit", "-o", "{}/x"),
    "image-file": ("image", "pack", "exit", "-o", "x", "--file=a={}"),
    "init": ("init", "{}"),
    "report": ("report", "merge", "{}"),
}
# Commands that take no file.
WITHOUT = {
    "attach",
    "test",
    "net",
    "bench-net",
    "demo",
    "list",
    "status",
    "options",
    "doctor",
    "ps",
    "stop",
    "explain",
    "cache",
    "config",
    "completion",
    "new",
}
CREATES = ("removed", "not-utf8", "newline")  # places that debug --write creates
PLACES = (
    "unreadable",
    "in-unreadable-directory",
    "removed",
    "too-long",
    "socket",
    "not-utf8",
    "newline",
    "below-a-file",
)


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, str]]:
    """One file of each kind, in a directory that is the current one."""
    for name in ("unreadable", "file"):
        shutil.copyfile(EXIT, tmp_path / name)
    (tmp_path / "unreadable").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        yield {
            "unreadable": "unreadable",
            "in-unreadable-directory": str(tmp_path / "closed" / "app"),
            "removed": "removed",
            "too-long": "x" * 300,
            "socket": "socket",
            "not-utf8": os.fsdecode(b"no\xff"),
            "newline": "no\nsuch",
            "below-a-file": "file/x",
        }
    (tmp_path / "closed").chmod(0o700)


# Makes the calls of a list one after the other in one process, and prints status, stdout and stderr of each.
CALLS = """
import contextlib, io, json, sys
from hermit_harness.cli.main import main
ended = []
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        status = main(words)
    ended.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(ended))
"""


def as_user(calls: list[list[str]], cwd: Path) -> list[tuple[int, str, str]]:
    """Make calls as a user whom modes of files concern: root reads every file."""
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    done = subprocess.run(
        [*before, sys.executable, "-P", "-c", CALLS, json.dumps(calls)],
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness")},
        cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True, timeout=120,
    )  # fmt: skip
    return [(status, out, err) for status, out, err in json.loads(done.stdout)]


def test_every_command_is_here() -> None:
    assert {words[0] for words in VERBS.values()} | WITHOUT == set(main.COMMANDS)


@pytest.mark.parametrize("verb", VERBS)
def test_one_sentence(verb: str, places: dict[str, str], tmp_path: Path) -> None:
    """The exit status is 125, and stderr has one line that names the place or the option."""
    kinds = [kind for kind in PLACES if verb != "debug-write" or kind not in CREATES]
    calls = [[word.replace("{}", places[kind]) for word in VERBS[verb]] for kind in kinds]
    for kind, (status, out, err) in zip(kinds, as_user(calls, tmp_path), strict=True):
        said = err.replace("no\nsuch", "no such")
        assert (status, said.count("\n"), out) == (125, 1, ""), (kind, err)
        assert said.startswith("hermitctl: ") and "internal error" not in said, (kind, said)
        assert places[kind].replace("\n", " ") in said, (kind, said)


@pytest.mark.parametrize("verb", ["list", "status", "options", "doctor", "run"])
@pytest.mark.parametrize("words", [(), ("--help",)])
def test_stdout_is_full(verb: str, words: tuple[str, ...], tmp_path: Path) -> None:
    """Output that does not arrive is one sentence."""
    argv = [sys.executable, "-m", "hermit_harness", verb, *(words or (("exit",) if verb == "run" else ()))]
    env = ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness")}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(argv, stdout=full, stderr=subprocess.PIPE, text=True, env=env, check=False, timeout=60)
    assert done.returncode == 125
    (line,) = done.stderr.splitlines()
    assert line.endswith("could not be written to stdout: No space left on device")


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&- >&- <&-"])
def test_stderr_is_closed_or_full(redirection: str) -> None:
    """The status is the guest's, or the one of a wrong call."""
    for words, status in ((("run", "exit", "--", "7"), 7), (("run", "/"), 125), (("nonsense",), 125)):
        line = f"{shlex.join([str(BUILD / 'venv/bin/hermitctl'), *words])} {redirection}"
        done = subprocess.run(["sh", "-c", line], env=ENVIRONMENT, capture_output=True, check=False, timeout=60)
        assert done.returncode == status, (words, done.stdout)


@pytest.mark.parametrize("verb", sorted(main.COMMANDS))
def test_stdin_is_a_directory(verb: str) -> None:
    """Python itself would abort there, with lines of its own."""
    directory = os.open("/", os.O_RDONLY)
    try:
        argv = [str(BUILD / "venv" / "bin" / "hermitctl"), verb]
        done = subprocess.run(
            argv, stdin=directory, capture_output=True, text=True, env=ENVIRONMENT, check=False, timeout=60
        )
    finally:
        os.close(directory)
    assert (done.returncode, done.stderr, done.stdout) == (125, "hermitctl: stdin is a directory\n", "")


@pytest.mark.parametrize("words", [("run", "hello"), ("run", "./hello"), ("debug", "hello"), ("proxy", "hello")])
def test_current_directory_was_removed(words: tuple[str, ...], tmp_path: Path) -> None:
    """A call in a directory that has been removed gets a sentence that says so."""
    line = f"rmdir {tmp_path / 'gone'}; {shlex.join([sys.executable, '-P', '-m', 'hermit_harness', *words])}"
    (tmp_path / "gone").mkdir()
    env = ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness")}
    argv = ["bash", "-c", line]
    done = subprocess.run(argv, cwd=tmp_path / "gone", env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (125, "hermitctl: the current directory has been removed\n")


def test_defect_of_the_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An error that nobody has foreseen is one sentence, too, and its traceback is in a file."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for error in (ZeroDivisionError("seven\nby zero"), ValueError("a value"), LaunchError("a start"), OSError(5, "io")):

        def broken(arguments: object, error: Exception = error) -> int:
            raise error

        monkeypatch.setattr("hermit_harness.cli.listing.options_command", broken)
        assert main.main(["options"]) == 125
        said = capsys.readouterr().err
        assert said.count("\n") == 1, said
        if isinstance(error, ZeroDivisionError):
            file = tmp_path / f"hermit-{os.getuid()}" / "traceback.txt"
            assert said.endswith(f"ZeroDivisionError: seven by zero (details in {file})\n")
            assert "in broken" in file.read_text()


@pytest.mark.parametrize("directory", ["my repo", "a -- b", "x loader.log=debug y", "with, comma"])
def test_names_of_checkout_and_temporary_directory(directory: str, tmp_path: Path) -> None:
    """The loader's own path never becomes arguments of the guest, wherever checkout and TMPDIR are."""
    tree = checkout(tmp_path / directory)
    env = {"HERMIT_ROOT": str(tree), "TMPDIR": str(tree)}
    done = ctl("run", "args", "--", "one", "two words", env=env)
    assert done.returncode == 0, done.stderr
    assert "args argc=3\n" in done.stdout.replace("\r", "")
    assert "argv[1]=<<<one>>>" in done.stdout and "argv[2]=<<<two words>>>" in done.stdout
    assert "[LOADER][DEBUG]" not in done.stdout
    shutil.copyfile(EXIT, tree / "my app")
    assert ctl("run", "--artifacts=out", "./my app", "--", 5, cwd=tree, env=env).returncode == 5


@pytest.mark.parametrize("program", ["hermitctl", "proxy"])
def test_programs_through_a_link(program: str, tmp_path: Path) -> None:
    """A link in a directory of PATH starts the checkout's program."""
    (tmp_path / program).symlink_to(BUILD / "venv" / "bin" / program)
    (tmp_path / "again").symlink_to(program)
    env = ENVIRONMENT | {"PATH": f"{tmp_path}:{ENVIRONMENT['PATH']}"}
    for name in (program, "again"):
        done = subprocess.run([name, "--help"], env=env, capture_output=True, text=True, check=False)
        assert done.stdout.startswith("usage: hermitctl"), done.stderr
