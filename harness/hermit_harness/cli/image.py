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

`hermitctl run FILE` boots it, uhyve does, and so does the loader wherever it
boots an application. The same arguments give the same bytes.
Exit status: 0; 125 if a file cannot be read or written."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("image", help="pack a Hermit image", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("action", choices=["pack"], help="pack: write a Hermit image")
    parser.add_argument("app", metavar="APP", help="a file, the name of a cargo build, or a test image")
    parser.add_argument("-o", dest="output", metavar="FILE", default="", help="where to write; default: APP.hermit")
    parser.add_argument("--args", default="", metavar="TEXT", help="arguments of the application, as a shell has them")
    parser.add_argument("--kernel-args", default="", metavar="TEXT", help="arguments of the kernel")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="an environment variable")
    parser.add_argument("--mem", default="", metavar="SIZE", help="RAM that it requires, such as 64MiB")
    parser.add_argument("--cpus", type=int, default=0, metavar="N", help="processors that it requires")
    parser.add_argument(
        "--file", action="append", default=[], metavar="PATH=FILE", help="add FILE as PATH; the loader ignores it"
    )
    parser.set_defaults(function=command)


def _pairs(words: list[str], flag: str) -> dict[str, str]:
    for word in words:
        if "=" not in word or word.startswith("="):
            raise ValueError(f"--{flag} {word}: NAME=VALUE is wanted")
    return dict(word.split("=", 1) for word in words)


def _words(text: str, flag: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        raise ValueError(f"--{flag} {text}: a quote is not closed") from None


def command(arguments: argparse.Namespace) -> int:
    """Write the image."""
    path, _ = find_app(arguments.app)
    app = path.read_bytes()
    if elf.parse(app) is None:
        raise ValueError(f"{arguments.app} is no application: an ELF file is wanted")
    kernel_args = _words(arguments.kernel_args, "kernel-args")
    if "--" in kernel_args:
        raise ValueError("--kernel-args ends before --: give the application's arguments with --args")
    packed = image.Image(
        app,
        kernel_args,
        _words(arguments.args, "args"),
        tuple(f"{name}={value}" for name, value in _pairs(arguments.env, "env").items()),
        cpus=arguments.cpus,
    )
    if arguments.mem:
        image.size_bytes(arguments.mem)
    files = {name: readable(file, "file").read_bytes() for name, file in _pairs(arguments.file, "file").items()}
    output = arguments.output or f"{path.name}.hermit"
    writable(output, "o")
    Path(output).write_bytes(image.pack(packed, arguments.mem, files))
    print(f"hermitctl: {output} has {Path(output).stat().st_size} bytes", file=sys.stderr)
    return 0
