# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The results of the last runs, kept beside those of the newest, and what each test did in them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from hermit_harness.report import results

DIR = "history"
KEPT = 5  # complete runs, and as many of a selection


def keep(directory: Path) -> None:
    """Move the results in a directory to its history, if their run reached its end. Remove what is too old."""
    newest = directory / results.NAME
    with suppress(OSError, results.ResultsError):
        last = results.read(newest)
        if last.status is None:
            return
        kind = "complete" if last.plan.complete else "selection"
        ended = datetime.datetime.fromtimestamp(newest.stat().st_mtime, datetime.UTC)
        (directory / DIR).mkdir(exist_ok=True)
        newest.rename(directory / DIR / f"{ended:%Y%m%dT%H%M%S.%fZ}-{kind}.jsonl")
        for old in sorted((directory / DIR).glob(f"*-{kind}.jsonl"))[:-KEPT]:
            old.unlink()


def kept(directory: Path) -> list[results.Results]:
    """Return the results of the last runs, the oldest first. What cannot be read is left out."""
    return list(_readable(sorted((directory / DIR).glob("*.jsonl"))))


def _readable(paths: list[Path]) -> Iterator[results.Results]:
    for path in paths:
        with suppress(results.ResultsError):
            yield results.read(path)


def row(run: results.Results) -> dict[str, Any]:
    """Return what the page says of an earlier run."""
    return {"when": run.path.name.partition("-")[0], "commit": run.plan.commit, "complete": run.plan.complete}
