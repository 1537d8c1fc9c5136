# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Create disks that UEFI firmware boots from: a FAT file system, made by mtools without root or a mount."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hermit_harness.paths import BUILD
from hermit_harness.vm.disk_cache import cached_disk, run_tool

CACHE_DIR = BUILD / "esp"
# The default boot file of removable media (UEFI specification 2.10, section 3.5.1.1).
BOOT_FILES = {"x86_64": "BOOTX64.EFI", "aarch64": "BOOTAA64.EFI", "riscv64": "BOOTRISCV64.EFI"}
METADATA_BYTES = 2 << 20  # bytes for the tables of the file system


def _mtools(*words: str) -> None:
    # Accept sizes that no real disk has, and ignore the user's settings.
    run_tool(words, "mtools", {"MTOOLS_SKIP_CHECK": "1", "MTOOLSRC": os.devnull})


def _make(image: Path, files: dict[str, bytes]) -> None:
    size = sum(len(data) + 4096 for data in files.values()) + METADATA_BYTES
    kibibytes = max(8192, (size // (1 << 20) + 1) * 1024)
    _mtools("mformat", "-i", str(image), "-C", "-h", "16", "-s", "63", "-T", str(kibibytes * 2), "-v", "HERMIT", "::")
    directories = {parent for name in files for parent in Path(name).parents} - {Path(".")}
    for directory in sorted(directories):
        _mtools("mmd", "-i", str(image), f"::/{directory}")
    with tempfile.TemporaryDirectory(dir=CACHE_DIR) as scratch:
        for name, data in files.items():
            file = Path(scratch) / Path(name).name
            file.write_bytes(data)
            _mtools("mcopy", "-i", str(image), str(file), f"::/{name}")


def image(arch: str, loader: Path, app: Path | None, arguments: str, directory: str = "hermit") -> Path:
    """Return a disk with a loader, an application and its arguments, from the cache if it is there.

    `directory` is the application's directory below EFI: hermit or BOOT. The file with the arguments is next to it.
    """
    files = {f"EFI/BOOT/{BOOT_FILES[arch]}": loader.read_bytes()}
    if app:
        files[f"EFI/{directory}/hermit-app"] = app.read_bytes()
    if arguments:
        files[f"EFI/{directory}/hermit-bootargs"] = arguments.encode()
    return disk(files)


def shell_disk(loader: Path, app: Path | None, arguments: str) -> Path:
    """Return a disk without a boot file: the UEFI shell's script starts the loader with `initrd=`."""
    files = {
        "startup.nsh": f"@echo -off\r\nFS0:\r\n\\loaders\\hermit.efi initrd=/apps/mine {arguments}\r\n".encode(),
        "loaders/hermit.efi": loader.read_bytes(),
    }
    if app:
        files["apps/mine"] = app.read_bytes()
    return disk(files)


def disk(files: dict[str, bytes]) -> Path:
    """Return a disk with these files, by path. The same files give the same disk."""
    return cached_disk(CACHE_DIR, files, lambda image: _make(image, files))
