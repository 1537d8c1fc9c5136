# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The CI example of docs/pytest.md, in a fresh root."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT
from tests.support.crate import environment, make_crate
from tests.support.lane import only_in

pytestmark = only_in("packages")

PAGE = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
TESTS = """
def test_arguments(hermit):
    assert b"argument 2: two words" in hermit("my-app", "one", "two words", expect="exit 2").console
"""


def copy_of_the_checkout(to: Path) -> None:
    """Copy what git tracks or would track."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"]
    for name in subprocess.run(git, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


@pytest.mark.requirement("P-05", "C-07", "M-02")
def test_workflow_of_the_page(tmp_path: Path) -> None:
    """The commands of the CI example work in a fresh root: a project, the loader's files without git, an empty home."""
    (block,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    commands = re.findall(r"^ *- run: (.*)$", block, re.M)
    assert [command.split()[0] for command in commands[:2]] == ["cargo", "make"] and "pytest" in commands[2]
    project = make_crate(tmp_path / "project", "my-app")
    copy_of_the_checkout(project / "hermit-loader")
    (project / "tests").mkdir(exist_ok=True)
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
