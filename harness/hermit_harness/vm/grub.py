# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Create disks that GRUB boots the loader from: an ISO 9660 image, which a PC boots from a CD drive and from a disk."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hermit_harness.paths import BUILD
from hermit_harness.vm.disk_cache import cached_disk, run_tool

CACHE_DIR = BUILD / "grub"
PROGRAMS = ("grub-mkrescue", "grub2-mkrescue")  # the second one is Fedora's
PACKAGES = "grub-common, grub-pc-bin and xorriso"
PLATFORM = "/usr/lib/grub/i386-pc"
# What this disk needs, and nothing for a menu.
MODULES = "multiboot multiboot2 iso9660 biosdisk part_msdos normal serial terminal boot halt"


def config(protocol: str, append: str, modules: int) -> str:
    """Return grub.cfg. GRUB's command is `multiboot` or `multiboot2`; ValueError for an unclosed quote in `append`.

    GRUB quotes the words of the command line itself, where needed. It prints errors on the serial port, and then the
    machine is switched off.
    """
    words = [f"'{word}'" for word in (part.replace("'", r"'\''") for part in shlex.split(append))]
    lines = ["serial", "terminal_output serial", " ".join([protocol, "/boot/loader", *words])]
    lines += [f"{protocol.replace('multiboot', 'module')} /boot/app{number}" for number in range(modules)]
    return "\n".join([*lines, "boot", "halt", ""])


def iso(protocol: str, loader: Path, apps: Sequence[Path], append: str) -> Path:
    """Return a disk on which GRUB boots `loader` with `apps` as its modules, from the cache if it is there."""
    files = {"boot/grub/grub.cfg": config(protocol, append, len(apps)).encode(), "boot/loader": loader.read_bytes()}
    files |= {f"boot/app{number}": app.read_bytes() for number, app in enumerate(apps)}

    def make(image: Path) -> None:
        with tempfile.TemporaryDirectory(dir=CACHE_DIR) as scratch:
            for name, data in files.items():
                (Path(scratch) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(scratch) / name).write_bytes(data)
            program = next(filter(shutil.which, PROGRAMS), PROGRAMS[0])
            words = [program, "--directory", PLATFORM, "--locales=", "--fonts=", "--themes="]
            run_tool([*words, f"--install-modules={MODULES}", "--output", str(image), scratch], PACKAGES)

    return cached_disk(CACHE_DIR, files, make)
