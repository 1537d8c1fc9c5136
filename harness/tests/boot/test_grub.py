# SPDX-License-Identifier: Apache-2.0 OR MIT
"""GRUB as boot loader: what the cells do not show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm import grub
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.boot_log import BootLog

Boot = Callable[[RunSpec], Outcome]


@pytest.fixture
def spec() -> RunSpec:
    """A boot of hello by Multiboot 2."""
    return specs.release("hello", target_name="x86_64-multiboot2")


def test_configuration() -> None:
    """GRUB gets each word in quotes of its own, whatever the word contains; each file is a module."""
    text = grub.config("multiboot2", "-freq 1000 -- 'one two' \"it's\" $x;", 2).splitlines()
    assert text[2] == r"multiboot2 /boot/loader '-freq' '1000' '--' 'one two' 'it'\''s' '$x;'"
    assert text[3:5] == ["module2 /boot/app0", "module2 /boot/app1"]
    assert grub.config("multiboot", "", 1).splitlines()[2:4] == ["multiboot /boot/loader", "module /boot/app0"]


def test_grub_counts_as_firmware(spec: RunSpec) -> None:
    """What GRUB prints before the loader, such as the clearing of the screen, is no output of the application."""
    assert BootLog.of(spec).in_firmware and not BootLog.of(specs.release("hello")).in_firmware


def test_refusals(spec: RunSpec, boot_here: Boot, tmp_path: Path) -> None:
    """No module, and a module that is no application: the loader's line and status, as with QEMU's -kernel."""
    outcome = boot_here(replace(spec, app=None, expect="refused 65 no-module"))
    assert outcome.matches("refused 65 no-module"), str(outcome)
    text = tmp_path / "text"
    text.write_text("no application")
    outcome = boot_here(replace(spec, app=text, expect="refused 69 app-unknown-format"))
    assert outcome.matches("refused 69 app-unknown-format"), str(outcome)


def test_words_reach_the_application(spec: RunSpec, boot_here: Boot) -> None:
    """The application gets the words of the user, with blanks, quotes and what GRUB's shell would expand."""
    words = replace(spec, app=images()["args"].path, append="-- 'one two' '$x;' \"it's\" 'a\"b' '\\'")
    outcome = boot_here(words)
    found = [line.split(b"=", 1)[1] for line in outcome.console.splitlines() if line.startswith(b"args argv[")]
    assert found[1:] == [b"<<<one two>>>", b"<<<$x;>>>", b"<<<it's>>>", b'<<<a"b>>>', b"<<<\\>>>"], outcome.console


def test_second_module(spec: RunSpec, boot_here: Boot) -> None:
    """The first module boots, and a warning counts the others."""
    outcome = boot_here(replace(spec, modules=(images()["panic"].path,)))
    assert outcome.matches("exit 0"), str(outcome)
    assert outcome.console.count(b"[LOADER][WARN]") == 1


def test_grub_cannot_boot_the_file(spec: RunSpec, boot_here: Boot) -> None:
    """A loader without the header of the protocol ends the run at once, and is named. GRUB's line is on the console."""
    outcome = boot_here(replace(spec, loader=images()["hello"].path, expect="infra"))
    assert b"error: no multiboot header found." in outcome.console
    assert outcome.matches("infra") and "GRUB could not load the loader" in outcome.cause, str(outcome)
