# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The pictures of docs/screens are there, show what they should, and stand on a page."""

from __future__ import annotations

import re
import tomllib
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from hermit_harness.paths import ROOT
from tests.support.pages import PAGES

DIR = ROOT / "docs" / "screens"
SCREENS = tomllib.loads((ROOT / "harness" / "docs" / "screens.toml").read_text(encoding="utf-8"))["screen"]
SIZE = {"80": "992.0", "120": "1480.0"}


def text_of(picture: Path) -> str:
    """Return the text of a picture, each blank and line end as one blank: a terminal breaks lines."""
    root = ElementTree.parse(picture).getroot()
    return re.sub(r"\s+", " ", "".join(root.itertext()))


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen["name"])
def test_pictures(screen: dict[str, Any]) -> None:
    """Each screen exists in two widths and two themes, without a path of the machine that took it."""
    for columns, width in SIZE.items():
        light, dark = (DIR / f"{screen['name']}-{columns}-{theme}.svg" for theme in ("light", "dark"))
        assert text_of(light).split("</style>")[-1].count(screen["command"]) == 1
        assert re.search(screen["shows"], text_of(light)), screen["name"]
        for picture in (light, dark):
            data = unescape(picture.read_text(encoding="utf-8"))
            assert f'viewBox="0 0 {width} ' in data and "://" not in data.replace("http://www.w3.org/", "")
            assert not re.search(r"[ (]/(home|root|tmp|work)/", data), picture
        assert light.read_text(encoding="utf-8") != dark.read_text(encoding="utf-8")


def test_every_picture_is_of_a_screen_and_on_a_page() -> None:
    names = {screen["name"] for screen in SCREENS}
    assert {picture.name.rsplit("-", 2)[0] for picture in DIR.iterdir()} == names
    pages = "".join((ROOT / page).read_text(encoding="utf-8") for page in PAGES)
    assert {name for name in names if f"screens/{name}-" in pages} == names
