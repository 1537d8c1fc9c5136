# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a run leaves: a directory per run, where it is, how long it stays, and what happens if it cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hermit_harness.artifacts import NAMES, Artifacts
from hermit_harness.cli.evidence import KEPT, place_for, run_directory
from hermit_harness.fixtures import images
from hermit_harness.paths import REPORT, ROOT
from tests.support.cli import ENVIRONMENT, checkout, ctl
from tests.support.processes import background

EXIT = images()["exit"].path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A cargo project with one built application, `mine`."""
    file = tmp_path / "project" / "target" / "x86_64-unknown-hermit" / "release" / "mine"
    file.parent.mkdir(parents=True)
    (tmp_path / "project" / "Cargo.lock").touch()
    shutil.copyfile(EXIT, file)
    return tmp_path / "project"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application that belongs neither to the checkout nor to a project. Its first argument is its status."""
    return Path(shutil.copyfile(EXIT, tmp_path / "app"))


def kept(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir() if not path.is_symlink())


def without_capabilities(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Call hermitctl as a user whom modes of files concern: root reads and writes every file."""
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    return ctl(*words, before=before, **options)  # type: ignore[arg-type]


def test_a_directory_per_run(project: Path) -> None:
    """Runs of a cargo project's application stay in its target directory, each apart; `latest` is the last one."""
    runs = project / "target" / "hermit" / "runs"
    for status in (3, 4):
        assert ctl("run", "mine", "--", status, cwd=project).returncode == status
    first, second = kept(runs)
    assert first.endswith("Z-mine") and second.endswith("Z-mine")
    assert "exit status 3" in (runs / first / "console.log").read_text()
    assert "exit status 4" in (runs / "latest" / "console.log").read_text()
    assert (runs / "latest").resolve() == runs / second
    assert set(kept(runs / first)) - {".lock"} <= set(NAMES)


def test_console_is_kept_while_the_guest_runs(tmp_path: Path) -> None:
    """The guest's output is in its file before the run ends, and stays when hermitctl is killed."""
    argv = [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={tmp_path}", "liar-spin"]
    env = ENVIRONMENT | {"PYTHONPATH": str(ROOT / "harness")}
    with background(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if b"spinning" in line)
        assert (tmp_path / "console.log").read_bytes().endswith(line)
    assert (tmp_path / "console.log").read_bytes().endswith(line)


def test_places(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cargo project, the checkout, or the user's directory: by the application, and else by the current directory."""
    built = project / "target" / "x86_64-unknown-hermit" / "release" / "mine"
    assert place_for(built, False) == project / "target" / "hermit" / "runs"
    assert place_for(EXIT, True) == REPORT / "runs"
    (project / "member").mkdir()
    monkeypatch.chdir(project / "member")
    assert place_for(tmp_path / "elsewhere", False) == project / "target" / "hermit" / "runs"
    shutil.copyfile(EXIT, tmp_path / "alone")
    done = ctl("run", "./alone", cwd=tmp_path, env={"XDG_STATE_HOME": str(tmp_path / "state")})
    assert done.returncode == 0
    assert len(kept(tmp_path / "state" / "hermit" / "runs")) == 1


def test_image_of_the_checkout(tmp_path: Path) -> None:
    """Runs of test images stay in the checkout, and `make repro CELL=run` repeats the last one."""
    tree = checkout(tmp_path / "tree")
    done = ctl("run", "--json", "exit", "--", 9, cwd=tmp_path, env={"HERMIT_ROOT": str(tree)})
    artifacts = Path(json.loads(done.stdout)["artifacts"])
    assert artifacts.parent == tree / "build" / "report" / "runs"
    assert (artifacts.parent / "latest").resolve() == artifacts
    again = subprocess.run([tree / "ci" / "repro.sh", "run"], capture_output=True, text=True, check=False, timeout=60)
    assert "exit status 9" in again.stdout, again.stderr


def test_the_last_twenty_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older runs are removed, but none that still runs, and nothing that no run has made."""
    monkeypatch.setattr("hermit_harness.cli.evidence.STATE", tmp_path)
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    with run_directory("", tmp_path / "app", False) as oldest:
        assert oldest
        (runs / "mine").mkdir()
        made = []
        for _ in range(KEPT + 5):
            with run_directory("", tmp_path / "app", False) as directory:
                assert directory
                made.append(directory.name)
        assert kept(runs) == sorted([oldest.name, "mine", *made[-KEPT:]])
    with run_directory("", tmp_path / "app", False) as last:
        assert last
    assert kept(runs) == sorted(["mine", *made[1 - KEPT :], last.name])


def test_directory_of_the_users_choice(app: Path, tmp_path: Path) -> None:
    """--artifacts is relative to the current directory. The files of an earlier run in it are removed."""
    assert ctl("run", "--artifacts=out", app, "--", 3, cwd=tmp_path).returncode == 3
    assert "exit status 3" in (tmp_path / "out" / "console.log").read_text()
    assert (tmp_path / "out" / "backtrace.txt").is_file()
    assert ctl("run", "--artifacts=out", app, "--", 0, cwd=tmp_path).returncode == 0
    assert not (tmp_path / "out" / "backtrace.txt").exists()


def test_two_runs_at_once(app: Path, tmp_path: Path) -> None:
    """A second run in a directory where one lasts keeps its own artifacts, after one line that says where."""
    with run_directory(str(tmp_path / "out"), app, False) as first:
        assert first == tmp_path / "out"
        state = {"XDG_STATE_HOME": str(tmp_path / "state")}
        done = ctl("run", f"--artifacts={first}", app, "--", 3, cwd=tmp_path, env=state)
        assert kept(first) == [".lock"]
    (directory,) = (tmp_path / "state" / "hermit" / "runs").glob("2*")
    line = f"hermitctl: {first} cannot be used (another run writes there), so the artifacts are in {directory}\n"
    assert (done.returncode, line in done.stderr) == (3, True), done.stderr
    assert "exit status 3" in (directory / "console.log").read_text()


def test_directory_that_cannot_be_written(app: Path, tmp_path: Path) -> None:
    """The verdict does not depend on the directory. One line says where the artifacts are, or that there are none."""
    (tmp_path / "closed").mkdir(mode=0o500)
    env = {"XDG_STATE_HOME": str(tmp_path / "closed"), "TMPDIR": str(tmp_path)}
    done = without_capabilities("run", "--artifacts=closed", app, "--", 3, cwd=tmp_path, env=env)
    own = tmp_path / f"hermit-{os.getuid()}" / "runs"
    assert done.returncode == 3
    assert f"closed cannot be used (Permission denied), so the artifacts are in {own}/2" in done.stderr
    assert "exit status 3" in (own / "latest" / "console.log").read_text()
    shutil.rmtree(own)
    own.touch()
    done = without_capabilities("run", "--artifacts=closed", app, "--", 3, cwd=tmp_path, env=env)
    assert done.returncode == 3
    assert "closed cannot be used (Permission denied), so no artifacts are kept\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("app exit 3 after ")


def test_disk_that_becomes_full(app: Path, tmp_path: Path) -> None:
    """A file that cannot be written is one line; the status stays the guest's."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "repro.sh").mkdir()
    (tmp_path / "out" / "repro.sh" / "in the way").touch()
    done = ctl("run", "--artifacts=out", app, "--", 3, cwd=tmp_path)
    assert done.returncode == 3
    assert "hermitctl: artifacts are missing in " in done.stderr and "Traceback" not in done.stderr
    full = Artifacts(tmp_path / "out")
    full.directory = Path("/dev/full")
    full.write("argv", "x")
    assert "Not a directory" in full.problem or "Is a directory" in full.problem


def test_home_that_the_system_does_not_know() -> None:
    """Without HOME and without an entry for the user there is a directory nevertheless."""
    env = {key: value for key, value in ENVIRONMENT.items() if key != "HOME"} | {"PYTHONPATH": str(ROOT / "harness")}
    code = "import os; os.getuid = lambda: 4242424; from hermit_harness.paths import STATE; print(STATE)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.stdout.strip().endswith("/hermit-4242424/.local/state/hermit"), done.stderr
