# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Hermit images: a tar archive in a gzip file, with an application and hermit.toml. Read and written.

The format is that of hermit-entry 0.10.8 and uhyve 0.8. docs/hermit-images.md describes it. It differs from the
hermit.toml of cli/config.py, which configures hermitctl.
"""

from __future__ import annotations

import io
import json
import re
import struct
import tomllib
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tarfile  # where an archive is opened: every start of hermitctl would load it

GZIP = b"\x1f\x8b\x08"
ELF = b"\x7fELF"
CONFIG, KERNEL = "hermit.toml", "hkernel"
MOST_BYTES = 4 << 30  # of an unpacked file: more is no application
NAME_MAX = 100  # of a ustar header without a prefix, which is all that some readers know
SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?\s*", re.IGNORECASE)
# RFC 1952, 2.3: no flags, no time, slowest compression, unknown system.
HEADER = GZIP + bytes((0, 0, 0, 0, 0, 2, 255))


@dataclass(frozen=True)
class Image:
    """What a gzip file contains. `memory` in bytes; 0 and empty: not given. `kernel_args` are shell words."""

    app: bytes
    kernel_args: tuple[str, ...] = ()
    app_args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    memory: int = 0
    cpus: int = 0


def size_bytes(value: Any) -> int:
    """Return requirements.memory in bytes: a number, or a text with K for 1000, Ki for 1024. ValueError if neither."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (found := SIZE.fullmatch(value)):
        power = " KMGT".index(found[2].upper() or " ")
        return int(float(found[1]) * (1024 if found[3] else 1000) ** power)
    raise ValueError(f"{CONFIG}: requirements.memory is {value!r}, not a size such as 67108864 or '64 MiB'")


def unpack(data: bytes) -> bytes:
    """Decompress the first member of a gzip file. ValueError if it is damaged."""
    stream = zlib.decompressobj(31)
    try:
        unpacked = stream.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"the gzip file is damaged: {error}") from None
    if not stream.eof:
        raise ValueError("the gzip file ends too early, or is too large")
    return unpacked


def read(data: bytes) -> Image | None:
    """Return what a compressed application or Hermit image contains; None for other files. ValueError if damaged."""
    if not data.startswith(GZIP):
        return None
    unpacked = unpack(data)
    if unpacked.startswith(ELF):
        return Image(unpacked)
    import tarfile

    try:
        with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
            # Later files of a name replace earlier ones.
            members = {_key(member.name): member for member in archive if member.isreg()}
            config = _config(_content(archive, members, CONFIG))
            return _image(_content(archive, members, config["kernel"]), config)
    except tarfile.TarError as error:
        raise ValueError(f"the gzip file contains neither an ELF file nor a tar archive: {error}") from None


def _key(name: str) -> str:
    return str(PurePosixPath("/", name))


def _content(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo], name: str) -> bytes:
    member = members.get(_key(name))
    file = archive.extractfile(member) if member else None
    if file is None:
        raise ValueError(f"the Hermit image has no file {name}")
    return file.read()


def _config(text: bytes) -> dict[str, Any]:
    try:
        config = tomllib.loads(text.decode())
    except ValueError as error:
        raise ValueError(f"{CONFIG}: {error}") from None
    if config.get("version") != "1":
        raise ValueError(f"{CONFIG}: version is {config.get('version')!r}, '1' is known")
    if not isinstance(config.get("kernel"), str):
        raise ValueError(f"{CONFIG}: kernel must be a string")
    return config


def _image(app: bytes, config: dict[str, Any]) -> Image:
    table, requirements = config.get("input"), config.get("requirements", {})
    if not isinstance(table, dict) or not isinstance(requirements, dict):
        raise ValueError(f"{CONFIG}: [input] is missing, or [requirements] is no table")
    lists = [table.get("kernel_args"), table.get("app_args"), table.get("env_vars", [])]
    for words in lists:
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise ValueError(f"{CONFIG}: input.kernel_args and input.app_args must be arrays of strings")
    cpus = requirements.get("cpus", 0)
    if not isinstance(cpus, int) or cpus < 0:
        raise ValueError(f"{CONFIG}: requirements.cpus must be a number")
    kernel_args, app_args, env = (tuple(words) for words in lists if words is not None)
    variables = tuple(word for word in env if "=" in word)
    return Image(app, kernel_args, app_args, variables, size_bytes(requirements.get("memory", 0)), cpus)


def config_text(image: Image, memory: str = "") -> str:
    """Write hermit.toml. `memory` is the size as the user wrote it."""

    def words(values: tuple[str, ...]) -> str:
        # A string of JSON is one of TOML, but for the control character 127.
        return json.dumps(list(values), ensure_ascii=False).replace("\x7f", "\\u007f")

    lines = [
        'version = "1"',
        f"kernel = {json.dumps(KERNEL)}",
        "",
        "[input]",
        f"kernel_args = {words(image.kernel_args)}",
        f"app_args = {words(image.app_args)}",
        f"env_vars = {words(image.env)}",
    ]
    if memory or image.cpus:
        lines += ["", "[requirements]"]
    if memory:
        lines.append(f"memory = {json.dumps(memory)}")
    if image.cpus:
        lines.append(f"cpus = {image.cpus}")
    return "\n".join(lines) + "\n"


def pack(image: Image, memory: str = "", files: dict[str, bytes] | None = None) -> bytes:
    """Return the bytes of a Hermit image. They depend on the arguments and on zlib only: no times, no users, sorted.

    `files` are further files, by their names in the archive. ValueError for a name that readers do not find.
    """
    import tarfile

    contents = {CONFIG: config_text(image, memory).encode(), KERNEL: image.app}
    for name, data in (files or {}).items():
        is_plain = _key(name) == f"/{name}" and ".." not in name.split("/")
        if name in contents or len(name.encode()) > NAME_MAX or not is_plain:
            raise ValueError(f"{name}: a file needs a plain relative path of at most {NAME_MAX} bytes, not {KERNEL}")
        contents[name] = data
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(contents.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return compress(target.getvalue())


def compress(data: bytes) -> bytes:
    """Return a gzip file without name and time."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = stream.compress(data) + stream.flush()
    return HEADER + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
