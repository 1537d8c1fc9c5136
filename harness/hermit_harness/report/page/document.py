# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Put template, style, script and data together."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

NAME = "index.html"
DIR = Path(__file__).parent
SCRIPTS = ("base.js", "pictures.js", "details.js", "list.js")


def document(data: Mapping[str, object]) -> str:
    """Return the page that shows the data."""
    style, script = _file("page.css"), "".join(map(_file, SCRIPTS))
    # What is not named here is neither run nor loaded, whatever a guest has printed.
    policy = f"default-src 'none'; style-src {_source(style)}; script-src {_source(script)}; img-src data:"
    parts = {"policy": f"{policy}; base-uri 'none'; form-action 'none'", "style": style, "script": script}
    page = _file("page.html")
    for name, text in {**parts, "data": embedded(data)}.items():  # the data last: they are not searched for places
        page = page.replace(f"[[{name}]]", text, 1)
    return page


def embedded(data: object) -> str:
    """Return JSON that no HTML parser takes for the end of a script, a comment or another character set."""
    text = json.dumps(data, separators=(",", ":"))  # ASCII only, also for half a surrogate pair
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(text: str) -> str:
    """Return a text as a source of a Content Security Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@cache
def _file(name: str) -> str:
    return (DIR / name).read_text(encoding="utf-8")
