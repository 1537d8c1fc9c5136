# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Shared directories without a guest: the option, the choice of virtiofsd, and the end of its process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.cli import doctor
from hermit_harness.matrix import specs
from hermit_harness.paths import ROOT
from hermit_harness.vm import virtiofsd
from hermit_harness.vm.argv import standalone_argv, virtiofsd_note
from hermit_harness.vm.process import LaunchError
from hermit_harness.vm.shared_directory import SharedDirectory, parse_shared_directory
from hermit_harness.vm.virtiofsd import find_program

C_VERSION = "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7)\nusing FUSE kernel interface version 7.36"


@pytest.mark.requirement("W-36")
@pytest.mark.parametrize(
    ("text", "tag"), [("{}", "myfs"), ("{}:root", "root"), ("{}/with:colon", "myfs"), ("{}/with:colon:a", "a")]
)
def test_directory_and_tag(text: str, tag: str, tmp_path: Path) -> None:
    """DIR[:TAG]; a colon in the directory's own name is no separator."""
    (tmp_path / "with:colon").mkdir()
    asked = parse_shared_directory(text.format(tmp_path))
    assert asked.tag == tag
    assert asked.directory and asked.directory.is_dir()


@pytest.mark.requirement("W-29")
def test_tag_alone_means_a_temporary_directory() -> None:
    assert parse_shared_directory(":root") == SharedDirectory(None, "root")


@pytest.mark.parametrize("text", ["{}/none", "{}:", ":", "{}/none:a", "{}:a/b", "{}:" + 37 * "a", "{}:a,b"])
def test_mistakes_are_reported(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--share"):
        parse_shared_directory(text.format(tmp_path))


@pytest.mark.requirement("W-32", "W-33")
def test_words_for_qemu(tmp_path: Path) -> None:
    """QEMU gets the documented device and queue, and memory of the machine's size.

    The line for users shows how to start virtiofsd.
    """
    spec = replace(specs.release("real-read-0.11.0", memory="300M"), share=SharedDirectory(tmp_path, "root"))
    line = " ".join(standalone_argv(spec))
    assert "-device vhost-user-fs-pci,chardev=share0,tag=root,queue-size=1024" in line
    assert "-m 300M" in line and "size=300M,share=on" in line
    assert f"--shared-dir {tmp_path}" in virtiofsd_note(spec)
    own = virtiofsd_note(replace(spec, share=SharedDirectory(None)))
    assert "mkdir -p virtiofsd.dir; " in own and "--shared-dir virtiofsd.dir " in own
    by_mmio = " ".join(standalone_argv(replace(spec, machine="microvm")))
    assert "-device vhost-user-fs-device," in by_mmio


def script(program: Path, text: str) -> Path:
    program.parent.mkdir(exist_ok=True)
    program.write_text(f"#!/bin/sh\n{text}\n")
    program.chmod(0o755)
    return program


def stub(directory: Path, text: str) -> str:
    """Create a program that can only print its version."""
    return str(script(directory / "virtiofsd", f"cat <<'END'\n{text}\nEND"))


@pytest.mark.requirement("W-30")
def test_virtiofsd_in_c_is_refused(tmp_path: Path) -> None:
    """QEMU's former C program is recognised by its version text, and refused with reason and remedy."""
    with pytest.raises(LaunchError, match=r"names that Hermit sends \(with a leading slash\).*in Rust"):
        find_program(stub(tmp_path, C_VERSION))


def test_any_virtiofsd_in_rust_is_accepted(tmp_path: Path) -> None:
    program = stub(tmp_path, "virtiofsd 1.13.2")
    assert find_program(program) == program


def test_other_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="cannot be started"):
        find_program(str(tmp_path / "none"))


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A system without a virtiofsd and without a way to install one.

    `path` is in $PATH; packages use `libexec` and `lib`.
    """
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setattr(
        virtiofsd, "SYSTEM_PATHS", tuple(str(tmp_path / name / "virtiofsd") for name in ("libexec", "lib"))
    )
    monkeypatch.setattr(virtiofsd, "BUILD_SCRIPT", script(tmp_path / "maker" / "maker.sh", "exit 1"))
    find_program.cache_clear()
    yield tmp_path
    find_program.cache_clear()


@pytest.mark.requirement("W-30")
@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        ({"path": "virtiofsd 1.13.2", "libexec": "virtiofsd 1.10.0", "lib": "virtiofsd 1.10.0"}, "path"),
        ({"path": C_VERSION, "libexec": "virtiofsd 1.10.0", "lib": "virtiofsd 1.11.0"}, "libexec"),
        ({"libexec": C_VERSION, "lib": "virtiofsd 1.13.2"}, "lib"),
    ],
    ids=["path", "libexec", "lib"],
)
def test_installed_virtiofsd_is_used(installed: dict[str, str], taken: str, system: Path) -> None:
    """The first one in Rust is used, from $PATH or a package's directory, whatever precedes it."""
    for name, version in installed.items():
        stub(system / name, version)
    assert find_program() == str(system / taken / "virtiofsd")


