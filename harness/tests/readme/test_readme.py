# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the README says is so, and the shape of the tree is the one it draws."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from hermit_harness.fixtures import images, parse
from hermit_harness.paths import ROOT

TOP = {
    "loader",
    "harness",
    "fixtures",
    "netsetup",
    "ci",
    "docs",
    "Makefile",
    "action.yml",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "VERSION",
    "LICENSE-APACHE",
    "LICENSE-MIT",
}
COMMENTLESS = (".bin", ".md", ".json", ".lock", ".patch", ".txt", ".webp")


def tracked() -> list[str]:
    """Files of the tree: as git knows them, or all but what is built where there is no git."""
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z", "--cached"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return [name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]
    skipped = {"build", "target"}
    return [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.is_file() and path.relative_to(ROOT).parts[0] not in skipped
    ]


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.requirement("P-01")
def test_top_level() -> None:
    """The fixed rooms, the two licences, docs, and nothing else that is not a dot-file."""
    found = {name.split("/")[0] for name in tracked()}
    assert {name for name in found if not name.startswith(".")} <= TOP
    assert {"loader", "harness", "fixtures", "netsetup", "ci", "Makefile", "README.md"} <= found


@pytest.mark.requirement("P-03")
def test_python_is_in_the_harness_only() -> None:
    """No Python elsewhere, whatever its name."""
    for name in tracked():
        if name.startswith("harness/"):
            continue
        assert not name.endswith((".py", ".pyi")), name
        assert not re.match(rb"#!.*python", (ROOT / name).read_bytes()[:80]), name


@pytest.mark.requirement("L-46", "R-18")
def test_licences() -> None:
    """Both texts, and the line in every source file that can hold a comment."""
    assert "Apache License" in (ROOT / "LICENSE-APACHE").read_text(encoding="utf-8")
    assert "MIT License" in (ROOT / "LICENSE-MIT").read_text(encoding="utf-8")
    for name in tracked():
        if name.endswith(COMMENTLESS) or name.startswith("LICENSE-") or name == "VERSION":
            continue
        head = (ROOT / name).read_bytes()[:800]
        assert not head or b"SPDX-License-Identifier: Apache-2.0 OR MIT" in head, name


def packages() -> list[tuple[str, str]]:
    """Return each package of the list, and what needs it."""
    lines = (ROOT / "ci" / "packages.debian").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|") for line in lines if line.strip() and not line.startswith("#")]
    return [(row[0].strip(), row[1].strip()) for row in rows]


@pytest.mark.requirement("L-02")
def test_packages_are_named_once() -> None:
    """The table of docs/install.md has every package of the list once, in the row that needs it, and no other."""
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    shown = dict(
        re.findall(
            r"^\| `make (run|debug|test|deb|container|fuzz|test LANE=engines|test LANE=page)` \| (.*) \|$", page, re.M
        )
    )
    rows = {"lint": "test", "engines": "test LANE=engines", "page": "test LANE=page"}
    wanted: dict[str, list[str]] = {verb: [] for verb in shown}
    for package, needed_by in packages():
        wanted[rows.get(needed_by, needed_by)].append(package)
    for verb, text in shown.items():
        named = [name for name in re.findall(r"`([^`]+)`", text) if not name.startswith("make ")]
        assert sorted(named) == sorted(wanted[verb]), verb
    everything = [package for package, _ in packages()]
    assert len(everything) == len(set(everything)) > 5


@pytest.mark.requirement("P-05")
def test_first_commands() -> None:
    """`make run` is the first command of the README, and `make test` follows."""
    text = readme()
    assert text.index("make run") < text.index("make test")


@pytest.mark.requirement("P-05", "L-03")
@pytest.mark.parametrize("command", ["help", "list"])
def test_make_verbs(command: str) -> None:
    """The verbs that need no set-up work and print something."""
    done = subprocess.run(
        ["make", "-s", "-C", str(ROOT), command], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    if command == "help":
        assert max(map(len, done.stdout.splitlines())) <= 80
        assert re.findall(r"^[A-Z][a-z ]+$", done.stdout, re.M) == [
            "Run and debug an application",
            "Build and release",
            "Test and inspect",
        ]


@pytest.mark.requirement("M-16", "P-12")
def test_every_fixture_describes_itself() -> None:
    """Each directory has its fixture.toml with summary, images and what they need, and the parts that must
    exist do.
    """
    for path in sorted((ROOT / "fixtures").glob("*/*/fixture.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        assert data["summary"] and parse(path.read_text(encoding="utf-8"), *path.parts[-3:-1]), path
    directories = {path.parent for path in (ROOT / "fixtures" / "bare").glob("*/*.c")}
    assert all((directory / "fixture.toml").is_file() for directory in directories)
    fixtures = {image.fixture for image in images().values() if image.kind in ("bare", "real")}
    assert {
        "hello",
        "args",
        "exit",
        "panic",
        "hang",
        "fault",
        "probe",
        "bigbss",
        "manyseg",
        "align",
        "tls",
        "smp",
    } <= fixtures
