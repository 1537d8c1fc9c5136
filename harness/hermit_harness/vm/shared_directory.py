# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A shared directory on the command lines of QEMU and virtiofsd."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_TAG = "myfs"
MAX_TAG_BYTES = 36  # bytes; VIRTIO 1.2, 5.11.4


@dataclass(frozen=True)
class SharedDirectory:
    """A shared directory, which the guest mounts as /TAG.

    `directory` None is an empty directory in memory that exists for one run. `queue` is the queue size, 0 for QEMU's
    default. `program` is the virtiofsd to use. `options` are further options of -device. `mmio` selects MMIO instead of
    PCI.
    """

    directory: Path | None
    tag: str = DEFAULT_TAG
    queue: int = 1024
    program: str = ""
    options: str = ""
    mmio: bool = False


def parse_shared_directory(text: str, program: str = "") -> SharedDirectory:
    """Parse DIR, DIR:TAG or :TAG. Raise ValueError with the reason."""
    name, _, tag = text.rpartition(":")
    if ":" not in text or Path(text).is_dir():
        name, tag = text, DEFAULT_TAG
    if not re.fullmatch(r"[^/:,\s]+", tag) or len(tag.encode()) > MAX_TAG_BYTES:
        raise ValueError(f"--share {text}: a tag has 1 to {MAX_TAG_BYTES} bytes, and no slash, comma, colon or blank")
    directory = Path(name).absolute() if name else None
    if directory and not directory.is_dir():
        raise ValueError(f"--share {text}: {directory} is not a directory")
    return SharedDirectory(directory, tag, program=program)


def argv(share: SharedDirectory, memory: str, mmio: bool) -> list[str]:
    """Return QEMU's arguments for the device and for guest memory shared with virtiofsd. Its chardev is share0."""
    size = f"{memory}M" if memory.isdecimal() else memory  # as -m reads it; the object's unit is a byte
    words = [f"vhost-user-fs-{'device' if mmio else 'pci'}", "chardev=share0", f"tag={share.tag}"]
    words += [f"queue-size={share.queue}"] if share.queue else []
    words += [share.options] if share.options else []
    return [
        *("-object", f"memory-backend-memfd,id=shared0,size={size},share=on", "-machine", "memory-backend=shared0"),
        *(("-global", "virtio-mmio.force-legacy=off") if mmio else ()),
        *("-device", ",".join(words)),
    ]


def virtiofsd_argv(program: str, share: SharedDirectory, listener: str, empty_directory: str) -> list[str]:
    """Return virtiofsd's command line.

    `listener` is the option for its socket. `empty_directory` replaces a missing directory.

    virtiofsd respects the directory's permissions even as root, caches nothing, and is confined to the directory.
    """
    return [
        *(program, listener, "--shared-dir", str(share.directory or empty_directory), "--sandbox=chroot"),
        *("--modcaps=-dac_override", "--cache=never", "--log-level=error"),
    ]
