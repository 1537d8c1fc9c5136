# SPDX-License-Identifier: Apache-2.0 OR MIT
"""First calls of a user without documentation: the file that is meant, or one sentence with the remedy."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness.cli.app import built_in, find_app
from hermit_harness.cli.main import check_command, check_rest, main
from hermit_harness.fixtures import images
from hermit_harness.paths import REPORT, ROOT
from hermit_harness.status import statuses
from hermit_harness.verdict.remedy import REMEDIES
from tests.support.cli import ENVIRONMENT, ctl

HERE = ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness")}


def cargo(directory: Path, name: str, image: str = "hello", profile: str = "debug") -> Path:
    """Create the files that Cargo leaves after it has built an application."""
    file = directory / "target" / "x86_64-unknown-hermit" / profile / name
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(images()[image].path, file)
    file.with_name(f"{name}.d").write_text(f"{file}: src/main.rs\n")
    return file


@pytest.mark.requirement("W-39")
def test_cargo_directory(tmp_path: Path) -> None:
    """A directory means its one application, in its newest build; several or none are an error."""
    with pytest.raises(ValueError, match="cargo has built nothing for Hermit"):
        find_app(str(tmp_path))
    os.utime(cargo(tmp_path, "mine"), (100, 100))
    newest = cargo(tmp_path, "mine", profile="release")
    assert built_in(tmp_path) == newest
    cargo(tmp_path, "other")
    with pytest.raises(ValueError, match="several applications, mine, other"):
        find_app(str(tmp_path))


def test_cargo_application_takes_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a Cargo project with an application `hello`, the name means that application and not this tree's image."""
    monkeypatch.chdir(tmp_path)
    assert find_app("hello")[1] == images()["hello"]
    file = cargo(tmp_path, "hello", "exit")
    assert find_app("hello") == (file.relative_to(tmp_path), None)


@pytest.mark.requirement("W-39")
def test_name_below_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a member's directory the workspace's build is found, and CARGO_TARGET_DIR is respected."""
    file = cargo(tmp_path, "mine")
    (tmp_path / "member" / "src").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "member" / "src")
    assert find_app("mine")[0] == file
    elsewhere = cargo(tmp_path / "elsewhere", "mine")
    monkeypatch.setenv("CARGO_TARGET_DIR", str(tmp_path / "elsewhere" / "target"))
    assert find_app("mine")[0] == elsewhere


@pytest.mark.requirement("W-10", "W-11")
def test_as_cargos_runner(tmp_path: Path) -> None:
    """With runner = "hermitctl run -v --" the words after `cargo run --` belong to the application."""
    file = cargo(tmp_path, "mine", "exit")
    done = ctl("run", f"--artifacts={tmp_path}", "-v", "--", file, 7)
    assert done.returncode == 7, done.stderr


def test_blanks_in_a_name(tmp_path: Path) -> None:
    """QEMU ends a module's name at a blank and splits it at a comma; hermitctl hides this."""
    app = tmp_path / "my directory" / "hello, world"
    app.parent.mkdir()
    shutil.copyfile(images()["hello"].path, app)
    done = ctl("run", f"--artifacts={tmp_path}", app)
    assert (done.returncode, images()["hello"].greeting in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], "did you mean run?"),
        (["frobnicate"], "see `hermitctl --help`"),
        (["/bin/true"], "`hermitctl run /bin/true` boots it"),
        (["run", "--memm", "64M", "hello"], "did you mean --mem?"),
        (["run", "-x", "64M", "hello"], "options have two dashes"),
        (["run", "--machine"], "expected one argument; see `hermitctl run --help`"),
        (["run", "--timeout=-1", "hello"], "0 is the least"),
        (["run", "--smp=0", "hello"], "1 is the least"),
        (["list", "--jsn"], "see `hermitctl list --help`"),
        (["list", "nothing"], "see `hermitctl list --help`"),
        (["run", "/"], "cargo has built nothing for Hermit"),
        (["run", "/dev/null"], "neither a file nor an image"),
    ],
)
def test_wrong_calls(words: list[str], said: str) -> None:
    """The exit status is 125, with one sentence: 2, which is more usual, could be an application's own status."""
    done = ctl(*words)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (125, 1, ""), done.stderr
    assert said in done.stderr


def test_no_arguments_print_the_help() -> None:
    """The help begins with examples."""
    done = ctl()
    assert done.returncode == 0
    assert done.stdout.index("hermitctl run hello") < done.stdout.index("positional arguments")
    assert check_command("run") == ""
    assert "see `hermitctl doctor --help`" in check_rest(["--mem"], "doctor")


