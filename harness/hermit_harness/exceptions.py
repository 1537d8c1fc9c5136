# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The table of printed exceptions (exceptions.toml), checked when read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

TABLE = Path(__file__).with_name("exceptions.toml")


@dataclass(frozen=True)
class ExceptionRow:
    """One row. The top of exceptions.toml describes the fields."""

    id: str
    kernels: str
    cpu: str
    first: re.Pattern[str]
    block: re.Pattern[str]
    state: tuple[str, ...]
    hex: bool = False


@dataclass(frozen=True)
class ExceptionTable:
    """The rows in the order in which they are tried, the words for names, and the patterns for x86's error code."""

    rows: tuple[ExceptionRow, ...]
    words: Mapping[str, str]
    page_fault: Mapping[str, re.Pattern[str]]
    handler_panic: re.Pattern[str]


@lru_cache(maxsize=1)
def table() -> ExceptionTable:
    """The table as it is in the file."""
    data = tomllib.loads(TABLE.read_text())
    rows = (
        ExceptionRow(
            id=row["id"],
            kernels=row["kernels"],
            cpu=row["cpu"],
            first=re.compile(row["first"]),
            block=re.compile(row["block"], re.DOTALL),
            state=tuple(row["state"]),
            hex=row.get("hex", False),
        )
        for row in data["exception"]
    )
    page_fault = {name: re.compile(pattern) for name, pattern in data["page_fault"].items()}
    return ExceptionTable(tuple(rows), data["words"], page_fault, re.compile(data["handler_panic"]["location"]))
