# SPDX-License-Identifier: Apache-2.0 OR MIT
"""repro.sh: the run as one shell file that a person can start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hermit_harness.vm.argv import helper_note, plain_argv, shell_line
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target

# What QEMU's exit status means, on other processors and on x86.
STATUS = (
    "# QEMU's status: the application's own, or 0 where its kernel powers off; the loader's odd number 65 to 119.",
    "# QEMU's status: 3 for an application's status 0, 1 for any other, the loader's odd number 65 to 119.",
)


def _absolute(path: Path) -> Path:
    return path.resolve()


def resolved(spec: RunSpec) -> RunSpec:
    """`spec` with absolute paths, so that its command line works from any folder."""
    return replace(
        spec,
        loader=_absolute(spec.loader),
        app=_absolute(spec.app) if spec.app else None,
        modules=tuple(map(_absolute, spec.modules)),
    )


def repro_script(spec: RunSpec, outcome: str) -> str:
    """The text of repro.sh: the same machine with the serial port on stdin and stdout. Arguments are passed on to
    QEMU (-s -S, say)."""
    return "\n".join(
        (
            "#!/bin/sh",
            f"# expected: {spec.expect}",
            f"# ended as: {' '.join(outcome.split())}",
            STATUS[target(spec.target).cpu == "x86_64"],
            f'{helper_note(resolved(spec))}exec {shell_line(plain_argv(resolved(spec)))} "$@"',
            "",
        )
    )
