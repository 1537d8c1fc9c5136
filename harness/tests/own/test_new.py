# SPDX-License-Identifier: Apache-2.0 OR MIT
"""From nothing to a running application: the commands of docs/your-project.md, with cargo and a real kernel.

It compiles a kernel, which takes more than two minutes of a processor: `make test LANE=own` does, `make test` does not.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from hermit_harness.cli.new import STD
from hermit_harness.paths import BUILD, ROOT
from tests.support.cli import ctl
from tests.support.crate import toolchain

PAGE = (ROOT / "docs" / "your-project.md").read_text(encoding="utf-8")


@pytest.mark.requirement("W-10")
def test_from_nothing(tmp_path: Path) -> None:
    """The block of the page, by the fixtures' compiler instead of rustup's: `new`, `cargo run` twice, and the test."""
    if os.environ.get("HERMIT_LANE") != "own":
        pytest.skip("own-lane: `make test LANE=own` compiles the kernel of a new project")
    (block,) = re.findall(r"^```sh\n(hermitctl new .*?)^```", PAGE, re.M | re.S)
    found = toolchain()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HERMIT_", "CARGO_", "RUST"))}
    env |= found | {
        "PATH": f"{BUILD / 'venv/bin'}:{found['PATH']}:{env['PATH']}",
        # Debian's compiler is no nightly one, and has no linker of its own.
        "RUSTC_BOOTSTRAP": "1",
        "CARGO_TARGET_X86_64_UNKNOWN_NONE_LINKER": "ld.lld",
    }
    done = subprocess.run(
        ["sh", "-ec", block], cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=600,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert "Hello from my-app!\nargument 1: one\nargument 2: two words\n" in done.stdout
    assert "1 passed" in done.stdout
    again = ctl("new", "my-app", cwd=tmp_path)
    assert (again.returncode, "my-app exists; `hermitctl init my-app`" in again.stderr) == (125, True)


def test_std_template(tmp_path: Path) -> None:
    """The template for the standard library is a package for Hermit's target, set up as by init."""
    done = ctl("new", "--template", "std", "my-app", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "my-app"
    assert all((project / name).is_file() for name in (*STD, "tests/test_boot.py", ".vscode/launch.json"))
    assert "[target.x86_64-unknown-hermit]\nrunner = " in (project / ".cargo/config.toml").read_text()
    assert ctl("init", "--dry-run", project).stdout == ""
    wrong = ctl("new", "My App", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (125, 1)
