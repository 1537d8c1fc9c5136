# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make install` and the Debian package: what they contain works in any directory, and removal leaves nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hermit_harness import __version__
from hermit_harness.paths import BUILD, ROOT
from tests.support.lane import only_in
from tests.support.pages import blocks
from tests.support.processes import run

pytestmark = only_in("packages")

LOADERS = {path.name for path in (BUILD / "release").glob("hermit-loader-*") if path.suffix in ("", ".efi")}


def listing(directory: Path) -> list[str]:
    """Every file and directory with its mode."""
    return sorted(f"{path.lstat().st_mode:o} {path.relative_to(directory)}" for path in directory.rglob("*"))


def install(verb: str, umask: int = 0o022, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(ROOT / "ci" / "install.sh", verb, env={**os.environ, **variables}, umask=umask)


def offline(home: Path) -> dict[str, object]:
    """Options of a call with an empty home. The command in front of it takes away the network."""
    return {"env": {"HOME": str(home), "PATH": os.environ["PATH"], "HERMIT_KVM": "0"}}


FAST = {"DPKG_DEB_COMPRESSOR_LEVEL": "0"}
WITHOUT_NETWORK = ("unshare", "--user", "--map-root-user", "--net")


@pytest.mark.requirement("C-08", "C-09", "C-11", "C-17")
def test_install(tmp_path: Path) -> None:
    """An own application links with the library. HermitCore's example works from the directory of a DESTDIR that has
    been moved. Removal leaves others' files.
    """
    system = tmp_path / "system"
    others = system / "opt" / "hermit" / "bin" / "of-others"
    others.parent.mkdir(parents=True)
    others.touch()
    before = listing(system)
    done = install("install", umask=0o077, DESTDIR=str(system))
    assert done.returncode == 0, done.stderr
    assert {path.name for path in others.parent.iterdir()} == {"hermitctl", "proxy", "of-others"} | LOADERS
    installed = listing(system)
    assert not [line for line in installed if line.startswith("100") and line[5] not in "45"], "others cannot read it"

    block = next(one for one in blocks() if one.page == "fixtures/README.md" and one.first.startswith("gcc "))
    (tmp_path / "own").mkdir()
    shutil.copy(ROOT / "fixtures" / "template" / "app.c", tmp_path / "own")
    text = block.text.replace("/opt/hermit", str(system / "opt" / "hermit"))
    own = run("sh", "-e", "-c", text, cwd=tmp_path / "own", **offline(tmp_path / "home"))
    assert (own.returncode, "argument 2 is two" in own.stdout) == (2, True), own.stderr

    moved = tmp_path / "moved"
    system.rename(moved)
    directory = moved / "opt" / "hermit"
    words = ("bin/proxy", "x86_64-hermit/extra/tests/args", "one")
    called = run(*WITHOUT_NETWORK, *words, cwd=directory, **offline(tmp_path / "home"))
    assert (called.returncode, "<<<one>>>" in called.stdout) == (0, True), called.stderr
    assert listing(moved) == installed, "a run leaves nothing in the installation"

    assert install("install", DESTDIR=str(moved)).returncode == 0
    assert listing(moved) == installed, "the second installation replaces the first"
    assert install("uninstall", DESTDIR=str(moved)).returncode == 0
    assert listing(moved) == before
    again = install("uninstall", DESTDIR=str(moved))
    assert (again.returncode, "nothing is installed in" in again.stderr) == (1, True)


def test_prefix(tmp_path: Path) -> None:
    """Directories that the installation made go with it, the one that it found stays."""
    prefix = tmp_path / "new" / "prefix"
    assert install("install", PREFIX=str(prefix)).returncode == 0
    assert os.access(prefix / "bin" / "hermitctl", os.X_OK)
    assert install("uninstall", PREFIX=str(prefix)).returncode == 0
    assert not list(tmp_path.iterdir())


def test_debian_package(tmp_path: Path) -> None:
    """Two builds give the same bytes. Unpacked, it works. It depends on packages that the set-up knows."""
    file = BUILD / "dist" / f"hermit-loader_{__version__}_all.deb"
    built = []
    for zone, umask in (("Asia/Tokyo", 0o077), ("America/Lima", 0o002)):
        done = run(ROOT / "ci" / "deb.sh", env={**os.environ, "TZ": zone, **FAST}, umask=umask)
        assert done.returncode == 0, done.stderr
        built.append(file.read_bytes())
    assert built[0] == built[1]

    assert run("dpkg-deb", "--extract", file, tmp_path / "root").returncode == 0
    share = tmp_path / "root" / "usr" / "share"
    for name in (
        "bash-completion/completions/hermitctl",
        "zsh/vendor-completions/_hermitctl",
        "fish/vendor_completions.d/hermitctl.fish",
        "man/man1/hermitctl.1.gz",
    ):
        assert (share / name).stat().st_size > 500, "where Debian's shells and man look"
    called = run(tmp_path / "root" / "usr" / "bin" / "hermitctl", "list", "images", **offline(tmp_path / "home"))
    assert (called.returncode, "hello" in called.stdout) == (0, True), called.stderr

    names = run("dpkg-deb", "--field", file, "Depends", "Recommends", "Suggests").stdout
    wanted = {word.split()[0] for line in names.splitlines() for word in line.partition(":")[2].split(",")}
    rows = (ROOT / "ci" / "packages.debian").read_text(encoding="utf-8").splitlines()
    assert "qemu-system-x86" in wanted <= {row.partition("|")[0].strip() for row in rows}


@pytest.mark.parametrize("found", ["3.10.2"])
def test_old_python(tmp_path: Path, found: str) -> None:
    """An installed hermitctl says in one line that the system's Python is too old."""
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "harness" / "bin" / "hermitctl", tmp_path / "bin")
    python = shutil.which("python3")
    shell = f"""#!/bin/sh
exec {python} -c '
import sys
code = sys.argv[sys.argv.index("-c", 1) + 1]
sys.version, sys.version_info = "{found} (main)", ({found.replace(".", ", ")})
sys.argv = ["-c", *sys.argv[sys.argv.index("-c", 1) + 2:]]
exec(code)' "$@"
"""
    (tmp_path / "python3").write_text(shell)
    (tmp_path / "python3").chmod(0o755)
    done = run(tmp_path / "bin" / "hermitctl", "list", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert (done.returncode, done.stderr) == (125, f"hermitctl: needs Python 3.11 or newer; python3 is {found}\n")
