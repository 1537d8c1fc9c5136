# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Rust's test programs: the tests that they list and the results that they print, and both as JUnit's XML. Pure.

The lines are those of libtest: `test NAME ... ok`, and `NAME: test` with `--list --format terse`.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hermit_harness.verdict.outcome import Outcome
from hermit_harness.watch.console import strip_ansi
from hermit_harness.watch.kernel_log import KernelLog

LIST_WORDS = ("--list", "--format", "terse")
FAILED_STATUS = 101  # of a test program with a test that failed
_LISTED = re.compile(r"^(.+): test$", re.M)
_STARTED = re.compile(r"^test (?P<name>\S.*?)(?: - should panic)? \.\.\. ?(?P<result>.*)$", re.M)
_OUTPUT = re.compile(r"^---- (.+) stdout ----\n(.*?)(?=^---- |^failures:|\Z)", re.M | re.S)
# Options of libtest that take the next word as their value.
_WITH_VALUE = ("--color", "--format", "--logfile", "--shuffle-seed", "--skip", "--test-threads", "-Z")


@dataclass(frozen=True)
class Result:
    """One test: `result` is ok, FAILED or ignored. `detail` says why it failed, `seconds` is the time of its boot."""

    name: str
    result: str
    detail: str = ""
    output: str = ""
    seconds: float = 0.0


def application_text(console: bytes) -> str:
    """Return what the application has printed, as text without escape sequences."""
    log = KernelLog()
    data = strip_ansi(log.feed(console) + log.finish()).replace(b"\r\n", b"\n")
    return data.decode("utf-8", "backslashreplace")


def listed(console: bytes) -> list[str]:
    """Return the names of the tests in the output of LIST_WORDS."""
    return _LISTED.findall(application_text(console))


def words_for(test: str, words: Sequence[str]) -> list[str]:
    """Return the words that select one test: the options among `words`, and no other filter."""
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("-") and word != "--exact":
            kept += [word, *([next(rest, "")] if word in _WITH_VALUE else [])]
    return [*kept, "--exact", test]


def results(outcome: Outcome) -> list[Result]:
    """Return the tests of a run. One that had begun when the run ended has failed, and the run's cause is why."""
    text = application_text(outcome.console)
    outputs = dict(_OUTPUT.findall(text))
    found = []
    for match in _STARTED.finditer(text):
        name, word = match["name"], match["result"].partition(",")[0].strip()
        if word in ("ok", "ignored"):
            found.append(Result(name, word))
        else:
            detail = outputs.get(name, "").strip() if word == "FAILED" else outcome.cause
            found.append(Result(name, "FAILED", detail or outcome.cause))
    return found


def result_of_run(name: str, outcome: Outcome, expected: str = "pass") -> Result:
    """Return a run without such lines as one test."""
    good = outcome.verdict == expected
    return Result(name, "ok" if good else "FAILED", "" if good else f"{outcome.verdict}: {outcome.cause}")


def junit(suite: str, tests: Iterable[Result], console: bytes, properties: dict[str, str]) -> str:
    """Return JUnit's XML. `console` is the suite's system-out."""
    rows = list(tests)
    failures = sum(row.result == "FAILED" for row in rows)
    skipped = sum(row.result == "ignored" for row in rows)
    root = ET.Element("testsuites")
    counts = {"tests": str(len(rows)), "failures": str(failures), "errors": "0", "skipped": str(skipped)}
    element = ET.SubElement(root, "testsuite", {"name": suite, **counts})
    if properties:
        holder = ET.SubElement(element, "properties")
        for name, value in properties.items():
            ET.SubElement(holder, "property", {"name": name, "value": value})
    for row in rows:
        case = ET.SubElement(element, "testcase", {"classname": suite, "name": row.name, "time": f"{row.seconds:.3f}"})
        if row.result == "FAILED":
            ET.SubElement(case, "failure", {"message": row.detail.partition("\n")[0][:200]}).text = row.detail
        elif row.result == "ignored":
            ET.SubElement(case, "skipped")
        if row.output:
            ET.SubElement(case, "system-out").text = row.output
    ET.SubElement(element, "system-out").text = xml_text(console)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def xml_text(data: bytes) -> str:
    """Return console bytes as text that XML can have: printable characters and line ends."""
    text = strip_ansi(data).replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)
