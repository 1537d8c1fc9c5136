# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The end of a run as plain text: table of cells, skips with reasons, what did not run, the slowest, and where the
files are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hermit_harness.matrix.cell import Discard
from hermit_harness.matrix.ledger import EndedTest
from hermit_harness.matrix.loaders import NOT_PROMISED
from hermit_harness.matrix.probe import Probe

_OUTCOMES = ("passed", "failed", "skipped")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Format columns as wide as their widest entry, numbers right-aligned."""
    lines = [list(head), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]

    def one(line: Sequence[str]) -> str:
        parts = [
            text.rjust(width) if text.isdigit() else text.ljust(width) for text, width in zip(line, widths, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return [one(lines[0]), "  ".join("-" * width for width in widths), *[one(line) for line in lines[1:]]]


def cells_table(ran: Iterable[EndedTest]) -> list[str]:
    """target x machine x accelerator: passed, failed, skipped; then how many different apps the row booted."""
    counts: Counter[tuple[str, str, str, str]] = Counter()
    apps: dict[tuple[str, str, str], set[str]] = {}
    for test in ran:
        if not test.cell:
            continue
        target, machine, accel, image = test.cell.split("/")[:4]
        counts[target, machine, accel, test.outcome] += 1
        apps.setdefault((target, machine, accel), set()).add(image)
    rows = [
        (*key, *(str(counts[(*key, outcome)]) for outcome in _OUTCOMES), str(len(apps[key]))) for key in sorted(apps)
    ]
    total = [str(sum(number for key, number in counts.items() if key[3] == outcome)) for outcome in _OUTCOMES]
    rows.append(("all", "", "", *total, str(len(set().union(*apps.values())) if apps else 0)))
    return table(("target", "machine", "accel", *_OUTCOMES, "apps"), rows)


def probe_table(probe: Probe) -> list[str]:
    """What the timed probe of the accelerators saw."""
    rows = [
        (
            row.machine,
            f"{row.tcg_seconds:.2f} s",
            f"{row.kvm_seconds:.2f} s" if row.kvm_seconds else "-",
            row.text()[:70],
        )
        for row in probe.rows
    ]
    return table(("machine", "TCG", "KVM", "KVM is"), rows) if rows else ["the accelerators were not probed"]


def skip_list(ran: Iterable[EndedTest]) -> list[str]:
    """Return the tests that were skipped by their own decision, with their reasons."""
    return [_reason(test) for test in ran if test.outcome == "skipped" and not _is_not_promised(test)]


def not_promised(ran: Iterable[EndedTest]) -> list[str]:
    """Return the cells that another loader failed and need not pass, with why, and how they ended."""
    return [_reason(test).replace(f"{NOT_PROMISED}: ", "", 1) for test in ran if _is_not_promised(test)]


def _is_not_promised(test: EndedTest) -> bool:
    return test.outcome == "skipped" and test.reason.startswith(f"{NOT_PROMISED}: ")


def _reason(test: EndedTest) -> str:
    return f"{test.cell or test.test}: {test.reason}"


def second_tries(ran: Iterable[EndedTest]) -> list[str]:
    """Return the red cells that were run again, with the ends of both tries."""
    return [
        f"{test.outcome} {test.cell or test.test}: first {test.reason}; then {test.again}" for test in ran if test.again
    ]


def discard_list(discards: Iterable[Discard]) -> list[str]:
    """Left-out combinations, grouped by reason, with how many there are."""
    by_reason: dict[str, list[str]] = {}
    for discard in discards:
        by_reason.setdefault(discard.reason, []).append(discard.id)
    return [f"{len(ids):3d}  {reason}" for reason, ids in sorted(by_reason.items())]


def counts(ran: Iterable[EndedTest]) -> str:
    """Return how many tests passed, failed and were skipped."""
    number = Counter(test.outcome for test in ran)
    return ", ".join(f"{number[outcome]} {outcome}" for outcome in _OUTCOMES)


def slowest(ran: Iterable[EndedTest], number: int = 10) -> list[str]:
    ranked = sorted(ran, key=lambda test: test.seconds, reverse=True)[:number]
    return [f"{test.seconds:7.2f} s  {test.cell or test.test}" for test in ranked]


def failures(ran: Iterable[EndedTest]) -> list[str]:
    """What failed, and the first line of why."""
    return [f"{test.cell or test.test}: {test.reason}" for test in ran if test.outcome == "failed"]


def markdown(sections: Iterable[tuple[str, Sequence[str]]]) -> str:
    """The sections of a run that hold something, for a CI service's page: it keeps columns in blocks of code alone."""
    blocks = (("\n".join((f"### {title}", "", "```", *lines, "```", "", ""))) for title, lines in sections if lines)
    return "".join(blocks)
