# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Each recipe of CONTRIBUTING.md names files that exist, and no more of them than its bar allows."""

from __future__ import annotations

import re

import pytest

from hermit_harness.paths import ROOT
from lint import recipes

RECIPES = recipes.read((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))


def test_every_kind_has_a_recipe() -> None:
    assert list(RECIPES) == list(recipes.BARS)


@pytest.mark.parametrize("kind", recipes.BARS)
def test_number_of_files(kind: str) -> None:
    """A change of this kind costs no more files than planned."""
    assert 0 < len(RECIPES[kind]) <= recipes.BARS[kind]


@pytest.mark.parametrize("kind", recipes.BARS)
def test_files_exist(kind: str) -> None:
    """A `<name>` in a path stands for any name; at least one file of that form exists."""
    for path in RECIPES[kind]:
        assert list(ROOT.glob(re.sub(r"<[^>]*>", "*", path))), path


def test_reader() -> None:
    """Only numbered entries below a recipe's heading count."""
    text = "1. `no`\n### Add a UART\nText.\n1. `a/<b>.c`: x\n   more\n2. `c`\n## Other\n3. `no`\n"
    assert recipes.read(text) == {"a UART": ["a/<b>.c", "c"]}
