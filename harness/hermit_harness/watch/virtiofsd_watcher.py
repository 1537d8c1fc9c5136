# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Watch the virtiofsd that serves a guest."""

from __future__ import annotations

from hermit_harness.vm.virtiofsd import Virtiofsd
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher


class VirtiofsdWatcher(Watcher):
    """Ends the run when virtiofsd fails, which is not the guest's failure."""

    def __init__(self, daemon: Virtiofsd) -> None:
        self._daemon = daemon

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        supervisor.add_reader(self._daemon.pidfd, self._died)

    def _died(self) -> None:
        self._supervisor.remove_reader(self._daemon.pidfd)
        if failure := self._daemon.failure():
            self._supervisor.fail(failure)
