# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Print docs/which-kernels-boot.md from docs/which-kernels-boot.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "docs" / "which-kernels-boot.toml"
CPUS = ("x86_64", "aarch64", "riscv64")
SHOWN = {
    "test": "`make test`",
    "lane": "`make test LANE=eras`",
    "hand": "by hand, {date}",
}
ERAS_HEAD = ("era", "entry version", "kernels", "CPUs", "boot info", "test images")
LIMITS_HEAD = ("kernels", "limit", "source")
KERNELS_HEAD = ("kernel", "era", "CPU", "shown by", "applications")


def table(head: tuple[str, ...], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def kernel_cells(row: dict[str, Any]) -> list[str]:
    if unknown := set(row["cpus"]) - set(CPUS):
        raise ValueError(f"{row['kernel']}: unknown CPU {', '.join(sorted(unknown))}")
    shown = SHOWN[row["shown"]]
    shown = shown.format(date=row["date"]) if row["shown"] == "hand" else shown
    return [row["kernel"], row["era"], ", ".join(row["cpus"]), shown, row["with"]]


def page(text: str) -> str:
    """The page of the rows in `text`; KeyError or ValueError if one lacks a key or has an unknown word."""
    data = tomllib.loads(text)
    eras = [[era[key] for key in ("era", "version", "kernels", "cpus", "info", "images")] for era in data["era"]]
    known = {era["era"] for era in data["era"]}
    if unknown := {row["era"] for row in data["row"]} - known:
        raise ValueError(f"unknown era {', '.join(sorted(unknown))}")
    tables = {
        "eras": table(ERAS_HEAD, eras),
        "limits": table(LIMITS_HEAD, [[row[key] for key in ("kernels", "what", "source")] for row in data["limit"]]),
        "kernels": table(KERNELS_HEAD, [kernel_cells(row) for row in data["row"]]),
    }
    return str(data["page"]).format(**tables)


if __name__ == "__main__":
    print(page(DATA.read_text(encoding="utf-8")), end="")