def test_unreadable_file(tmp_path: Path) -> None:
    """A file without read permission is reported before QEMU starts."""
    app = tmp_path / "secret"
    shutil.copyfile(images()["hello"].path, app)
    app.chmod(0)
    if os.access(app, os.R_OK):  # root reads every file, unless it lacks the capability
        done = subprocess.run(
            ["setpriv", "--bounding-set=-all", "--inh-caps=-all", sys.executable, "-m", "hermit_harness", "run", app],
            capture_output=True, text=True, check=False, timeout=60, env=HERE,
        )  # fmt: skip
    else:
        done = ctl("run", app)
    assert (done.returncode, done.stderr) == (125, f"hermitctl: {app} cannot be read by this user: chmod +r {app}\n")


@pytest.mark.parametrize(
    ("file", "hint"), [("/bin/true", "Linux programs and libraries cannot be booted"), (__file__, "ELF file")]
)
def test_file_that_is_no_application(file: str, hint: str, tmp_path: Path) -> None:
    """A refusal has a hint, and omits QEMU's warnings about the CPU."""
    done = ctl("run", f"--artifacts={tmp_path}", file)
    assert done.returncode in range(65, 120, 2)
    assert hint in done.stderr
    assert "CPU features" not in done.stderr


def test_loader_of_another_cpu(tmp_path: Path) -> None:
    """The loader reports machine numbers, and the hint names the remedy."""
    app = images("aarch64")["hello"].path
    done = ctl("run", f"--artifacts={tmp_path}", "--target=x86_64-multiboot", app)
    assert (done.returncode, "omit --target" in done.stderr) == (73, True), done.stderr


@pytest.mark.requirement("L-35")
def test_application_for_another_machine(tmp_path: Path) -> None:
    """A kernel built for pc panics on microvm, which has two I/O APICs. The remedy in the hint works."""
    words = ("run", f"--artifacts={tmp_path}", "--machine=microvm")
    done = ctl(*words, "real-hello-0.11.0")
    remedy = ["--qemu-arg=-machine", "--qemu-arg=ioapic2=off"]
    assert (done.returncode, " ".join(remedy) in done.stderr) == (1, True), done.stderr
    assert ctl(*words, *remedy, "real-hello-0.11.0").returncode == 0
    done = ctl("run", f"--artifacts={tmp_path}", "--machine=microvm-acpi-off", "real-hello-0.11.0")
    assert (done.returncode, "this machine has no ACPI tables" in done.stderr) == (1, True), done.stderr


def test_each_remedy_belongs_to_a_rule() -> None:
    assert REMEDIES.keys() <= {status.rule for status in statuses()}


def test_interrupted_during_start(tmp_path: Path) -> None:
    """Ctrl-C before the program is loaded ends it by the signal, without output."""
    (tmp_path / "sitecustomize.py").write_text(
        """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "hermit_harness.cli.run":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
    )
    path = f"{tmp_path}:{ROOT / 'harness'}"
    # a process that a shell starts with & ignores SIGINT, and so would the test session and this child
    argv = ["env", "--default-signal=INT", sys.executable, "-m", "hermit_harness", "run", "hello"]
    done = subprocess.run(argv, capture_output=True, check=False, timeout=60, env=HERE | {"PYTHONPATH": path})
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_repro() -> None:
    """`make repro` boots a cell again and explains QEMU's status; a cell that never ran is one sentence."""
    assert ctl("run", f"--artifacts={REPORT / 'calls' / 'repro'}", "hello").returncode == 0
    script = [str(ROOT / "ci" / "repro.sh")]
    again = subprocess.run([*script, "calls/repro"], capture_output=True, text=True, check=False, timeout=60)
    assert (again.returncode, images()["hello"].greeting in again.stdout) == (3, True)
    assert "expected: exit 0" in again.stderr and "3 for an application's status 0" in again.stderr
    never = subprocess.run([*script, "never"], capture_output=True, text=True, check=False, timeout=60)
    assert (never.returncode, never.stderr.count("\n"), "has no such boot" in never.stderr) == (2, 1, True)


def test_full_disk(tmp_path: Path) -> None:
    """If the console's disk is full, there is one sentence, and no status of the application."""
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={tmp_path}", "hello"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60, env=HERE,
        )  # fmt: skip
    said = "hermitctl: the console could not be written to stdout: No space left on device\n"
    assert (done.returncode, done.stderr) == (125, said)


def test_signals_after_a_call() -> None:
    """A Python program that calls main() keeps its own reactions to signals."""
    ending = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in ending]
    assert main(["run", "/nonexistent/app"]) == 125
    assert [signal.getsignal(number) for number in ending] == before
