# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Check that files name no place of one machine: an absolute path is one that every system has, one in a guest or in a
device tree, or a placeholder.

Usage: python -m lint.places FILE...      exit status 1 if a file names another place
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

# A path with two names. What precedes it is no part of a relative path, a variable, a URL or a tag.
PATH = re.compile(r"(?<![\w.$})>*~<%/-])/([A-Za-z][\w.-]*/\w[\w.-]*)", re.A)
SYSTEM = re.compile(
    r"(bin|boot|dev|etc|lib|proc|root|run|sbin|sys|tmp|usr)/|var/(cache|lib|log|tmp)\b|opt/(hermit|cross)\b"
)
IN_A_GUEST = re.compile(r"(TAG|apps|chosen|cpus|data|fresh|myfs|volume)/")
PLACEHOLDER = re.compile(r"(home/(me|other)|path/to)\b|(nonexistent|some|x)/|build/(release|venv)\b|src/lib\b")
WITHOUT_PLACES = (".lock",)  # generated, and full of names of packages


def places(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and path of each place of one machine."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in PATH.finditer(line):
            if not any(known.match(match[1]) for known in (SYSTEM, IN_A_GUEST, PLACEHOLDER)):
                yield number, f"/{match[1]}"


def main() -> int:
    found = []
    for name in sys.argv[1:]:
        text = Path(name).read_bytes()
        if not name.endswith(WITHOUT_PLACES) and b"\0" not in text:
            found += [f"{name}:{number}: {path}" for number, path in places(text.decode("utf-8", "replace"))]
    print("\n".join(found) if found else "places: none of one machine")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
