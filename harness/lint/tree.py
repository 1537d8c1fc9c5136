# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The text files of a checkout and their languages. Any commit of this project can be read."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SUFFIXES = {
    ".c": "c",
    ".h": "c",
    ".cpp": "c",
    ".S": "gas",
    ".asm": "nasm",
    ".ld": "ld",
    ".mk": "make",
    ".sh": "shell",
    ".py": "python",
    ".md": "markdown",
    ".toml": "toml",
    ".rs": "rust",
    ".awk": "awk",
    ".in": "toml",
    ".debian": "toml",
    ".fedora": "toml",
    ".arch": "toml",
    ".yml": "toml",
    ".patch": "patch",
}
# Generated text, licences, and data without prose.
LEFT_OUT = ("LICENSE-APACHE", "LICENSE-MIT", "harness/requirements.txt")


@dataclass(frozen=True)
class Source:
    """One text file; `path` is relative to the checkout's root."""

    path: str
    kind: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def under(self, *directories: str) -> bool:
        return self.path.startswith(tuple(f"{directory}/" for directory in directories))


def kind_of(path: str, text: str) -> str:
    """Return the language of a file; an empty string if it is not checked."""
    name = path.rsplit("/", 1)[-1]
    if path in LEFT_OUT or name.endswith((".lock", ".json")):
        return ""
    if name == "Makefile":
        return "make"
    suffix = name[name.rfind(".") :] if "." in name[1:] else ""
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    first = text.split("\n", 1)[0]
    return "shell" if first.startswith("#!") and first.endswith("sh") else "toml"


def listed(root: Path) -> list[str]:
    """Return the paths that git tracks or would track; without git, all files outside build/ and target/."""
    command = ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        paths = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(str(path) for path in paths if path.parts[0] not in ("build", "target", ".git"))
    return sorted({path for path in done.stdout.split("\0") if path})


class Tree:
    """A checkout, read once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def sources(self) -> list[Source]:
        found = []
        for path in listed(self.root):
            try:
                text = (self.root / path).read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            kind = kind_of(path, text)
            if kind:
                found.append(Source(path, kind, text))
        return found

    def of(self, *kinds: str) -> list[Source]:
        return [source for source in self.sources if source.kind in kinds]
