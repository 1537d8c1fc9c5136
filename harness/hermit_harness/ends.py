# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of ends (ends.toml), checked when read."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("ends.toml")


@dataclass(frozen=True)
class End:
    """One row; the meaning of the fields stands at the top of ends.toml."""

    id: str
    kernels: str
    line: re.Pattern[bytes] | None
    success: int
    failure: int
    raw: bool
    number: str
    without: tuple[str, ...]
    carries: bool = False


@lru_cache(maxsize=1)
def ends() -> dict[str, End]:
    """All rows by id."""
    rows = tomllib.loads(TABLE.read_text())["end"]
    return {
        row["id"]: End(
            id=row["id"],
            kernels=row["kernels"],
            line=re.compile(row["line"].encode()) if row["line"] else None,
            success=row["success"],
            failure=row["failure"],
            raw=row.get("raw", False),
            number=row["number"],
            without=tuple(row["without"]),
            carries=row.get("carries", False),
        )
        for row in rows
    }


def end(name: str) -> End:
    """The row called `name`; ValueError with the list of names otherwise."""
    try:
        return ends()[name]
    except KeyError:
        raise ValueError(f"unknown end {name!r}; known: {', '.join(ends())}") from None
