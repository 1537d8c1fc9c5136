# SPDX-License-Identifier: Apache-2.0 OR MIT
"""--per-test: one boot for each test of a Rust test program, so that a crash ends one test and no other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from hermit_harness.cli import libtest
from hermit_harness.cli.libtest import FAILED_STATUS, Result
from hermit_harness.verdict.outcome import Outcome

Boot = Callable[[list[str]], Outcome]  # boots the application with these words


def one_test(name: str, boot: Boot, words: list[str]) -> Result:
    """Boot for one test and return its result."""
    outcome = boot(libtest.words_for(name, words))
    found = next((row for row in libtest.results(outcome) if row.name == name), None)
    good = found and found.result in ("ok", "ignored") and outcome.verdict == "pass"
    detail = "" if good else (found and found.detail) or f"{outcome.verdict}: {outcome.cause}"
    text = libtest.application_text(outcome.console)
    return Result(name, found.result if good and found else "FAILED", detail, text, outcome.timings.get("end", 0.0))


def run_each(boot: Boot, words: list[str]) -> list[Result]:
    """List the tests that `words` select, then boot for each. Raise ValueError if the program lists none."""
    listing = boot([*words, *libtest.LIST_WORDS])
    names = libtest.listed(listing.console)
    if not names:
        raise ValueError(f"--per-test: the program lists no tests with {' '.join(libtest.LIST_WORDS)} ({listing})")
    print(f"\nrunning {len(names)} test{'s' * (len(names) != 1)}, a boot for each", flush=True)
    results = []
    for name in names:
        print(f"test {name} ... ", end="", flush=True)
        results.append(one_test(name, boot, words))
        print(results[-1].result, flush=True)
    return results


def report(results: list[Result]) -> int:
    """Print the failures and the sums as libtest does. Return the exit status of a test program."""
    failed = [row for row in results if row.result == "FAILED"]
    if failed:
        print("\nfailures:\n")
    for row in failed:
        detail = "" if row.detail in row.output else f"{row.detail}\n"
        print(f"---- {row.name} ----\n{row.output.rstrip()}\n{detail}")
    ignored = sum(row.result == "ignored" for row in results)
    passed = len(results) - len(failed) - ignored
    word = "FAILED" if failed else "ok"
    print(f"\ntest result: {word}. {passed} passed; {len(failed)} failed; {ignored} ignored\n")
    return FAILED_STATUS if failed else 0


def write_junit(path: str, name: str, results: list[Result], console: bytes, properties: dict[str, str]) -> None:
    """Write the results as JUnit's XML. A file that cannot be written is one line and no end."""
    try:
        Path(path).write_text(libtest.junit(name, results, console, properties), encoding="utf-8")
    except OSError as error:
        print(f"hermitctl: --junit {path}: {error.strerror}", file=sys.stderr)


def of_run(name: str, outcome: Outcome) -> list[Result]:
    """Return the tests of one run; the run itself as a test if it has none, or none of them says why it failed."""
    found = libtest.results(outcome)
    if not found or (outcome.verdict != "pass" and all(row.result != "FAILED" for row in found)):
        found.append(libtest.result_of_run(name, outcome))
    return found
