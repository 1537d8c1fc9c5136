# SPDX-License-Identifier: Apache-2.0 OR MIT
"""cargo itself: `cargo run` with hermitctl as its runner, and the commands of the CI example."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hermit_harness.paths import BUILD, ROOT
from tests.support.crate import environment, make_crate

PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("your-project.md", "pytest.md")}
TESTS = """
def test_arguments(hermit):
    assert b"argument 2: two words" in hermit("my-app", "one", "two words", expect="exit 2").console
"""


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with the configuration of docs/your-project.md."""
    (config,) = re.findall(r"^```toml\n(.*?)^```", PAGES["your-project.md"], re.M | re.S)
    config = re.sub(r'"[^"]*/hermitctl"', f'"{BUILD / "venv" / "bin" / "hermitctl"}"', config)
    return make_crate(tmp_path_factory.mktemp("cargo") / "project", "my-app", config)


def cargo(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cargo", *words], cwd=folder, env=environment(folder) | env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


@pytest.mark.requirement("W-10")
@pytest.mark.parametrize("profile", [(), ("--release",)])
def test_cargo_run(profile: tuple[str, ...], crate: Path) -> None:
    """`cargo run -- WORDS` boots what cargo has built: words, output and status are the application's."""
    done = cargo(crate, "run", "-q", *profile, "--", "one", "two words", "--mem")
    assert done.returncode == 3, done.stderr
    assert "argument 1: one\nargument 2: two words\nargument 3: --mem\n" in done.stdout
    assert re.search(r"^app exit 3 after \d+ ms · my-app, ", done.stderr, re.M)
    done = cargo(crate, "run", "-q", *profile)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")  # the application prints nothing
    log = crate / "target" / "hermit" / "runs" / "latest" / "console.log"
    assert "exit status 0" in log.read_text()


@pytest.mark.requirement("W-10", "W-11")
def test_options_of_cargos_runner(crate: Path) -> None:
    """Options are in the runner before its `--`, or variables. -v shows QEMU's command line and the kernel's log;
    nothing else does."""
    done = cargo(crate, "run", "-q", HERMIT_MEM="66M")
    assert (done.returncode, "qemu-system" in done.stderr, done.stdout) == (0, False, ""), done.stderr
    assert "-m 66M" in (crate / "target/hermit/runs/latest/argv").read_text().replace("\\\n   ", "")
    text = (crate / ".cargo" / "config.toml").read_text()
    (crate / ".cargo" / "config.toml").write_text(text.replace('"run", "--"', '"run", "-v", "--"'))
    try:
        done = cargo(crate, "run", "-q", "--", "one")
    finally:
        (crate / ".cargo" / "config.toml").write_text(text)
    assert done.returncode == 1, done.stderr
    assert "qemu-system-x86_64 -M pc" in done.stderr
    assert "[LOADER][INFO]" in done.stdout and "argument 1: one" in done.stdout


def copy_of_the_checkout(to: Path) -> None:
    """Copy what git tracks or would track."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    for name in subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


@pytest.mark.requirement("P-05")
def test_workflow_of_the_page(tmp_path: Path) -> None:
    """The commands of the CI example work in a fresh root: a project, a checkout of the loader, an empty home."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGES["pytest.md"], re.M | re.S)
    commands = re.findall(r"^ *- run: (.*)$", block, re.M)
    assert [command.split()[0] for command in commands[:2]] == ["cargo", "make"] and "pytest" in commands[2]
    project = make_crate(tmp_path / "project", "my-app")
    copy_of_the_checkout(project / "hermit-loader")
    (project / "tests").mkdir()
    (project / "tests" / "conftest.py").write_text('pytest_plugins = ["hermit_harness.testing"]\n')
    (project / "tests" / "test_mine.py").write_text(TESTS)
    (tmp_path / "home").mkdir()
    env = environment(tmp_path / "home") | {"CI": "true"}
    for command in commands:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", command], cwd=project, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert "1 passed" in done.stdout
    # What the workflow stores is there, and the cache's key is made of a file's content.
    uploaded = re.search(r"path: \|\n((?: +[\w./-]+\n)+)", block)
    assert uploaded
    for name in uploaded[1].split():
        assert (project / name).exists(), name
    assert (project / "target/hermit/runs/latest/repro.sh").is_file()
    assert list((project / "artifacts").glob("*test_arguments*/1/console.log"))
    cached = re.search(r"path: (\S+)\n +key: hermit-\$\{\{ hashFiles\('([^']+)'\) \}\}", block)
    assert cached and (project / cached[1]).is_dir() and (project / cached[2]).is_file()
