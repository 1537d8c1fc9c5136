# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A guest that sleeps for good says so on a terminal, and Ctrl-C shows where it is."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT
from hermit_harness.watch.idle import _ARMED, IDLE_LINE, IDLE_SECONDS

ENV = {key: value for key, value in os.environ.items() if not key.startswith("HERMIT_")}


class OnTerminal:
    """`hermitctl run` whose stderr is a terminal; stdin and stdout are pipes."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._terminal, other = pty.openpty()
        argv = [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={folder}", *words]
        env = ENV | {"PYTHONPATH": str(ROOT / "harness"), "TERM": "dumb"}
        # pytest may run where SIGINT is ignored, which a child inherits
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=other, env=env
        )
        os.close(other)
        self.said = ""

    def read_for(self, seconds: float, until: str = "\0") -> str:
        """Read the terminal for so long, or until a text."""
        end = time.monotonic() + seconds
        while until not in self.said and (left := end - time.monotonic()) > 0:
            if select.select([self._terminal], [], [], left)[0]:
                try:
                    data = os.read(self._terminal, 65536)
                except OSError:  # hermitctl has ended
                    break
                self.said += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return self.said

    def interrupt(self) -> int:
        """Type Ctrl-C, read what is said, and return the exit status."""
        self.process.send_signal(signal.SIGINT)
        self.read_for(60)
        return self.process.wait(10)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self._terminal)


@pytest.fixture
def guests(tmp_path: Path) -> Iterator[dict[str, OnTerminal]]:
    """Four guests at the same time, because each must be watched for ten seconds."""
    words = {
        "sleeper": ("real-wait-0.11.0-vga",),
        "server": ("--isolate", "--forward=8080:8080", "--net=user", "real-echo-0.11.0-rtl8139", "--nic=rtl8139"),
        "typist": ("echo",),
        "worker": ("liar-spin",),
    }
    started = {name: OnTerminal(tmp_path / name, *line) for name, line in words.items()}
    yield started
    for guest in started.values():
        guest.close()


@pytest.mark.requirement("L-15", "P-12")
def test_sleeping_guest(guests: dict[str, OnTerminal]) -> None:
    """Only the guest that nothing can wake gets the line, once. Ctrl-C gives verdict, backtrace and registers."""
    sleeper = guests.pop("sleeper")
    said = sleeper.read_for(60, until=IDLE_LINE)
    assert f"hermitctl: {IDLE_LINE}\n" in said
    said = sleeper.read_for(IDLE_SECONDS + 2)
    assert said.count(IDLE_LINE) == 1
    for name, guest in guests.items():
        assert IDLE_LINE not in guest.read_for(0.1), name
    assert sleeper.interrupt() == 130
    said = sleeper.said
    assert "hermitctl: interrupted" in said
    assert re.search(
        r"hang at 0x\w+ in hermit::.*silent for the last [\d.]+ of [\d.]+ s, when it was interrupted", said
    )
    assert re.search(r"^CPU 0 at 0x\w+\n  #0 ", said, re.M) and re.search(r"^ +rip 0x", said, re.M)
    assert "real-wait-0.11.0-vga" in said.splitlines()[-1] and ": hang;" in said.splitlines()[-1]
    server = guests["server"]
    assert server.interrupt() == 130
    assert "TCP port 8080 is open" in server.said
    assert "CPU 0 at" not in server.said
    sleeper.close()


LAPIC = (
    "LVTT\t 0x0000007b active-hi edge{masked}  one-shot  Fixed  (vec 123)\n"
    "Timer\t DCR=0x2 initial_count = {count} current_count = 5\n"
)


@pytest.mark.parametrize(
    ("count", "masked", "armed"),
    [("4294967295", "", False), ("62500000", "", True), ("0", "", False), ("62500000", "  masked", False)],
)
def test_timer_that_will_fire(count: str, masked: str, armed: bool) -> None:
    """A guest that sleeps until a timer is not idle for good; the largest count means that no timer is set."""
    assert (_ARMED.search(LAPIC.format(count=count, masked=masked)) is not None) == armed
