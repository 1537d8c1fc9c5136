# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The compiler that builds the loader: names, directories and tuning options of the user."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import specs
from hermit_harness.matrix.prerequisites import BuildError, make
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

Boot = Callable[[RunSpec], Outcome]
LOADER = ("-f", "loader/loader.mk", "PROFILE=release")
TOOLS = ("gcc", "nm", "objcopy")


def log(*words: str) -> str:
    """Build, and return each command of the build."""
    done = subprocess.run(
        ["make", *LOADER, "V=1", *words, "all"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def tools(directory: Path, cpu: str, prefix: str) -> Path:
    """Make a directory with a cross toolchain under another name, from the installed one."""
    directory.mkdir()
    for tool in TOOLS:
        found = shutil.which(f"{cpu}-linux-gnu-{tool}")
        assert found, tool
        (directory / f"{prefix}{tool}").symlink_to(found)
    return directory


@pytest.mark.requirement("C-10")
@pytest.mark.parametrize(
    "target,prefix",
    [("aarch64-elf", "aarch64-hermit-"), ("riscv64-sbi", "riscv64-unknown-elf-"), ("x86_64-multiboot", "own-")],
)
def test_toolchain_in_a_directory(target: str, prefix: str, tmp_path: Path, boot_here: Boot) -> None:
    """The build uses compiler and binutils of another name in the user's directory; the loader boots."""
    directory = tools(tmp_path / "bin", target.partition("-")[0], prefix)
    said = log(f"TARGET={target}", f"O={tmp_path}", f"CROSS_COMPILE={prefix}", f"TOOLCHAIN_BIN_DIR={directory}/")
    for tool in TOOLS:
        assert f"{directory}/{prefix}{tool} " in said, tool
    assert " gcc " not in said and "linux-gnu-" not in said.replace("--target", "")
    file = Path(said.split()[-1])
    outcome = boot_here(replace(specs.release("hello", target_name=target), loader=file))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("C-10")
def test_prefix_applies_to_its_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a target, a prefix that begins with a CPU's name leaves the tools of other CPUs unchanged."""
    directory = tools(tmp_path / "bin", "aarch64", "aarch64-hermit-")
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
    planned = log("-n", f"O={tmp_path}", "TARGET=aarch64-elf x86_64-multiboot", "CROSS_COMPILE=aarch64-hermit-")
    assert "\naarch64-hermit-gcc " in planned and "\ngcc -m64 " in planned
    assert "aarch64-linux-gnu-gcc" not in planned


@pytest.mark.requirement("C-03")
def test_build_on_another_cpu(tmp_path: Path) -> None:
    """On an AArch64 host, x86_64 is the CPU that needs a cross compiler. The loader has the same bytes."""
    said = log("TARGET=x86_64-multiboot", f"O={tmp_path}", "host.cpu=aarch64")
    assert "x86_64-linux-gnu-gcc -m64" in said and "\ngcc " not in said
    assert Path(said.split()[-1]).read_bytes() == loader_file("x86_64-multiboot").read_bytes()


@pytest.mark.requirement("C-10")
@pytest.mark.parametrize(
    "words,says",
    [
        (("TOOLCHAIN_BIN_DIR=/nonexistent",), r"TOOLCHAIN_BIN_DIR=/nonexistent: no such directory"),
        (("TOOLCHAIN_BIN_DIR=/proc/self",), r"x86_64-multiboot needs tools that are not installed: /proc/self/gcc"),
        (("CROSS_COMPILE=none-such-",), r"x86_64-multiboot needs tools that are not installed: none-such-gcc"),
        (
            ("CROSS_COMPILE=aarch64-none-such-",),
            r"CROSS_COMPILE=aarch64-none-such-: aarch64-none-such-gcc .* not found",
        ),
    ],
    ids=lambda value: value[0].partition("=")[0] if isinstance(value, tuple) else "",
)
def test_wrong_path_is_one_line(words: tuple[str, ...], says: str) -> None:
    """The missing program is named before anything is compiled."""
    with pytest.raises(BuildError, match=says) as error:
        make(*LOADER, "TARGET=x86_64-multiboot", *words, "all")
    assert len(str(error.value).splitlines()) == 2  # make's call, and the error


@pytest.mark.requirement("C-35")
def test_mtune_reaches_the_compiler(tmp_path: Path) -> None:
    """MTUNE= and CFLAGS= are in the build's log, and another value causes a new build."""
    words = ("TARGET=x86_64-multiboot", f"O={tmp_path}")
    first = log("MTUNE=skylake", *words)
    compiled = [line for line in first.splitlines() if " -c " in line and line.endswith(".c")]
    assert len(compiled) > 20
    assert all(" -mtune=skylake " in line for line in compiled)
    assert " -c " not in log("MTUNE=skylake", *words)
    again = log("MTUNE=skylake", "CFLAGS=-DNOTHING", *words)
    assert again.count(" -DNOTHING ") == len(compiled)
    with pytest.raises(BuildError, match="none-such"):
        make(*LOADER, "MTUNE=none-such", *words, "all")
