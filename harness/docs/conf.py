# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The documentation as a site, built by ci/docs.sh. Its sources are the Markdown pages of the tree, unchanged.

Sphinx reads pages outside of docs/ as well, its search works without a web server, and furo loads no font or script
from elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
# The navigation. A page that is missing here fails the build.
CHAPTERS = {
    "Use": (
        "install",
        "your-project",
        "pytest",
        "migrating",
        "options",
        "configuration",
        "qemu",
        "grub",
        "other-systems",
        "virtiofs",
    ),
    "Network": ("network", "socket-link", "network-devices", "netsetup/README"),
    "Debug": ("debugging", "editors", "reverse-debugging", "gdb-commands", "post-mortem"),
    "Reference": ("statuses", "which-kernels-boot", "elf-rules", "hermit-images", "hand-over", "glossary"),
    "Develop": (
        "building",
        "tests",
        "fuzzing",
        "report",
        "shards",
        "verdicts",
        "run-files",
        "architecture",
        "fixtures/README",
        "fixtures/real/README",
        "fixtures/old/README",
        "CONTRIBUTING",
    ),
    "Project": ("CHANGELOG", "SECURITY", "threat-model"),
}

project = "Hermit loader"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "netsetup/*.md", "fixtures/*.md", "fixtures/real/*.md", "fixtures/old/*.md"]
exclude_patterns = ["build", "target", ".*", "loader", "harness", "ci", "fixtures/*/[!R]*"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = project
html_copy_source = False
html_use_index = False
html_show_sphinx = False


def place(page: str) -> str:
    """The path of a page, without its suffix: in docs/ unless it has a directory or is all capitals."""
    return page if "/" in page or page.isupper() else f"docs/{page}"


def add_navigation(app: Any, page: str, source: list[str]) -> None:
    """Append the navigation to the first page; on its own the page is the README."""
    if page != root_doc:
        return
    for caption, pages in CHAPTERS.items():
        there = [place(name) for name in pages if (ROOT / f"{place(name)}.md").is_file()]
        if there:
            lines = ("```{toctree}", ":hidden:", f":caption: {caption}", "", *there, "```", "")
            source[0] += "\n\n" + "\n".join(lines)


def add_index(app: Any, error: Exception | None) -> None:
    """Give the first page the name that a browser opens."""
    out = Path(app.outdir)
    if error is None:
        copyfile(out / f"{root_doc}.html", out / "index.html")


def setup(app: Any) -> dict[str, bool]:
    app.connect("source-read", add_navigation)
    app.connect("build-finished", add_index)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
