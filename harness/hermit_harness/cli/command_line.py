# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The command line that kernel and application get, from the options and words of `hermitctl run`."""

from __future__ import annotations

import argparse
import shlex

from hermit_harness.fixtures import FixtureImage, join_append
from hermit_harness.image import Image
from hermit_harness.vm.argv import check_mhz


def command_line(arguments: argparse.Namespace, image: FixtureImage | None, packed: Image | None = None) -> str:
    """Return the text after -append.

    Words after `--` are quoted for the kernel's parser. Text from ARGS= is unchanged. Without any, those of a Hermit
    image apply. The loader would add them, but not to a line with variables or a network's addresses.
    """
    kernel_text = " ".join(t for t in (arguments.kernel_args, *arguments.kernel_words) if t)
    app_text = shlex.join(arguments.app_words) or arguments.args
    if image and not kernel_text and not app_text:
        kernel_text, app_text = image.kernel_args, image.args
    if packed and not kernel_text and not app_text:
        kernel_text, app_text = shlex.join(packed.kernel_args), shlex.join(packed.app_args)
    if arguments.freq:
        kernel_text = f"-freq {check_mhz(arguments.freq)} {kernel_text}".strip()
    variables = (shlex.quote(f"env={_variable(text)}") for text in arguments.env)
    kernel_text = " ".join((*variables, kernel_text)).strip()
    text = join_append(kernel_text, app_text)
    if has_unclosed_quote(text):
        raise ValueError(f"a quote is not closed in the arguments of kernel and application: {text}")
    return text


def _variable(text: str) -> str:
    """A value of --env. ValueError if it has no name or no value."""
    if not text.partition("=")[0] or "=" not in text:
        raise ValueError(f"--env {text}: NAME=VALUE is wanted")
    return text


def has_unclosed_quote(text: str) -> bool:
    """Return whether a quote is open at the end, by the rules of POSIX shells. Kernels panic on such a line."""
    quote = ""
    characters = iter(text)
    for character in characters:
        if character == "\\" and quote != "'":
            next(characters, "")
        elif quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
    return bool(quote)
