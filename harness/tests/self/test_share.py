# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A shared folder, without a guest: what is asked for, which daemon fits, and that none outlives its run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import run
from hermit_harness.share.daemon import find
from hermit_harness.share.folder import Share, share
from hermit_harness.vm.argv import helper_note, plain_argv
from hermit_harness.vm.process import LaunchError

C_VERSION = "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7)\nusing FUSE kernel interface version 7.36"


@pytest.mark.parametrize(
    ("text", "tag"), [("{}", "myfs"), ("{}:root", "root"), ("{}/with:colon", "myfs"), ("{}/with:colon:a", "a")]
)
def test_folder_and_tag(text: str, tag: str, tmp_path: Path) -> None:
    """W-36: DIR[:TAG]; a colon in the folder's own name is no separator."""
    (tmp_path / "with:colon").mkdir()
    asked = share(text.format(tmp_path))
    assert (asked.tag, asked.folder.is_dir()) == (tag, True)


@pytest.mark.parametrize("text", ["{}/none", "{}:", "{}:a/b", "{}:" + 37 * "a", "{}:a,b"])
def test_mistakes_are_told(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--share"):
        share(text.format(tmp_path))


def test_words_for_qemu(tmp_path: Path) -> None:
    """W-32, W-33: the documented device and queue; the memory's size is that of the machine; a person who starts the
    machine by hand is told how to start the daemon."""
    spec = replace(run.release("real-read-0.11.0", memory="300M"), share=Share(tmp_path, "root"))
    line = " ".join(plain_argv(spec))
    assert "-device vhost-user-fs-pci,chardev=share0,tag=root,queue-size=1024" in line
    assert "-m 300M" in line and "size=300M,share=on" in line
    assert f"--shared-dir {tmp_path}" in helper_note(spec)
    by_mmio = " ".join(plain_argv(replace(spec, machine="microvm")))
    assert "-device vhost-user-fs-device," in by_mmio


def stub(folder: Path, text: str) -> str:
    program = folder / "virtiofsd"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    program.chmod(0o755)
    return str(program)


def test_daemon_of_old_qemus_is_refused(tmp_path: Path) -> None:
    """W-30: QEMU's C daemon is known by its version's text, and refused with the reason and the cure."""
    with pytest.raises(LaunchError, match=r"names that begin with a slash.*in Rust"):
        find(stub(tmp_path, C_VERSION))


def test_any_daemon_in_rust_is_taken(tmp_path: Path) -> None:
    program = stub(tmp_path, "virtiofsd 1.13.2")
    assert find(program) == program


def test_a_program_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="cannot be started"):
        find(str(tmp_path / "none"))
