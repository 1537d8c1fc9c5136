# SPDX-License-Identifier: Apache-2.0 OR MIT
"""End a run at an exception that the kernel reports, if the held guest shows that there was one."""

from __future__ import annotations

from hermit_harness.vm.qmp import QmpError
from hermit_harness.watch.faults import Fault
from hermit_harness.watch.held import StoredState, stored_state
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher


class FaultWatcher(Watcher):
    """Holds the guest after each complete report and compares the report with the guest's memory.

    If they agree, the run ends, unless `continues`. Otherwise the application printed the text itself, and the guest
    continues. `faults` are the exceptions that happened, each with the state in memory.
    """

    def __init__(self, continues: bool = False) -> None:
        self._continues = continues
        self._busy = False
        self.faults: list[tuple[Fault, StoredState]] = []

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def on_output(self, data: bytes) -> None:
        if self._busy:  # hold() reads the console
            return
        self._busy = True
        try:
            while fault := self._supervisor.boot_log.faults.take():
                self._judge(fault)
        except QmpError:
            pass  # QEMU is ending, which the supervisor will see
        finally:
            self._busy = False

    def _judge(self, fault: Fault) -> None:
        if not self._supervisor.hold():
            return
        try:
            state = stored_state(self._supervisor.qmp, fault)
        except (QmpError, OSError):  # for example a full disk: the guest must not stay paused
            state = None
        if state:
            self.faults.append((fault, state))
        if state and not self._continues:
            self._supervisor.end_at_fault(fault)
        else:
            self._supervisor.resume()
