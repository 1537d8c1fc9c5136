# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The Python package: built twice, installed without network, used without a checkout, removed without a trace."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hermit_harness import __version__
from hermit_harness.fixtures import images
from hermit_harness.paths import BUILD, ROOT
from hermit_harness.vm.targets import DEFAULT_TARGETS
from tests.support.lane import only_in
from tests.support.processes import run

pytestmark = only_in("packages")

NAME = f"hermit_loader-{__version__}-py3-none-any.whl"
Call = Callable[..., subprocess.CompletedProcess[str]]


def build(**variables: str) -> Path:
    done = run(ROOT / "ci" / "wheel.sh", env={**os.environ, **variables})
    assert done.returncode == 0, done.stdout + done.stderr
    return BUILD / "dist" / NAME


def files(directory: Path) -> set[Path]:
    return {path for path in directory.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the package and nothing else."""
    directory = tmp_path_factory.mktemp("wheel") / "venv"
    assert run(sys.executable, "-m", "venv", "--without-pip", directory).returncode == 0
    return directory


def pip(environment: Path, *words: str | Path) -> None:
    done = run(sys.executable, "-m", "pip", "--python", environment / "bin" / "python", *words)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def hermitctl(environment: Path, tmp_path: Path) -> Call:
    """Call the installed command in an empty directory, with an empty home and without a network."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        argv = ["unshare", "--user", "--map-root-user", "--net", environment / "bin" / "hermitctl", *words]
        (tmp_path / "here").mkdir(exist_ok=True)
        return run(*argv, cwd=tmp_path / "here", env={"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"]})

    return call


def test_wheel(environment: Path, hermitctl: Call, tmp_path: Path) -> None:
    """Two builds give the same bytes. It boots on each CPU. Uninstalled, it leaves nothing in the environment."""
    first = hashlib.sha256(build(TZ="Asia/Tokyo").read_bytes())
    wheel = build(TZ="America/Lima", LC_ALL="C.UTF-8")
    assert hashlib.sha256(wheel.read_bytes()).digest() == first.digest()
    assert wheel.stat().st_size < 3_200_000  # ten loaders with their symbols

    before = files(environment)
    pip(environment, "install", "--quiet", "--no-index", "--no-deps", wheel)
    assert hermitctl("--version").stdout.split()[-1] == __version__
    for arch, target in DEFAULT_TARGETS.items():
        done = hermitctl("run", "--report", "--target", target, "hello")
        assert (done.returncode, images(arch)["hello"].greeting in done.stdout) == (0, True), done.stderr
        assert "hermitctl: report: " in done.stderr
    assert "elf-truncated" in hermitctl("status").stdout
    refused = hermitctl("run", "--profile", "debug", "hello")
    assert (refused.returncode, "the package has release builds" in refused.stderr) == (125, True)
    assert {path.name for path in (tmp_path / "home").iterdir()} <= {".cache", ".local"}
    assert not files(tmp_path / "here")
    debugged = hermitctl("debug", "--batch", "--command", "backtrace", "hello")
    assert "_start () at fixtures/abi/x86_64/start.S" in debugged.stdout
    pip(environment, "uninstall", "--quiet", "--yes", "hermit-loader")
    assert files(environment) == before