@pytest.mark.requirement("W-30")
def test_virtiofsd_is_built_if_none_is_installed(system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is only QEMU's own, one is built, once; a failure is one sentence."""
    stub(system / "lib", C_VERSION)
    with pytest.raises(LaunchError, match=r"no virtiofsd in Rust is installed.*maker\.sh"):
        find_program()
    monkeypatch.setattr(virtiofsd, "BUILD_SCRIPT", script(system / "maker" / "maker.sh", f"echo {system}/made"))
    assert find_program() == f"{system}/made"


@pytest.mark.requirement("W-30")
def test_debian_package_is_unpacked(system: Path) -> None:
    """If apt has the package, nothing is compiled or installed, and apt is not asked again."""
    script(system / "path" / "apt-cache", '[ "$*" = "show virtiofsd" ]')
    script(
        system / "path" / "apt-get",
        'for word; do :; done; [ "$word" = virtiofsd ] && touch virtiofsd_1.13.2-1_amd64.deb',
    )
    unpacked = '"$3/usr/libexec/virtiofsd"'
    script(
        system / "path" / "dpkg",
        f'[ "$1" = -x ] && [ -f "$2" ] && mkdir -p "$3/usr/libexec" && '
        f"printf '#!/bin/sh\\necho virtiofsd 1.13.2\\n' >{unpacked} && chmod +x {unpacked}",
    )
    maker, cache = ROOT / "fixtures" / "real" / "virtiofsd.sh", system / "cache"
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    for _ in range(2):
        done = subprocess.run([str(maker)], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"{cache}/hermit-harness/virtiofsd-package/virtiofsd\n"
        script(system / "path" / "apt-cache", "exit 1")
    assert find_program(done.stdout.strip())


@pytest.mark.requirement("W-28", "W-38")
@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("vhost-user-fs-pci options:\n  tag=<str>", "without a window for DAX"),
        ("vhost-user-fs-pci options:\n  cache-size=<size>\n  tag=<str>", "with a window for DAX"),
        ("", "has no vhost-user-fs-pci"),
    ],
    ids=["7.2", "dax", "none"],
)
def test_doctor_examines_this_qemu(said: str, found: str, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor examines the chosen QEMU, and names the virtiofsd."""
    qemu = script(system / "path" / "my-qemu", f"printf '{said}'")
    monkeypatch.setenv("HERMIT_QEMU", str(qemu))
    of_qemu, of_daemon = doctor.sharing()
    assert found in of_qemu.found
    assert (of_qemu.good, of_qemu.needed) == (bool(said), False)
    assert "none in Rust here" in of_daemon.found
    stub(system / "lib", "virtiofsd 1.13.2")
    assert doctor.sharing()[1].found == str(system / "lib" / "virtiofsd")
