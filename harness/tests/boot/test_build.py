# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's build: one command, nothing done twice, the same bytes anywhere, and what may be chosen."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness import __version__
from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.matrix.prerequisites import BuildError, make
from hermit_harness.paths import BUILD, ROOT, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
LOADER = ("-f", "loader/loader.mk")
NAMES = ("hermit-loader-x86_64-multiboot", "hermit-loader-x86_64")
# One of each kind: an ELF file of each CPU, and one that firmware moves.
KINDS = ("x86_64-multiboot", "x86_64-uefi", "aarch64-elf", "riscv64-sbi")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy_of_the_tree(to: Path) -> Path:
    """A checkout of its own of the loader's part: with git a real clone with today's files laid over it."""
    git = ["git", "-c", "safe.directory=*"]
    if (ROOT / ".git").exists():
        subprocess.run([*git, "clone", "-q", "--no-checkout", str(ROOT), str(to)], check=True, capture_output=True)
        subprocess.run([*git, "-C", str(to), "checkout", "-q", "HEAD"], check=True, capture_output=True)
    for part in ("loader", "Makefile", "VERSION"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, to / part, dirs_exist_ok=True)
        else:
            shutil.copy(source, to / part)
    return to


def build(tree: Path, jobs: str, umask: int, **env: str) -> list[str]:
    """Build release loaders in a tree, under another umask and environment; the digests of the files."""
    done = subprocess.run(
        ["make", "-s", jobs, *LOADER, "PROFILE=release", f"TARGET={' '.join(KINDS)}", "all"],
        cwd=tree, env={**os.environ, **env}, umask=umask, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [digest(tree / loader_file(name).relative_to(ROOT)) for name in KINDS]


@pytest.mark.requirement("N-16", "L-03")
def test_the_same_bytes_anywhere(tmp_path: Path) -> None:
    """Two copies in other folders (one with blanks), other locale, time zone, home, umask and number of
    jobs: same sha256."""
    first = copy_of_the_tree(tmp_path / "a")
    second = copy_of_the_tree(tmp_path / "another folder, with a longer name")
    one = build(first, "-j1", 0o022, LC_ALL="C", TZ="UTC", HOME=str(tmp_path))
    two = build(
        second,
        "-j2",
        0o077,
        LC_ALL="C.UTF-8",
        LANG="de_DE.UTF-8",
        TZ="Asia/Tokyo",
        USER="somebody",
        HOME="/nonexistent",
    )
    assert one == two


@pytest.mark.requirement("L-03")
def test_second_build_does_nothing() -> None:
    """What is built is not built again."""
    for profile in ("release", "debug"):
        file = BUILD / profile / NAMES[0]
        before = file.stat().st_mtime_ns
        make(*LOADER, f"PROFILE={profile}", "all")
        assert file.stat().st_mtime_ns == before, profile


# A target, and the folders of target/ that lead to it: upstream's names of all times.
OLD = {
    "x86_64": ("x86_64",),
    "x86_64-multiboot": ("x86_64-multiboot",),
    "x86_64-linux": ("x86_64-linux", "x86_64-fc"),
    "x86_64-uefi": ("x86_64-uefi",),
    "aarch64-elf": ("aarch64-elf", "aarch64"),
    "aarch64-uefi": ("aarch64-uefi",),
    "aarch64_be-elf": ("aarch64_be-elf", "aarch64_be"),
    "riscv64-sbi": ("riscv64-sbi", "riscv64"),
}


@pytest.mark.requirement("L-05", "N-02", "R-04")
@pytest.mark.parametrize("profile", ["release", "debug"])
def test_names_of_old(profile: str) -> None:
    """The paths of the older READMEs and of upstream's build lead to the same files."""
    for name, olds in OLD.items():
        wanted = loader_file(name, profile).resolve()
        for old in olds:
            flat = loader_file(old, profile).name if old == name else f"hermit-loader-{old}"
            for path in (f"target/{old}/{profile}/hermit-loader", f"target/{profile}/{flat}"):
                assert (ROOT / path).resolve() == wanted, path
    assert (ROOT / "target" / "x86_64" / profile / "rusty-loader").resolve() == loader_file("x86_64", profile)
    for name in ("x86_64-uefi", "aarch64-uefi"):
        assert (ROOT / "target" / name / profile / "hermit-loader.efi").resolve() == loader_file(name, profile)


@pytest.mark.requirement("L-05")
def test_last_line_is_the_file() -> None:
    """What was built stands on the last line."""
    said = make(*LOADER, "PROFILE=release", "all").split()
    assert re.fullmatch(r"build/release/hermit-loader-[\w.-]+", said[-1])
    assert (ROOT / said[-1]).is_file()


def plan(*words: str, folder: Path = ROOT, **env: str) -> str:
    """What make would do, its own calls of make included."""
    done = subprocess.run(
        ["make", "-n", "V=1", *words],
        cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.requirement("L-04", "R-03", "L-03")
@pytest.mark.parametrize("old,name", [(old, name) for name, olds in OLD.items() for old in olds])
def test_target_names(old: str, name: str) -> None:
    """An older name is a target, too, and debug is its default."""
    planned = plan(f"TARGET={old}")
    assert re.search(r"PROFILE=debug|profile in debug;", planned)
    assert make(*LOADER, "PROFILE=debug", f"TARGET={old}", "all").split() == [f"build/debug/{loader_file(name).name}"]


@pytest.mark.requirement("L-04")
def test_unknown_target_is_told() -> None:
    """With the list of those that there are."""
    with pytest.raises(BuildError, match=r"there are: .*x86_64-multiboot"):
        make(*LOADER, "TARGET=vax", "all")


@pytest.mark.requirement("M-08", "L-03")
@pytest.mark.parametrize("folder", [ROOT, ROOT / "loader"], ids=["here", "loader"])
def test_profile_from_the_environment(folder: Path) -> None:
    """RELEASE=1 or release=1, before make or behind it, here or in loader/, is the release build."""
    for words, env in (((), {"release": "1"}), (("release=1",), {}), (("RELEASE=1",), {})):
        planned = plan("loader", *words, folder=folder, **env)
        assert re.search(r"PROFILE=release|profile in release;", planned), planned
        assert "in debug" not in planned
    assert re.search(r"profile in debug", plan("loader", "release=0", folder=folder))


@pytest.mark.requirement("M-08")
def test_release_in_the_loaders_folder() -> None:
    """`cd loader; release=1 make` builds."""
    done = subprocess.run(
        ["make"], cwd=ROOT / "loader", env={**os.environ, "release": "1", "TARGET": "x86_64"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "build/release/hermit-loader-x86_64"


@pytest.mark.requirement("N-02")
def test_dist_and_size() -> None:
    """Release copies under their names, checksums that hold, UEFI's files among them; and how large each is."""
    said = make(*LOADER, "PROFILE=release", "dist")
    folder = BUILD / "dist"
    names = set(re.findall(r"^[0-9a-f]{64}  (\S+)$", said, re.M))
    assert {loader_file(name).name for name in OLD} <= names
    symbols = {f"{name}{ending}" for name in names for ending in (".debug", ".last")}
    assert {path.name for path in folder.iterdir()} == names | symbols | {"SHA256SUMS"}
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        checksum, name = line.split()
        assert digest(folder / name) == checksum == digest(BUILD / "release" / name)
    sizes = make(*LOADER, "PROFILE=release", "size")
    for name in names:
        size = (folder / name).stat().st_size
        assert re.search(rf"^ +{size} .* build/release/{re.escape(name)}$", sizes, re.M), name


@pytest.mark.requirement("L-06", "P-02")
def test_clang_builds_it_too(boot_here: Boot) -> None:
    """The second compiler's loader boots the same apps."""
    file = BUILD / "clang" / "release" / NAMES[0]
    for app in ("hello", "probe", "real-hello-0.11.0"):
        outcome = boot_here(replace(specs.release(app), loader=file))
        assert outcome.matches("exit 0"), f"{app}: {outcome}"
    assert digest(file) != digest(loader_file())


@pytest.mark.requirement("P-02")
def test_freestanding() -> None:
    """No symbol is left undefined, no libc, no dynamic section."""
    for profile in ("release", "debug"):
        symbols = loader_file("x86_64-multiboot", profile).with_name(NAMES[0] + ".debug")
        undefined = subprocess.run(["nm", "-u", str(symbols)], capture_output=True, text=True, check=True).stdout
        assert undefined.strip() == ""
    flags = (ROOT / "loader" / "loader.mk").read_text(encoding="utf-8")
    assert "-ffreestanding" in flags and "-nostdlib" in flags


@pytest.mark.requirement("N-15")
def test_level_at_build_time(tmp_path: Path, boot_here: Boot) -> None:
    """LOADER_LOG chooses the level; a wrong word is told. NO_COLOR changes nothing, since nothing is coloured."""
    make(
        *LOADER, "PROFILE=release", "LOADER_LOG=debug", "NO_COLOR=1", f"O={tmp_path}", "TARGET=x86_64-multiboot", "all"
    )
    outcome = boot_here(replace(specs.release("hello"), loader=tmp_path / "release" / NAMES[0]))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"[LOADER][DEBUG]" in outcome.console
    assert b"\x1b" not in outcome.console
    with pytest.raises(BuildError, match="there are: error warn info debug trace"):
        make(*LOADER, "LOADER_LOG=loud", "all")


@pytest.mark.requirement("N-16")
def test_banner_facts(boot_here: Boot) -> None:
    """Version, commit, CPU, how it was started, compiler and a date that SOURCE_DATE_EPOCH decides."""
    text = boot_here(specs.release("hello", append="loader.log=debug")).console.decode()
    for fact in (
        f"Hermit Loader version {__version__}",
        "Git version: ",
        "Architecture: x86_64",
        "Operating system: none",
    ):
        assert fact in text, fact
    assert re.search(r"Enabled features: .*multiboot", text)
    assert re.search(r"Built with (gcc|.*clang)", text)
    assert re.search(r"Built on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)


@pytest.mark.requirement("R-02", "P-03")
def test_nasm_is_for_x86_64_only(tmp_path: Path) -> None:
    """Without NASM, and without Python, all is built but what is for x86_64, which says so."""
    words = (*LOADER, "PROFILE=release", "NASM=no-such-nasm", "MISSING=quiet", f"O={tmp_path}")
    planned = make("-n", *words, "all")
    for name in ("aarch64-elf", "aarch64-uefi", "aarch64_be-elf", "riscv64-sbi"):
        assert f" -o {tmp_path}/release/{loader_file(name).name}.debug " in planned
    assert "x86_64-multiboot" not in planned
    assert "no-such-nasm" not in planned and "python" not in planned
    with pytest.raises(BuildError, match="x86_64-multiboot needs what is not there: no-such-nasm"):
        make(*words, "TARGET=x86_64-multiboot", "all")


@pytest.mark.requirement("P-12", "P-01")
def test_nothing_of_the_loader_is_in_the_apps() -> None:
    """Fixtures read the ABI by themselves: no header of the loader is included by them."""
    for path in (ROOT / "fixtures").rglob("*.[chS]"):
        assert not re.search(r'#include "(\.\./)+loader|loader/core', path.read_text(encoding="utf-8")), path
    assert images()["hello"].path.is_file()
