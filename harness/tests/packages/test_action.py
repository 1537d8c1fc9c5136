# SPDX-License-Identifier: Apache-2.0 OR MIT
"""action.yml: its commands install a hermitctl that boots, on a runner without what the action brings along."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path

from hermit_harness.paths import ROOT
from tests.support.lane import only_in

pytestmark = only_in("packages")


def steps() -> list[str]:
    """Return the text of each step."""
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    return re.split(r"^    - ", text.partition("  steps:\n")[2], flags=re.M)[1:]


def script(step: str) -> str:
    """Return the commands of a step; empty if it calls another action."""
    found = re.search(r"^      run: \|\n((?: {8}.*\n)+)", step, re.M)
    return textwrap.dedent(found[1]) if found else ""


def test_action(tmp_path: Path) -> None:
    """Each step succeeds, and the job then has hermitctl and knows of KVM. sudo only records its calls."""
    home = tmp_path / "home"
    tools = tmp_path / "tools"
    for directory in (home, tools):
        directory.mkdir()
    (tools / "sudo").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/sudo\n')
    (tools / "sudo").chmod(0o755)
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_PATH")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HERMIT_", "MAKE", "MFLAGS"))}
    env = kept | files | {
        "HOME": str(home),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "PATH": f"{tools}:{os.environ['PATH']}",
        "GITHUB_ACTION_PATH": str(ROOT),
        "PACKAGES": "qemu-system-arm",
    }  # fmt: skip
    scripts = [script(step) for step in steps()]
    assert [bool(text) for text in scripts] == [True, False, True, True, True, True]
    for text in filter(None, scripts):
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", text], cwd=home, env=env,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"

    outputs = dict(line.split("=") for line in (tmp_path / "GITHUB_OUTPUT").read_text().splitlines())
    assert re.fullmatch(r"[0-9a-f]{16}", outputs["hash"])
    assert outputs["kvm"] == ("yes" if os.access("/dev/kvm", os.W_OK) else "no")
    assert "apt-get install --yes --no-install-recommends qemu-system-arm" in (tmp_path / "sudo").read_text()

    (added,) = (tmp_path / "GITHUB_PATH").read_text().splitlines()
    assert re.search(rf"path: ~/{Path(added).parent.relative_to(home)}$", (ROOT / "action.yml").read_text(), re.M)
    run = subprocess.run(
        ["hermitctl", "run", "hello"], env=env | {"PATH": f"{added}:{env['PATH']}"}, cwd=home,
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (run.returncode, "Hello from a bare Hermit application" in run.stdout) == (0, True), run.stderr
