# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The pytest plugin as docs/pytest.md describes it: in a directory with a conftest.py of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT
from hermit_harness.testing import parse

PAGE = "".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("your-project.md", "pytest.md"))
# What replaces the reader's own applications.
APPS = {"my-app": "args", "my-check": "exit", "my-dialogue": "echo", "my-server": "real-echo-0.11.0-dhcp"}


def pytest_there(directory: Path, tests: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on `tests` in a directory outside this tree's tests."""
    (directory / "conftest.py").write_text('pytest_plugins = ["hermit_harness.testing"]\n')
    (directory / "test_mine.py").write_text(tests)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junit-xml={directory / 'junit.xml'}"]
    return subprocess.run([*argv, *words], cwd=directory, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.requirement("P-05")
def test_ends(tmp_path: Path) -> None:
    """The expected end passes.

    Another one fails with cause, hint, files and the console's end; JUnit has each result.
    """
    done = pytest_there(
        tmp_path,
        """
def test_status(hermit):
    assert hermit("exit", 7, expect="exit 7", machine="microvm").status == 7

def test_arguments(hermit):
    assert b"one two" in hermit("args", "one two", kernel_args="env=A=b", mem="64M").console

def test_wrong(hermit):
    hermit("exit", "7", machine="microvm")

def test_slow(hermit):
    hermit("hang", timeout=1, machine="microvm", expect="")
""",
    )
    assert "3 passed" in done.stdout and "1 failed" in done.stdout, done.stdout
    assert "app exit 7; expected exit 0" in done.stdout
    assert "console ends with:" in done.stdout
    assert "exit status 7" in done.stdout
    assert 'tests="4"' in (tmp_path / "junit.xml").read_text() and "Warning" not in done.stdout


def test_artifacts_that_ci_uploads(tmp_path: Path) -> None:
    """--hermit-artifacts is relative to the current directory, one directory per boot; without it there is none."""
    tests = """
import pytest

@pytest.mark.parametrize("status", ["3", "4/5"])
def test_twice(hermit, status):
    hermit("exit", status[0], expect="exit " + status[0])
    hermit("exit", status[-1], expect="exit 3")
"""
    assert "1 passed" in pytest_there(tmp_path, tests).stdout
    assert not (tmp_path / "kept").exists()
    done = pytest_there(tmp_path, tests, "--hermit-artifacts=kept")
    consoles = sorted((tmp_path / "kept").glob("*/*/console.log"))
    assert [(path.parent.parent.name, path.parent.name) for path in consoles] == [
        (f"test_mine.py-test_twice[{name}]", number) for name in ("3", "4-5") for number in ("1", "2")
    ]
    assert "exit status 5" in consoles[-1].read_text()
    assert f"files: {consoles[-1].parent}" in done.stdout
    assert (consoles[-1].parent / "backtrace.txt").is_file()


def test_dialogue(tmp_path: Path) -> None:
    """A test types lines and waits for patterns, each after the last match; the guest gets what is written."""
    done = pytest_there(
        tmp_path,
        """
import pytest

def test_answers(hermit):
    with hermit.start("echo", machine="microvm") as guest:
        assert guest.expect(r"Loading kernel to (0x[0-9a-f]+)[.]")[1] == "0x200000"
        with pytest.raises(AssertionError, match="did not happen in time"):
            guest.expect("Loading kernel", seconds=0.2)
        guest.write("first line\\n")
        assert guest.expect(r"<<<f(irs)t line>>>$")[1] == "irs"
        assert guest.expect(r"exit status (\\d+)$")[1] == "0"
""",
    )
    assert "1 passed" in done.stdout, done.stdout


def test_options_and_marker(tmp_path: Path) -> None:
    """--hermit-machine, -loader and -accel are the defaults of calls; the marker makes a test for each machine."""
    tests = """
import pytest

@pytest.mark.hermit(machines=["pc", "microvm"])
def test_each(hermit, hermit_machine):
    assert f"-M {hermit_machine}," in " ".join(hermit("hello").argv).replace("-M pc ", "-M pc, ")

def test_default(hermit):
    words = " ".join(hermit("hello").argv)
    assert "-M q35 " in words and "hermit-loader-x86_64 " in words and "-accel tcg " in words
    assert "-M microvm" in " ".join(hermit("hello", machine="microvm").argv)
"""
    words = ("--hermit-machine=q35", "--hermit-loader=x86_64", "--hermit-accel=tcg", "--strict-markers", "-v")
    done = pytest_there(tmp_path, tests, *words)
    assert "3 passed" in done.stdout, done.stdout
    assert "test_each[pc] PASSED" in done.stdout and "test_each[microvm] PASSED" in done.stdout


@pytest.mark.parametrize("workers", [(), ("-n", "1")])
def test_junit(workers: tuple[str, ...], tmp_path: Path) -> None:
    """Verdict, timings and directory of each boot are properties of the test, and its consoles are system-out."""
    tests = """
def test_twice(hermit):
    hermit("exit", 3, expect="exit 3", machine="microvm")
    with hermit.start("echo", machine="microvm") as guest:
        guest.wait_for_text("Loading kernel")
"""
    done = pytest_there(tmp_path, tests, *workers)
    assert "1 passed" in done.stdout, done.stdout
    (case,) = ElementTree.parse(tmp_path / "junit.xml").getroot().iter("testcase")
    found = {row.attrib["name"]: row.attrib["value"] for row in case.iter("property")}
    assert found["hermit.1.verdict"] == "app exit 3" and found["hermit.1.machine"] == "microvm"
    assert int(found["hermit.1.end_ms"]) > 0 and (Path(found["hermit.1.artifacts"]) / "console.log").is_file()
    assert found["hermit.2.accelerator"] == "tcg"
    (console,) = case.iter("system-out")
    assert console.text and "exit status 3" in console.text and console.text.count("[LOADER][INFO] Hermit") == 2


def test_wrong_names_and_hints(tmp_path: Path) -> None:
    """A name like an option is an ordinary failure of the test, and a failure without a hint has no empty line."""
    done = pytest_there(
        tmp_path,
        """
def test_option(hermit):
    hermit("-x")

def test_missing(hermit):
    hermit("--mem", "64M")

def test_plain(hermit):
    hermit("exit", "7")
""",
    )
    assert "3 failed" in done.stdout and "INTERNALERROR" not in done.stdout, done.stdout
    errors = re.findall(r"^E +(.*)$", done.stdout, re.M)
    assert any(re.match(r"ValueError: -x is neither a file in \S+ nor an image", line) for line in errors), errors
    assert any(re.match(r"ValueError: --mem is neither a file", line) for line in errors), errors
    assert "app exit 7; expected exit 0" in done.stdout
    assert not re.search(r"^(hint|cause|files): *$", done.stdout, re.M)


def shown(language: str) -> list[str]:
    """Return the page's code blocks in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory in which Cargo has built the applications of the page."""
    built = tmp_path / "target" / "x86_64-unknown-hermit" / "debug"
    built.mkdir(parents=True)
    for name, image in APPS.items():
        shutil.copyfile(images()[image].path, built / name)
    return tmp_path


@pytest.mark.requirement("P-05")
def test_example_of_the_page(project: Path) -> None:
    """The example works verbatim."""
    conftest, tests = shown("python")
    assert conftest.strip() == 'pytest_plugins = ["hermit_harness.testing"]'
    done = pytest_there(project, tests)
    assert "5 passed" in done.stdout, done.stdout


@pytest.mark.requirement("W-10")
def test_cargo_runner_of_the_page(project: Path) -> None:
    """Cargo calls the runner as the page describes; the guest's last console line stays separate."""
    (block,) = shown("toml")
    program, *words = tomllib.loads(block)["target"]["x86_64-unknown-hermit"]["runner"]
    assert program.endswith("/build/venv/bin/hermitctl")
    file = project / "target" / "x86_64-unknown-hermit" / "debug" / "my-app"
    argv = [sys.executable, "-m", "hermit_harness", *words, str(file), "one", "two words"]
    done = subprocess.run(argv, cwd=project, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "argv[2]=<<<two words>>>" in done.stdout


def test_server(tmp_path: Path) -> None:
    """For a guest that serves, the test waits for its port and not for a time, and exchanges data."""
    done = pytest_there(
        tmp_path,
        """
def test_echo(hermit):
    with hermit.start("real-echo-0.11.0", forward="0:8080", isolate=True) as guest:
        client = guest.connect(8080)
        client.sendall(b"hello")
        assert client.recv(5) == b"hello"
    assert b"Welcome to Hermit" in guest.console
""",
    )
    assert "1 passed" in done.stdout, done.stdout


def test_server_out_of_reach(project: Path) -> None:
    """An application with an address of another network fails with a sentence that names the remedy."""
    shutil.copyfile(images()["real-echo-0.11.0"].path, project / "static")
    done = pytest_there(
        project,
        """
def test_echo(hermit):
    with hermit.start("./static", forward="0:8080", isolate=True) as guest:
        guest.connect(8080)
""",
    )
    errors = "".join(re.findall("^E .*", done.stdout, re.M))
    assert "10.0.5.3, which is not in 10.0.2.0/24" in errors, done.stdout
    assert "-ip 10.0.2.15 -gateway 10.0.2.2 -mask 255.255.255.0" in errors, done.stdout


def test_mistyped_option() -> None:
    """The error for an unknown option suggests the nearest one; switches and lists are accepted."""
    known = parse("hello", (1,), {"isolate": True, "debug": False, "forward": ["1:2", "3:4"]})
    assert (known.isolate, known.debug, known.forward, known.app_words) == (True, False, ["1:2", "3:4"], ["1"])
    with pytest.raises(TypeError, match="no option machin; did you mean machine"):
        parse("hello", (), {"machin": "q35"})
