# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Print docs/which-kernels-boot.md from docs/which-kernels-boot.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "docs" / "which-kernels-boot.toml"
CPUS = ("x86_64", "aarch64", "riscv64")
SHOWN = {
    "test": "`make test`",
    "lane": "`make test LANE=eras`",
    "hand": "by hand, {date}",
    "earlier": "by hand, date not recorded",
}
INTRODUCTION = """\
# Which kernels boot

Real applications that this loader has booted, by the kernel in them. `which-kernels-boot.toml` has
the rows; `make lint` compares. [eras.md](eras.md) says what each kernel is given, and which
kernels the loader recognises beyond these.
"""


def page(text: str) -> str:
    """The page of the rows in `text`; KeyError or ValueError if one lacks a key or has an unknown word."""
    lines = [INTRODUCTION, "| kernel | era | CPU | shown by | applications |", "| --- | --- | --- | --- | --- |"]
    for row in tomllib.loads(text)["row"]:
        if unknown := set(row["cpus"]) - set(CPUS):
            raise ValueError(f"{row['kernel']}: unknown CPU {', '.join(sorted(unknown))}")
        shown = SHOWN[row["shown"]]
        shown = shown.format(date=row["date"]) if row["shown"] == "hand" else shown
        lines.append(f"| {row['kernel']} | {row['era']} | {', '.join(row['cpus'])} | {shown} | {row['with']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(DATA.read_text(encoding="utf-8")), end="")
