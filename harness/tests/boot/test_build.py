# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The loader's build: one command, incremental, reproducible and configurable."""

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
# Each compiler and each kind: two ELF files, and one UEFI file, which firmware relocates.
KINDS = ("x86_64-multiboot", "aarch64-uefi", "riscv64-sbi")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def copy_of_the_tree(to: Path) -> Path:
    """Copy the loader's part of the checkout. Under git this is a clone with the current files on top."""
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


def build(tree: Path, jobs: str, umask: int, kinds: tuple[str, ...] = KINDS, **env: str) -> list[str]:
    """Build release loaders as for packages, with another umask and environment.

    Return the digests of loaders and symbols.
    """
    done = subprocess.run(
        ["make", "-s", jobs, *LOADER, "PROFILE=release", "ASM_LINES=no", f"TARGET={' '.join(kinds)}", "all"],
        cwd=tree, env={**os.environ, **env}, umask=umask, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    files = [tree / loader_file(name).relative_to(ROOT) for name in kinds]
    return [digest(file.with_name(file.name + symbols)) for symbols in ("", ".debug", ".trampoline") for file in files]


@pytest.mark.requirement("N-16", "L-03")
def test_builds_are_reproducible(tmp_path: Path) -> None:
    """Directory (with blanks), locale, time zone, home, umask and number of jobs do not change the sha256."""
    first = copy_of_the_tree(tmp_path / "a")
    second = copy_of_the_tree(tmp_path / "another directory, with a longer name")
    one = build(first, "-j1", 0o022, LC_ALL="C", TZ="UTC", HOME=str(tmp_path))
    two = build(
        second,
        "-j2",
        0o077,
        LC_ALL="C.UTF-8",
        LANG="de_DE.UTF-8",
        TZ="Asia/Tokyo",
        USER="builder",
        HOME="/nonexistent",
    )
    assert one == two
    # The date is the commit's, or that of SOURCE_DATE_EPOCH.
    dated = [build(tree, "-j2", 0o022, KINDS[:1], SOURCE_DATE_EPOCH="1000000000") for tree in (first, second)]
    assert dated[0] == dated[1] and dated[0][0] != one[0]
    assert b"2001-09-09T01:46:40Z" in (first / loader_file(KINDS[0]).relative_to(ROOT)).read_bytes()


@pytest.mark.requirement("L-03")
def test_second_build_does_nothing() -> None:
    for profile in ("release", "debug"):
        file = BUILD / profile / NAMES[0]
        before = file.stat().st_mtime_ns
        make(*LOADER, f"PROFILE={profile}", "all")
        assert file.stat().st_mtime_ns == before, profile


# A target and the directories of target/ with its file: all names that upstream has used.
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
def test_upstreams_paths_resolve(profile: str) -> None:
    """The paths of former READMEs and of upstream's build resolve to the same files."""
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
def test_last_line_is_the_path() -> None:
    """The last line of a build is the path of the built file."""
    said = make(*LOADER, "PROFILE=release", "all").split()
    assert re.fullmatch(r"build/release/hermit-loader-[\w.-]+", said[-1])
    assert (ROOT / said[-1]).is_file()


def plan(*words: str, directory: Path = ROOT, **env: str) -> str:
    """Return what make would run, including its recursive calls."""
    done = subprocess.run(
        ["make", "-n", "V=1", *words],
        cwd=directory, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.requirement("L-04", "R-03", "L-03")
@pytest.mark.parametrize("old,name", [(old, name) for name, olds in OLD.items() for old in olds])
def test_former_target_names(old: str, name: str) -> None:
    """A former target name is accepted, and debug is its default profile."""
    planned = plan(f"TARGET={old}")
    assert re.search(r"PROFILE=debug|profile in debug;", planned)
    assert make(*LOADER, "PROFILE=debug", f"TARGET={old}", "all").split() == [f"build/debug/{loader_file(name).name}"]


@pytest.mark.requirement("L-04")
def test_unknown_target_is_refused() -> None:
    """The error lists the targets."""
    with pytest.raises(BuildError, match=r"known: .*x86_64-multiboot"):
        make(*LOADER, "TARGET=vax", "all")


@pytest.mark.requirement("M-08", "L-03")
@pytest.mark.parametrize("directory", [ROOT, ROOT / "loader"], ids=["here", "loader"])
def test_profile_from_variables(directory: Path) -> None:
    """RELEASE=1 and release=1 select the release build, before and after `make`, here and in loader/."""
    for words, env in (((), {"release": "1"}), (("release=1",), {}), (("RELEASE=1",), {})):
        planned = plan("loader", *words, directory=directory, **env)
        assert re.search(r"PROFILE=release|profile in release;", planned), planned
        assert "in debug" not in planned
    assert re.search(r"profile in debug", plan("loader", "release=0", directory=directory))


@pytest.mark.requirement("M-08")
def test_release_in_the_loaders_directory() -> None:
    done = subprocess.run(
        ["make"], cwd=ROOT / "loader", env={**os.environ, "release": "1", "TARGET": "x86_64"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "build/release/hermit-loader-x86_64"


@pytest.mark.requirement("N-02")
def test_dist_and_size() -> None:
    """The release directory has all files, UEFI's included, and valid checksums; `make size` prints the sizes."""
    said = make(*LOADER, "PROFILE=release", "dist")
    directory = BUILD / "dist"
    names = set(re.findall(r"^[0-9a-f]{64}  (\S+)$", said, re.M))
    assert {loader_file(name).name for name in OLD} <= names
    symbols = {f"{name}{ending}" for name in names for ending in (".debug", ".trampoline")}
    assert {path.name for path in directory.iterdir()} == names | symbols | {"SHA256SUMS"}
    for line in (directory / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        checksum, name = line.split()
        assert digest(directory / name) == checksum == digest(BUILD / "release" / name)
    sizes = make(*LOADER, "PROFILE=release", "size")
    for name in names:
        size = (directory / name).stat().st_size
        assert re.search(rf"^ +{size} .* build/release/{re.escape(name)}$", sizes, re.M), name


@pytest.mark.requirement("L-06", "P-02")
def test_clang_build_boots(boot_here: Boot) -> None:
    """Loaders built with Clang boot the same applications."""
    file = BUILD / "clang" / "release" / NAMES[0]
    for app in ("hello", "probe", "real-hello-0.11.0"):
        outcome = boot_here(replace(specs.release(app), loader=file))
        assert outcome.matches("exit 0"), f"{app}: {outcome}"
    assert digest(file) != digest(loader_file())


@pytest.mark.requirement("P-02")
@pytest.mark.parametrize("name", OLD)
def test_freestanding(name: str) -> None:
    """The loader has no undefined symbol, and needs neither library nor dynamic linker."""
    for profile in ("release", "debug"):
        file = specs.debug_file(loader_file(name, profile))
        said = subprocess.run(["readelf", "-WlsdS", str(file)], capture_output=True, text=True, check=True).stdout
        assert re.search(r" FUNC +\w+ +\w+ +\d+ boot_run$", said, re.M)
        undefined = {line.split()[-1] for line in said.splitlines() if re.match(r" *\d+: .* UND ", line)}
        assert undefined <= {"UND"}, undefined  # entry 0
        assert "(NEEDED)" not in said and "INTERP" not in said
        assert not re.search(r"\.(ctors|init_array|gnu\.version)", said)


@pytest.mark.requirement("P-02")
def test_freestanding_flags() -> None:
    """Every C file is compiled with -ffreestanding, every file of the loader is linked with -nostdlib."""
    done = subprocess.run(
        ["make", "-n", "-B", "V=1", *LOADER, "PROFILE=release", f"TARGET={' '.join(KINDS)}", "all"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    commands = [line for line in done.stdout.replace("\\\n", " ").splitlines() if f"{BUILD.name}/release/" in line]
    compiled = [line for line in commands if re.search(r" -c -o .*\.c$", line) and "/host/" not in line]
    linked = [line for line in commands if " -Wl,-T," in line]
    assert len(compiled) > 100 and len(linked) >= 3 * len(KINDS)
    assert [line for line in compiled if " -ffreestanding " not in line] == []
    assert [line for line in linked if " -nostdlib " not in line] == []


@pytest.mark.requirement("N-15", "L-03", "C-08")
def test_level_at_build_time(tmp_path: Path, boot_here: Boot) -> None:
    """LOADER_LOG selects the level, and a wrong word is refused. NO_COLOR changes nothing: there are no colours.

    Another level compiles one file again, and so does another commit: both are in the same header.
    """
    words = (*LOADER, "PROFILE=release", "NO_COLOR=1", f"O={tmp_path}", "TARGET=x86_64-multiboot", "all")
    make(*words, "LOADER_LOG=debug")
    outcome = boot_here(replace(specs.release("hello"), loader=tmp_path / "release" / NAMES[0]))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"[LOADER][DEBUG]" in outcome.console
    assert b"\x1b" not in outcome.console
    assert re.findall(r"CC +\S+/(\w+)\.o", make(*words, "LOADER_LOG=info")) == ["boot"]
    with pytest.raises(BuildError, match="known: error warn info debug trace"):
        make(*LOADER, "LOADER_LOG=loud", "all")


@pytest.mark.requirement("N-16", "N-14")
def test_banner_facts(boot_here: Boot) -> None:
    """The banner has version, commit, CPU, boot protocol, compiler and date; the kernel's version follows."""
    text = boot_here(specs.release("hello", append="loader.log=debug")).console.decode()
    for fact in (
        f"Hermit Loader version {__version__}",
        "Git version: ",
        "Architecture: x86_64",
        "Operating system: none",
    ):
        assert fact in text, fact
    assert re.search(r"Found Hermit version 0\.11\.0\r?$", text, re.M)
    assert re.search(r"Enabled features: .*multiboot", text)
    assert re.search(r"Built with (gcc|.*clang)", text)
    assert re.search(r"Built on \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)


@pytest.mark.requirement("R-02", "P-03")
def test_only_x86_64_needs_nasm(tmp_path: Path) -> None:
    """Without NASM and Python all other targets are built; an x86_64 target names the missing program."""
    words = (*LOADER, "PROFILE=release", "NASM=no-such-nasm", "MISSING=quiet", f"O={tmp_path}")
    planned = make("-n", *words, "all")
    for name in ("aarch64-elf", "aarch64-uefi", "aarch64_be-elf", "riscv64-sbi"):
        assert f" -o {tmp_path}/release/{loader_file(name).name}.debug " in planned
    assert "x86_64-multiboot" not in planned
    assert "no-such-nasm" not in planned and "python" not in planned
    with pytest.raises(BuildError, match="x86_64-multiboot needs tools that are not installed: no-such-nasm"):
        make(*words, "TARGET=x86_64-multiboot", "all")


@pytest.mark.requirement("P-12", "P-01")
def test_fixtures_do_not_include_the_loader() -> None:
    """Fixtures define the ABI independently: none includes a header of the loader."""
    for path in (ROOT / "fixtures").rglob("*.[chS]"):
        assert not re.search(r'#include "(\.\./)+loader|loader/core', path.read_text(encoding="utf-8")), path
    assert images()["hello"].path.is_file()
