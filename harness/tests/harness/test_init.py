# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl init: a project is set up once, and what it has is kept."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hermit_harness.cli.init import with_runner
from hermit_harness.paths import BUILD
from tests.support.cli import ctl
from tests.support.crate import environment, make_crate

RUNNER = ["hermitctl", "run", "--"]


def contents(directory: Path) -> dict[str, str]:
    return {str(path.relative_to(directory)): path.read_text() for path in directory.rglob("*") if path.is_file()}


def test_set_up(tmp_path: Path) -> None:
    """The first call writes each file, a dry run none, and a second call changes nothing. What is there is kept."""
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "app"\n')
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "tasks.json").write_text('{"tasks": [{"label": "mine"}]}')
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo" / "config.toml").write_text("# mine\n[build]\njobs = 2\n")
    before = contents(tmp_path)
    dry = ctl("init", "--dry-run", cwd=tmp_path)
    assert contents(tmp_path) == before and dry.returncode == 0
    assert '+runner = ["hermitctl", "run", "--"]\n' in dry.stdout and "--- /dev/null\n" in dry.stdout
    done = ctl("init", cwd=tmp_path)
    files = contents(tmp_path)
    written = {line.removeprefix(f"{tmp_path}/") for line in done.stdout.splitlines()}
    assert written == {name for name in files if files[name] != before.get(name)}
    assert written == {
        *(".cargo/config.toml", ".github/workflows/hermit.yml", ".vscode/launch.json", ".vscode/tasks.json"),
        *("tests/conftest.py", "tests/test_boot.py"),
    }
    config = tomllib.loads(files[".cargo/config.toml"])
    assert config == {"build": {"jobs": 2}, "target": {"x86_64-unknown-hermit": {"runner": RUNNER}}}
    assert files[".cargo/config.toml"].startswith("# mine\n")
    assert [task["label"] for task in json.loads(files[".vscode/tasks.json"])["tasks"]] == [
        "mine",
        "Hermit: app: machine",
    ]
    again = ctl("init", cwd=tmp_path)
    assert (again.stdout, again.returncode) == ("", 0) and contents(tmp_path) == files
    assert ctl("init", "--dry-run", cwd=tmp_path).stdout == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 2),
        ("[target.x86_64-unknown-hermit]\nrustflags = []\n", 2),
        ("[target.'x86_64-unknown-hermit'] # mine\n[build]\njobs = 1\n", 2),
        ('[target.x86_64-unknown-hermit]\nrunner = "uhyve"\n', 0),
    ],
)
def test_runner(text: str, line: int) -> None:
    """The runner is in the target's table, once. A runner of the user's is kept."""
    merged = with_runner(Path("config.toml"), text, "x86_64-unknown-hermit")
    runner = tomllib.loads(merged)["target"]["x86_64-unknown-hermit"]["runner"]
    assert runner == (RUNNER if line else "uhyve")
    assert not line or merged.splitlines()[line - 1].startswith("runner")
    assert with_runner(Path("config.toml"), merged, "x86_64-unknown-hermit") == merged


def test_refused(tmp_path: Path) -> None:
    """A directory without a package, and files that cannot be merged, are named; nothing is written."""
    assert f"{tmp_path} has no Cargo.toml: `hermitctl new" in ctl("init", tmp_path).stderr
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "app"\n')
    (tmp_path / ".vscode").mkdir()
    (tmp_path / ".vscode" / "launch.json").write_text("// mine\n{}")
    done = ctl("init", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1) and "launch.json is not plain JSON" in done.stderr
    assert not (tmp_path / "tests").exists()


@pytest.mark.requirement("W-10")
def test_cargo_and_pytest(tmp_path: Path) -> None:
    """In a project that has been set up, `cargo run` boots the application, and pytest runs the test."""
    project = make_crate(tmp_path / "project", "my-app")
    assert ctl("init", project).returncode == 0
    path = f"{BUILD / 'venv' / 'bin'}"
    env = environment(tmp_path) | {"HERMIT_ACCEL": "tcg"}
    env["PATH"] = f"{path}:{env['PATH']}"
    done = subprocess.run(
        ["cargo", "run", "-q", "--", "one"], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "argument 1: one" in done.stdout) == (1, True), done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests"],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout
