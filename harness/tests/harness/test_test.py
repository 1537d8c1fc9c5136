# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl test` in a checkout and in a project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermit_harness.cli.test import command_line
from hermit_harness.paths import ROOT
from tests.support.cli import ctl


def test_checkout_uses_make(tmp_path: Path) -> None:
    """In a checkout make gets the variables, from every directory; another word is refused with the way to say it."""
    (tmp_path / "make").write_text('#!/bin/sh\necho "make $*"\nexit 7\n')
    (tmp_path / "make").chmod(0o755)
    done = ctl("test", "K=echo", "SHARD=1/2", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, cwd=ROOT / "docs")
    assert (done.returncode, done.stdout) == (7, f"make -C {ROOT} test K=echo SHARD=1/2\n")
    with pytest.raises(ValueError, match="echo: `make test` takes NAME=VALUE, such as K=echo"):
        command_line(ROOT, ["echo"])


def test_project_uses_pytest(tmp_path: Path) -> None:
    """In a project pytest gets all words, and its status is that of the command."""
    (tmp_path / "test_own.py").write_text("def test_good():\n    pass\n\n\ndef test_bad():\n    assert not 1\n")
    good = ctl("test", "--", "-q", "-k", "good", cwd=tmp_path)
    assert (good.returncode, "1 passed" in good.stdout) == (0, True), good.stdout + good.stderr
    assert ctl("test", "test_own.py", "-q", cwd=tmp_path).returncode == 1
