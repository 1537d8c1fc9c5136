# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The lint for places of one machine finds them, and nothing in paths that every system has."""

from __future__ import annotations

import pytest

from lint.places import places


@pytest.mark.parametrize(
    "line",
    [
        "--find-links @opt@wheels",
        "see @srv@shared@notes.md",
        'open("@home@somebody@file")',
        "PATH=@data2@tools@bin:$PATH",
        "(@build7@x)",
        "@mnt@disk@a",
    ],
)
def test_places_of_one_machine(line: str) -> None:
    """@ is a slash here, since the lint reads this file as well."""
    text = line.replace("@", "/")
    ((number, path),) = places(f"first\n{text}\n")
    assert number == 2 and path in text


@pytest.mark.parametrize(
    "line",
    [
        "#!/usr/bin/env python3",
        "build/venv/bin/hermitctl",
        "$HOME/tools/bin",
        "~/.cache/hermit-harness",
        "${O}/gen/version.h",
        "https://keepachangelog.com/en/1.1.0/",
        "/dev/net/tun and /proc/self/fd",
        "/myfs/testfile",
        "/path/to/the/checkout",
        "either/or, input/output and/or",
        "// comment / with / slashes",
        "pattern/*/x",
        "../relative/path/name",
    ],
)
def test_other_words(line: str) -> None:
    assert list(places(line)) == []
