# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The documentation as a site: it builds without a warning, and needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT
from tests.support.pages import PAGES, name


class Resources(HTMLParser):
    """The addresses that a page loads, as opposed to those it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe", "source"):
            self.found += [value for key, value in attrs if key in ("src", "href") and value]


def loaded(directory: Path) -> Iterator[str]:
    """Each address that a page or a style sheet loads."""
    for page in directory.rglob("*.html"):
        yield from Resources(page.read_text(encoding="utf-8")).found
    for sheet in directory.rglob("*.css"):
        yield from re.findall(r"(?:@import|url\()\s*[\"']?([^\"')]+)", sheet.read_text(encoding="utf-8"))


@pytest.mark.requirement("P-05")
def test_site(tmp_path: Path) -> None:
    """Every page is there and is found by the search; no font, script or style comes from another host."""
    done = subprocess.run([ROOT / "ci" / "docs.sh", tmp_path], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    for page in PAGES:
        assert (tmp_path / name(page)).with_suffix(".html").is_file(), page
    assert (tmp_path / "index.html").is_file()
    elsewhere = [address for address in loaded(tmp_path) if re.match(r"(?:[a-z]+:)?//", address)]
    assert elsewhere == []
    index = (tmp_path / "searchindex.js").read_text(encoding="utf-8")
    documents = json.loads(re.findall(r'"docnames":(\[.*?\])', index)[0])
    assert set(documents) == {name(page).removesuffix(".md") for page in PAGES}


def test_what_is_loaded(tmp_path: Path) -> None:
    """A script is loaded, a link is not."""
    (tmp_path / "a.html").write_text('<script src="//host/a.js"></script><a href="https://host/">text</a>')
    (tmp_path / "a.css").write_text("@import 'x.css'; b { background: url(https://host/a.png) }")
    assert list(loaded(tmp_path)) == ["//host/a.js", "x.css", "https://host/a.png"]
