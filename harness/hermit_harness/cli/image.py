# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl image: pack an application with its arguments into one file."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from hermit_harness import elf, image
from hermit_harness.cli.app import find_app
from hermit_harness.cli.files import readable, writable

DESCRIPTION = """\
Pack an application, its arguments and what it requires into a Hermit image.

  hermitctl image pack hello                         writes hello.hermit
  hermitctl image pack hello -o web.hermit --args "8080 '/my files'"
  hermitctl image pack hello --mem "256 MiB" --cpus 2 --env GREETING=hello
  hermitctl image pack hello --file etc/motd=motd    with a further file

`hermitctl run FILE` and uhyve boot it, and the loader does wherever it boots an
application. The same arguments give the same bytes.
Exit status: 0; 125 if a file cannot be read or written, or for wrong usage."""


def add(commands: Any) -> None:
    """Register the command."""
    usage = "hermitctl image pack [OPTIONS] APP"
    parser = commands.add_parser(
        "image", help="pack a Hermit image", usage=usage, description=DESCRIPTION, allow_abbrev=False
    )
    parser.add_argument("action", metavar="pack", choices=["pack"], help="write a Hermit image")
    parser.add_argument("app", metavar="APP", help="a file, the name of a cargo build, or a test image")
    parser.add_argument("-o", dest="output", metavar="FILE", default="", help="where to write; default: APP.hermit")
    parser.add_argument(
        "--args", default="", metavar="TEXT", help="arguments of the application, quoted as for a shell"
    )
    parser.add_argument("--kernel-args", default="", metavar="TEXT", help="arguments of the kernel")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an environment variable (may be repeated)",
    )
    parser.add_argument("--mem", default="", metavar="SIZE", help="memory that it requires, such as 64MiB")
    parser.add_argument("--cpus", type=int, default=0, metavar="N", help="number of processors that it requires")
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="PATH=FILE",
        help="add FILE as PATH; the loader ignores it (may be repeated)",
    )
    parser.set_defaults(function=command)


def _pairs(words: list[str], flag: str, form: str) -> dict[str, str]:
    for word in words:
        if "=" not in word or word.startswith("="):
            raise ValueError(f"--{flag} {word}: {form} is wanted")
    return dict(word.split("=", 1) for word in words)


def _words(text: str, flag: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ValueError(f"--{flag} {text}: a quote is not closed") from None


def _memory(text: str) -> str:
    """Return the size as hermit.toml has it: the loader reads whole numbers only, so a fraction becomes bytes."""
    if not text:
        return ""
    try:
        size = image.size_bytes(text)
    except ValueError:
        raise ValueError(f"--mem {text}: a size is wanted, such as 64MiB") from None
    return str(size) if "." in text else text


def command(arguments: argparse.Namespace) -> int:
    """Write the image."""
    path, _ = find_app(arguments.app)
    app = path.read_bytes()
    if elf.parse(app) is None:
        raise ValueError(f"{arguments.app} is no application: an ELF file is wanted")
    kernel_args = _words(arguments.kernel_args, "kernel-args")
    if "--" in kernel_args:
        raise ValueError("--kernel-args ends before --: give the application's arguments with --args")
    if arguments.cpus < 0:
        raise ValueError(f"--cpus {arguments.cpus}: the number must be 1 or more")
    packed = image.Image(
        app,
        kernel_args,
        _words(arguments.args, "args"),
        tuple(f"{name}={value}" for name, value in _pairs(arguments.env, "env", "NAME=VALUE").items()),
        cpus=arguments.cpus,
    )
    memory = _memory(arguments.mem)
    pairs = _pairs(arguments.file, "file", "PATH=FILE")
    files = {name: readable(file, "file").read_bytes() for name, file in pairs.items()}
    output = arguments.output or f"{path.name}.hermit"
    writable(output, "o")
    Path(output).write_bytes(image.pack(packed, memory, files))
    print(f"hermitctl: {output} has {Path(output).stat().st_size} bytes", file=sys.stderr)
    return 0
