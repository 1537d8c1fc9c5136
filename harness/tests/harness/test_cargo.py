# SPDX-License-Identifier: Apache-2.0 OR MIT
"""cargo itself: `cargo run` and `cargo test` with hermitctl as its runner, and the commands of the CI example."""

from __future__ import annotations

import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hermit_harness.paths import BUILD, ROOT
from tests.support.cli import ctl
from tests.support.crate import TRIPLE, environment, make_crate

PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("your-project.md", "pytest.md")}


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package with the configuration of docs/your-project.md."""
    (config,) = re.findall(r"^```toml\n(.*?)^```", PAGES["your-project.md"], re.M | re.S)
    config = re.sub(r'"[^"]*/hermitctl"', f'"{BUILD / "venv" / "bin" / "hermitctl"}"', config)
    return make_crate(tmp_path_factory.mktemp("cargo") / "project", "my-app", config)


def cargo(directory: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["cargo", *words], cwd=directory, env=environment(directory) | env, stdin=subprocess.DEVNULL,
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


def cases(file: Path) -> dict[str, str]:
    """Return each test of a JUnit file: "" if it has passed, "skipped", or why it has failed."""
    found = {}
    for case in ET.parse(file).getroot().iter("testcase"):
        failure, skipped = case.find("failure"), case.find("skipped")
        found[case.attrib["name"]] = (
            (failure.text or "") if failure is not None else "skipped" if skipped is not None else ""
        )
    return found


@pytest.mark.requirement("W-10", "W-11")
def test_cargo_test(crate: Path, tmp_path: Path) -> None:
    """`cargo test` boots the test program: its lines are the output, and JUnit has the test that was running."""
    done = cargo(crate, "test", "-q", HERMIT_JUNIT=str(tmp_path / "junit.xml"))
    assert done.returncode != 0 and done.stdout.startswith("test adds ... ok\ntest crashes ... "), done.stdout
    assert "[LOADER]" not in done.stdout and "[LOADER][INFO] Loading kernel" in done.stderr
    assert re.search(r"^crash after \d+ ms · suite-", done.stderr, re.M), done.stderr
    found = cases(tmp_path / "junit.xml")
    assert list(found) == ["adds", "crashes"] and found["adds"] == ""
    assert re.search(r"^triple fault at \S+ in suite::run \(tests/suite\.rs:\d+\): page fault, it ", found["crashes"])


def test_one_boot_per_test(crate: Path, tmp_path: Path) -> None:
    """With --per-test each test has a boot of its own, so the ones after a crash run as well."""
    done = cargo(crate, "test", "-q", HERMIT_PER_TEST="1", HERMIT_JUNIT=str(tmp_path / "junit.xml"))
    assert done.returncode != 0
    lines = re.findall(r"^test (.*) \.\.\. (\w+)$", done.stdout.partition("failures:")[0], re.M)
    assert lines == [("adds", "ok"), ("crashes", "FAILED"), ("differs", "FAILED"), ("later", "ignored")], done.stdout
    assert "test result: FAILED. 1 passed; 2 failed; 1 ignored" in done.stdout
    found = cases(tmp_path / "junit.xml")
    assert "it writes to 0x400000000000" in found["crashes"] and found["later"] == "skipped"
    assert "left: 1, right: 2" in found["differs"] and "left: 1, right: 2" in done.stdout
    done = cargo(crate, "test", "-q", "--", "--exact", "adds", HERMIT_PER_TEST="1")
    assert done.returncode == 0 and "test result: ok. 1 passed; 0 failed" in done.stdout, done.stdout


def test_targets_directory_without_hermits_name(crate: Path) -> None:
    """A name selects what cargo has built for any target; Hermit's note decides, and the runs are in target/hermit."""
    cargo(crate, "build", "-q")
    (crate / "target" / "x86_64-unknown-hermit").unlink()
    try:
        done = ctl("run", "my-app", "--", "one", cwd=crate)
        other = crate / "target" / "x86_64-unknown-none" / "debug" / "my-tool"
        other.parent.mkdir(parents=True)
        shutil.copyfile("/bin/true", other)
        refused = ctl("run", "my-tool", cwd=crate)
    finally:
        (crate / "target" / "x86_64-unknown-hermit").symlink_to(TRIPLE)
    assert done.returncode == 1 and "argument 1: one" in done.stdout, done.stderr
    assert (crate / "target" / "hermit" / "runs" / "latest").is_symlink()
    assert refused.returncode == 125 and "my-tool is neither a file" in refused.stderr
