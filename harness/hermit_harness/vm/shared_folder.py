# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A shared folder as QEMU is told of it. Values; nothing here looks at the machine but for whether a folder is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_TAG = "myfs"
MAX_TAG_BYTES = 36  # bytes; VIRTIO 1.2, 5.11.4


@dataclass(frozen=True)
class SharedFolder:
    """`folder` is seen in the guest as /TAG; None is an empty one, of this run alone, in no folder of this machine.
    `queue` 0 is QEMU's own size of a queue; `program` is the virtiofsd to use, `options` are further words for
    -device; `mmio`: not by PCI where the machine has both."""

    folder: Path | None
    tag: str = DEFAULT_TAG
    queue: int = 1024
    program: str = ""
    options: str = ""
    mmio: bool = False


def parse_shared_folder(text: str, program: str = "") -> SharedFolder:
    """DIR, DIR:TAG or :TAG. ValueError says what is wrong."""
    name, _, tag = text.rpartition(":")
    if ":" not in text or Path(text).is_dir():
        name, tag = text, DEFAULT_TAG
    if not re.fullmatch(r"[^/:,\s]+", tag) or len(tag.encode()) > MAX_TAG_BYTES:
        raise ValueError(f"--share {text}: a tag has 1 to {MAX_TAG_BYTES} bytes, and no slash, comma, colon or blank")
    folder = Path(name).absolute() if name else None
    if folder and not folder.is_dir():
        raise ValueError(f"--share {text}: {folder} is no folder")
    return SharedFolder(folder, tag, program=program)


def argv(share: SharedFolder, memory: str, mmio: bool) -> list[str]:
    """QEMU's words for the device and for memory that the daemon can see; the daemon's end is the chardev share0."""
    words = [f"vhost-user-fs-{'device' if mmio else 'pci'}", "chardev=share0", f"tag={share.tag}"]
    words += [f"queue-size={share.queue}"] if share.queue else []
    words += [share.options] if share.options else []
    return [
        *("-object", f"memory-backend-memfd,id=shared0,size={memory},share=on", "-machine", "memory-backend=shared0"),
        *(("-global", "virtio-mmio.force-legacy=off") if mmio else ()),
        *("-device", ",".join(words)),
    ]


def virtiofsd_argv(program: str, share: SharedFolder, listener: str, empty_folder: str) -> list[str]:
    """virtiofsd's command line; `listener` says where it waits for QEMU, `private` is what stands for no folder.

    It follows the folder's permissions even for root, keeps nothing in mind that another program may change, and sees
    nothing but the folder.
    """
    return [
        *(program, listener, "--shared-dir", str(share.folder or empty_folder), "--sandbox=chroot"),
        *("--modcaps=-dac_override", "--cache=never", "--log-level=error"),
    ]
