# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl bench: how long an application takes to its first line and to its end."""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import replace
from typing import Any

from hermit_harness.boot import boot
from hermit_harness.cli.app import find_app
from hermit_harness.cli.loader import find_loader
from hermit_harness.cli.run import end_row
from hermit_harness.elf import read
from hermit_harness.vm import host
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

DEFAULT_APP = "real-hello-0.11.0-microvm"
# The steady clock that measurements under KVM want; where this CPU does not start, the machine's usual one is next.
STEADY_CPU = "host,migratable=no,+invtsc,enforce"
ACCELERATORS = (("kvm", STEADY_CPU), ("kvm", ""), ("tcg", ""))
DESCRIPTION = """\
Measure how long an application takes to its first line and to its end. It is
booted several times under KVM, with a steady clock if the machine supports it,
and under TCG. Compare only figures of one run.

  hermitctl bench
  hermitctl bench --runs 20 --machine pc real-hello-0.11.0

Exit status: 0; 125 if nothing could be timed."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("bench", help="time boots of one application", description=DESCRIPTION)
    parser.add_argument("--runs", type=int, default=10, help="boots per accelerator (default: 10)")
    parser.add_argument("--machine", default="microvm", help="machine (default: microvm)")
    parser.add_argument("app", nargs="?", default=DEFAULT_APP, metavar="APP", help=f"default: {DEFAULT_APP}")
    parser.set_defaults(function=command)


def report(text: str) -> None:
    """A line of ours."""
    print(f"hermitctl: {text}", file=sys.stderr)


def measure(spec: RunSpec, runs: int) -> dict[str, list[float]] | None:
    """Return the seconds since QEMU's start by milestone; None, after a message, if a boot failed."""
    times: dict[str, list[float]] = {"loading": [], "kernel_line": [], "end": []}
    for _ in range(runs):
        outcome = boot(spec)
        if outcome.verdict != "pass":
            report(f"{spec.accel} with -cpu {spec.cpu or 'of the machine'} is left out: {outcome.cause}")
            return None
        for name, values in times.items():
            values.append(outcome.timings.get(name, outcome.timings["end"]))
    return times


def command(arguments: argparse.Namespace) -> int:
    """0 when something could be measured, else 125."""
    try:
        path, image = find_app(arguments.app)
        loader = find_loader("x86_64-multiboot", "release", target("x86_64-multiboot"))
    except ValueError as error:
        report(str(error))
        return 125
    plain = RunSpec(loader=loader, app=path, machine=arguments.machine, end=end_row(read(path), image))
    done: set[str] = set()
    for accel, cpu in ACCELERATORS:
        if accel in done:
            continue
        if accel == "kvm" and host.kvm_problem():
            report(f"kvm is left out: {host.kvm_problem()}")
            done.add("kvm")
            continue
        times = measure(replace(plain, accel=accel, cpu=cpu), max(1, arguments.runs))
        if times is None:
            continue
        done.add(accel)
        for name, values in times.items():
            low, middle = 1000 * min(values), 1000 * statistics.median(values)
            print(f"{accel:4} {name:12} best {low:7.1f} ms, median {middle:7.1f} ms of {len(values)}")
    return 0 if "tcg" in done or "kvm" in done else 125
