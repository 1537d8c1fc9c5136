# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boot one guest and say how it ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec


def boot(
    spec: RunSpec,
    artifacts: Path | None = None,
    console: Callable[[bytes], None] | None = None,
    stdin_fd: int | None = None,
) -> Outcome:
    """Run `spec` to its end and return its outcome; never raises for what a guest or QEMU does.

    `artifacts`: folder that gets argv, console.log, qmp.jsonl, repro.sh, and the post-mortem when the outcome is not what spec.expect says.
    `console` is called with the guest's bytes as they arrive. `stdin_fd` is read while the guest runs and sent to its serial port.
    """
    raise NotImplementedError
