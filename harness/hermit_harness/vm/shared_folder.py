# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A shared folder as QEMU is told of it. Values; nothing here looks at the machine but for whether a folder is one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

TAG = "myfs"
LONGEST_TAG = 36  # bytes; VIRTIO 1.2, 5.11.4


@dataclass(frozen=True)
class Share:
    """`folder` is seen in the guest as /TAG; None is an empty one, of this run alone, in no folder of this machine.
    `queue` 0 is QEMU's own size of a queue; `program` is the virtiofsd to use, `options` are further words for
    -device; `mmio`: not by PCI where the machine has both."""

    folder: Path | None
    tag: str = TAG
    queue: int = 1024
    program: str = ""
    options: str = ""
    mmio: bool = False


def share(text: str, program: str = "") -> Share:
    """DIR, DIR:TAG or :TAG. ValueError says what is wrong."""
    name, _, tag = text.rpartition(":")
    if ":" not in text or Path(text).is_dir():
        name, tag = text, TAG
    if not re.fullmatch(r"[^/:,\s]+", tag) or len(tag.encode()) > LONGEST_TAG:
        raise ValueError(f"--share {text}: a tag has 1 to {LONGEST_TAG} bytes, and no slash, comma, colon or blank")
    folder = Path(name).absolute() if name else None
    if folder and not folder.is_dir():
        raise ValueError(f"--share {text}: {folder} is no folder")
    return Share(folder, tag, program=program)


def argv(wanted: Share, memory: str, mmio: bool) -> list[str]:
    """QEMU's words for the device and for memory that the daemon can see; the daemon's end is the chardev share0."""
    words = [f"vhost-user-fs-{'device' if mmio else 'pci'}", "chardev=share0", f"tag={wanted.tag}"]
    words += [f"queue-size={wanted.queue}"] if wanted.queue else []
    words += [wanted.options] if wanted.options else []
    return [
        *("-object", f"memory-backend-memfd,id=shared0,size={memory},share=on", "-machine", "memory-backend=shared0"),
        *(("-global", "virtio-mmio.force-legacy=off") if mmio else ()),
        *("-device", ",".join(words)),
    ]


def command(program: str, wanted: Share, listener: str, private: str) -> list[str]:
    """virtiofsd's command line; `listener` says where it waits for QEMU, `private` is what stands for no folder.

    It follows the folder's permissions even for root, keeps nothing in mind that another program may change, and sees
    nothing but the folder.
    """
    return [
        *(program, listener, "--shared-dir", str(wanted.folder or private), "--sandbox=chroot"),
        *("--modcaps=-dac_override", "--cache=never", "--log-level=error"),
    ]
