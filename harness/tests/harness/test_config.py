# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Configuration files: which count, what wins, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hermit_harness.cli import config
from hermit_harness.cli.main import build_parser
from hermit_harness.options import DEBUG_OPTIONS, OPTIONS
from hermit_harness.paths import ROOT
from tests.support.cli import ctl


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of a workspace in a home directory of its own; the member is the current directory."""
    member = tmp_path / "project" / "member"
    member.mkdir(parents=True)
    write(tmp_path / "project" / "Cargo.toml", '[workspace]\nmembers = ["member"]\n')
    monkeypatch.chdir(member)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "project"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def settings(*flags: str, **environment: str) -> dict[str, config.Setting]:
    """What `hermitctl run FLAGS` has, with these variables."""
    arguments = build_parser(["run"]).parse_args(["run", *flags])
    config.settle(arguments, {"XDG_CONFIG_HOME": str(Path.cwd().parents[1] / "config")} | environment)
    assert all(getattr(arguments, row.dest) == arguments.settings[row.flag].value for row in OPTIONS)
    found: dict[str, config.Setting] = arguments.settings
    return found


def test_precedence(project: Path) -> None:
    """Flag, environment, hermit.toml, Cargo.toml, the parent directory, the user's file: each wins over the later."""
    user = project.parent / "config" / "hermit" / "config.toml"
    cargo = "[workspace]\n[workspace.metadata.hermit]\nmem='69M'\n"
    places = [
        (project / "member/hermit.toml", "mem = '66M'\n", "66M", "hermit.toml:1"),
        (project / "member/Cargo.toml", "[package.metadata.hermit]\n\nmem = '67M'\n", "67M", "Cargo.toml:3"),
        (project / "hermit.toml", "smp = 2\nmem = '68M'\n", "68M", f"{project}/hermit.toml:2"),
        (project / "Cargo.toml", cargo, "69M", f"{project}/Cargo.toml:3"),
        (user, "mem = '70M'\n", "70M", f"{user}:1"),
    ]  # fmt: skip
    write(project.parent / "hermit.toml", "nonsense = 1\n")  # above the workspace: it does not count
    for path, text, _, _ in places:
        write(path, text)
    assert settings("--mem=64M", HERMIT_MEM="65M")["mem"] == config.Setting("64M", "--mem")
    assert settings(HERMIT_MEMORY_SIZE="65M")["mem"] == config.Setting("65M", "HERMIT_MEMORY_SIZE")
    for path, _, value, origin in places:
        assert settings()["mem"] == config.Setting(value, origin)
        path.write_text("[workspace]\n" if path == project / "Cargo.toml" else "")
    assert settings()["mem"] == config.Setting("", "")


def test_only_file(project: Path) -> None:
    """HERMIT_CONFIG names the only file that is read; there must be one."""
    write(project / "member/hermit.toml", "mem = '66M'\n")
    write(project / "other.toml", "smp = 2\n")
    found = settings(HERMIT_CONFIG="../other.toml")
    assert (found["mem"].value, found["smp"].value, found["smp"].origin) == ("", "2", "../other.toml:1")
    assert settings(HERMIT_CONFIG="/dev/null")["smp"].value == "1"
    with pytest.raises(ValueError, match=r"HERMIT_CONFIG=none\.toml: there is no such file"):
        settings(HERMIT_CONFIG="none.toml")


def test_values(project: Path) -> None:
    """Each kind of value; names of files are relative to the file that has them, repeated flags are added."""
    text = 'share = "data:tag"\ndebug = true\nforward = ["80:80"]\nloader = "x86_64-pvh"\nqemu = "tools/qemu"\n'
    write(project / "hermit.toml", text)
    found = settings("--forward=81:81")
    assert found["share"].value == f"{project}/data:tag" and found["qemu"].value == f"{project}/tools/qemu"
    assert (found["debug"].value, found["loader"].value) == (True, "x86_64-pvh")
    assert found["forward"] == config.Setting(["80:80", "81:81"], f"{project}/hermit.toml:3 and --forward")


def test_example_of_the_page(project: Path) -> None:
    """The table on the page works without a change."""
    page = (ROOT / "docs" / "configuration.md").read_text()
    (block,) = [text for text in page.split("```toml\n")[1:] if text.startswith("[package.metadata.hermit]")]
    write(project / "member/Cargo.toml", block.partition("```")[0])
    (project / "member/data").mkdir()
    done = ctl("run", "--dry-run", "hello")
    port = 8080  # of the page; nothing listens to it
    forward = f"hostfwd=tcp:127.0.0.1:{port}-:{port}"
    assert "-smp 2 -m 128M" in done.stdout and forward in done.stdout, done.stderr
    assert "env=GREETING=hello" in done.stdout and f"{project}/member/data" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nmemm = '64M'\n", "hermit.toml:2: memm is not known; did you mean mem?"),
        ("cpus = 2\n", "hermit.toml:1: cpus is not known; did you mean smp?"),
        ("kernel_args = ''\n", "hermit.toml:1: kernel_args is not known; did you mean kernel-args?"),
        ("[memory]\nsize = 1\n", "hermit.toml:1: memory is not known; did you mean mem"),
        ("debug = 1\n", "hermit.toml:1: debug wants true or false"),
        ("forward = [1]\n", "hermit.toml:1: forward wants a text or a list of texts"),
        ("smp = [1]\n", "hermit.toml:1: smp wants a number"),
        ("accel = 'xen'\n", "hermit.toml:1: accel xen: known: auto, tcg, kvm"),
        ("mem = \n", "hermit.toml: Invalid value (at line 1"),
    ],
)
def test_refused(text: str, said: str, project: Path) -> None:
    """What is wrong is named with file, line and the nearest name."""
    write(project / "member/hermit.toml", text)
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        settings()


def test_one_sentence(project: Path) -> None:
    """A wrong file is one sentence. Help and other commands still work."""
    write(project / "member/hermit.toml", "memm = '64M'\n")
    done = ctl("run", "--dry-run", "hello")
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr == "hermitctl: hermit.toml:1: memm is not known; did you mean mem?\n"
    assert ctl("run", "--help").returncode == ctl("options").returncode == 0


def test_origins_are_shown(project: Path) -> None:
    """-v says after QEMU's command line where each value is from, and `hermitctl config` says it without a run."""
    write(project / "member/hermit.toml", "smp = 2\n")
    done = ctl("run", "--dry-run", "-v", "--mem=70M", "hello", env={"HERMIT_CPU": "max"})
    assert "-smp 2 -m 70M" in done.stdout and "-cpu max" in done.stdout
    said = [
        f"hermitctl: --{line}"
        for line in ("mem 70M: from --mem", "smp 2: from hermit.toml:1", "cpu max: from HERMIT_CPU")
    ]
    assert set(said) <= set(done.stderr.splitlines())
    assert (
        ctl("config").stdout
        == "file: hermit.toml\nfile: "
        + f"{project}/Cargo.toml\n--accel tcg: from HERMIT_ACCEL\n--smp 2: from hermit.toml:1\n"
    )


def test_schema() -> None:
    """The published schema is what `hermitctl config --schema` prints, and has each option as a key."""
    published = json.loads((ROOT / "docs" / "hermit.schema.json").read_text())
    assert published == json.loads(ctl("config", "--schema").stdout) == config.schema()
    assert set(published["properties"]) == {row.flag for row in (*OPTIONS, *DEBUG_OPTIONS)}
    assert published["additionalProperties"] is False
    assert published["properties"]["accel"]["enum"] == ["auto", "tcg", "kvm"]
