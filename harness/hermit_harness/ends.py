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
    """One row. The top of ends.toml describes the fields. `allows_unknown`: an end without a status is a pass."""

    id: str
    kernels: str
    line: re.Pattern[bytes] | None
    success: int
    failure: int
    allows_raw_status: bool
    status_source: str
    without_exit_device: tuple[str, ...]
    has_full_status: bool = False
    zero_is_poweroff: bool = False
    after: re.Pattern[bytes] | None = None
    allows_unknown: bool = False
    failure_alone: int | None = None


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
            allows_raw_status=row.get("allows_raw_status", False),
            status_source=row["status_source"],
            without_exit_device=tuple(row["without_exit_device"]),
            has_full_status=row.get("has_full_status", False),
            zero_is_poweroff=row.get("zero_is_poweroff", False),
            after=re.compile(row["after"].encode()) if "after" in row else None,
            allows_unknown=row["status_source"] == "none",
            failure_alone=row.get("failure_alone"),
        )
        for row in rows
    }


def row_of_kernel(cpu: str, kernel: str | None, entry_version: int | None) -> str:
    """The row for a kernel, by its CPU, its version such as "0.11.0", and the entry version of its note."""
    is_x86 = cpu not in ("aarch64", "riscv64")
    if kernel and tuple(int(part) for part in kernel.split(".")) >= (0, 10, 0):
        return "hermit-0.10-x86" if is_x86 else f"hermit-0.10-{cpu}"
    if (entry_version or 0) < 4:
        return "hermit-e1-x86" if is_x86 else "hermit-power-off"
    return "hermit-v4-x86" if is_x86 else f"hermit-0.10-{cpu}"


def end(name: str) -> End:
    """The row called `name`; ValueError with the list of names otherwise."""
    try:
        return ends()[name]
    except KeyError:
        raise ValueError(f"unknown end {name!r}; known: {', '.join(ends())}") from None
