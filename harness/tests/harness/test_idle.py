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
from hermit_harness.watch.idle import (
    _ARMED,
    IDLE_SECONDS,
    idle_line,
    is_arm_timer_armed,
    is_timer_armed,
    waits_for_input,
)

ENV = {key: value for key, value in os.environ.items() if not key.startswith("HERMIT_")}


IDLE = "the guest has been idle for"


class OnTerminal:
    """`hermitctl run` whose stderr is a terminal; stdout, and by default stdin, are pipes."""

    def __init__(self, directory: Path, *words: str, stdin: int = subprocess.PIPE) -> None:
        self._terminal, other = pty.openpty()
        argv = [sys.executable, "-m", "hermit_harness", "run", f"--artifacts={directory}", *words]
        env = ENV | {"PYTHONPATH": str(ROOT / "harness"), "TERM": "dumb"}
        # pytest may run where SIGINT is ignored, which a child inherits
        self.process = subprocess.Popen(
            ["env", "--default-signal=INT", *argv], stdin=stdin, stdout=subprocess.PIPE, stderr=other, env=env
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
    """Guests at the same time, because each must be watched for ten seconds."""
    words = {
        "sleeper": ("real-wait-0.11.0-vga",),
        "server": ("--isolate", "--forward=8080:8080", "--net=user", "real-echo-0.11.0-rtl8139", "--nic=rtl8139"),
        "typist": ("echo",),
        "worker": ("liar-spin",),
        "alarm": ("--loader=aarch64-elf", "hang", "--", "sleep", "timer"),
        "arm": ("--loader=aarch64-elf", "hang", "--", "sleep"),
    }
    started = {name: OnTerminal(tmp_path / name, *line) for name, line in words.items()}
    started["deaf"] = OnTerminal(tmp_path / "deaf", "real-wait-0.11.0-vga", stdin=subprocess.DEVNULL)
    yield started
    for guest in started.values():
        guest.close()


@pytest.mark.requirement("L-15", "P-12")
def test_sleeping_guest(guests: dict[str, OnTerminal]) -> None:
    """Only the guest that nothing can wake gets the line, once. Ctrl-C gives verdict, backtrace and registers."""
    sleeper, deaf, arm = guests.pop("sleeper"), guests.pop("deaf"), guests.pop("arm")
    said = sleeper.read_for(60, until="Ctrl-C")
    assert f"hermitctl: {idle_line('typed input')}\n" in said, "its kernel has enabled the UART's interrupt"
    said = sleeper.read_for(IDLE_SECONDS + 2)
    assert said.count(IDLE) == 1
    assert f"hermitctl: {idle_line()}\n" in deaf.read_for(60, until="Ctrl-C"), "no input can come any more"
    deaf.close()
    assert f"hermitctl: {idle_line()}\n" in arm.read_for(60, until="Ctrl-C"), "its timers are read"
    assert arm.interrupt() == 130
    assert "app_main fixtures/bare/hang/hang.c" in arm.said, "the stub is usable again"
    arm.close()
    for name, guest in guests.items():
        assert IDLE not in guest.read_for(0.1), name
    assert sleeper.interrupt() == 130
    said = sleeper.said
    assert "hermitctl: interrupted" in said
    assert re.search(
        r"hang at 0x\w+ in hermit::.*silent for the last [\d.]+ of [\d.]+ s, when it was interrupted", said
    )
    assert re.search(r"^CPU 0 at 0x\w+\n  #0 ", said, re.M) and re.search(r"^ +rip 0x", said, re.M)
    assert re.fullmatch(r"hang after \d+ ms · real-wait-0.11.0-vga, .*", said.splitlines()[-1])
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


@pytest.mark.parametrize(
    ("timer", "control", "compare", "armed"),
    [
        ("CNTP", 0b001, 1 << 40, True),
        ("CNTV", 0b001, 1 << 40, True),
        ("CNTP", 0b000, 1 << 40, False),
        ("CNTP", 0b011, 1 << 40, False),
        ("CNTP", 0b101, 1 << 40, False),
        ("CNTP", 0b001, (1 << 64) - 1, False),
    ],
    ids=["physical", "virtual", "disabled", "masked", "fired", "never"],
)
def test_timer_of_aarch64(timer: str, control: int, compare: int, armed: bool) -> None:
    """A generic timer of any CPU will fire if it is enabled, not masked, and has not fired."""
    registers = {"CNTP_CTL_EL0": 0, "CNTP_CVAL_EL0": 0, "CNTV_CTL_EL0": 0, "CNTV_CVAL_EL0": 0}
    second = registers | {f"{timer}_CTL_EL0": control, f"{timer}_CVAL_EL0": compare}
    assert is_arm_timer_armed([registers, second]) == armed


@pytest.mark.parametrize(
    ("cpu", "dump", "waits"),
    [
        ("x86_64", "portb[0x03f9] = 0x01\r\n", True),
        ("x86_64", "portb[0x03f9] = 0x00\r\n", False),
        ("aarch64", "0000000009000038: 0x00000050\r\n", True),
        ("aarch64", "0000000009000038: 0x00000020\r\n", False),
        ("riscv64", "0000000010000001: 0x01\r\n", True),
        ("riscv64", "", False),
    ],
)
def test_input_that_interrupts(cpu: str, dump: str, waits: bool) -> None:
    """A guest waits for input if its UART interrupts it at received data."""
    assert waits_for_input(cpu, dump) == waits


@pytest.mark.parametrize(
    ("times", "armed"),
    [((1 << 64) - 1, False), (0, False), (0x396EE7B, False), (0x396EE7D, True)],
    ids=["none", "not-used", "past", "armed"],
)
def test_timer_of_riscv64(times: int, armed: bool) -> None:
    """A timer that will fire is in the future, of any hart."""
    words = "000000000200bff8: 0x000000000396ee7c\r\n" + f"0000000002004000: 0xffffffffffffffff {times:#018x}\r\n"
    assert is_timer_armed(words) == armed
