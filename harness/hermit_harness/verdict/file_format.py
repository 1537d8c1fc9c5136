# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Name what a file is that is no application, by its first bytes."""

from __future__ import annotations

HEAD_BYTES = 4096  # bytes of a file that of_bytes() needs
UNPACK = "unpack it and boot the application in it"
OTHER_COMPRESSION = "{tool} -d unpacks it; of compressed files the loader boots those of gzip"
OTHER_KERNEL = "a Hermit application contains its own kernel"
OTHER_SYSTEM = "build the application for the target x86_64-unknown-hermit (or of another CPU)"
NOT_LINKED = "boot the linked application, not a part of it"

# Offset, bytes, what it is, remedy. The first match counts: boot images of Linux are PE files as well.
FORMATS: tuple[tuple[int, bytes, str, str], ...] = (
    (514, b"HdrS", "a Linux kernel (bzImage)", OTHER_KERNEL),
    (56, b"ARM\x64", "a Linux kernel (Image)", OTHER_KERNEL),
    (48, b"RISCV\0\0\0", "a Linux kernel (Image)", OTHER_KERNEL),
    (0, b"\x27\x05\x19\x56", "a U-Boot image (uImage)", UNPACK),
    (0, b"\xfd7zXZ\0", "an xz file", OTHER_COMPRESSION.format(tool="xz")),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard file", OTHER_COMPRESSION.format(tool="zstd")),
    (0, b"BZh", "a bzip2 file", OTHER_COMPRESSION.format(tool="bzip2")),
    (0, b"PK\x03\x04", "a zip archive", UNPACK),
    (257, b"ustar", "a tar archive", "a Hermit image is a tar archive that is compressed with gzip"),
    (0, b"!<arch>\n", "a static library or Rust .rlib", NOT_LINKED),
    (0, b"!<thin>\n", "a static library", NOT_LINKED),
    (0, b"BC\xc0\xde", "LLVM bitcode", NOT_LINKED),
    (0, b"MZ", "a Windows or UEFI program (PE)", OTHER_SYSTEM),
    *(
        (0, magic, "a macOS program (Mach-O)", OTHER_SYSTEM)
        for magic in (
            b"\xcf\xfa\xed\xfe",
            b"\xce\xfa\xed\xfe",
            b"\xfe\xed\xfa\xcf",
            b"\xfe\xed\xfa\xce",
            b"\xca\xfe\xba\xbe",
        )
    ),
    (0, b"\0asm", "a WebAssembly module", OTHER_SYSTEM),
    (0, b"version https://git-lfs.github.com/spec/", "a pointer of git LFS, not the file itself", "git lfs pull"),
    (0, b"#!", "a script", "boot the application that it starts"),
)


def of_bytes(head: bytes) -> str:
    """Return what a file is and what to do, from its first HEAD_BYTES bytes; "" if that is unknown."""
    if not head:
        return "the file is empty: build it again, and check that the disk is not full"
    for offset, magic, name, remedy in FORMATS:
        if head[offset : offset + len(magic)] == magic:
            return f"the file is {name}: {remedy}"
    return ""
