# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Real applications that are built in other ways: other languages, link-time optimisation, features and settings of the
kernel; and one that wants much memory.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.boot import boot
from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.matrix.prerequisites import make
from hermit_harness.paths import BUILD, ROOT, loader_file
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.supervisor import Session, Watcher

Boot = Callable[[RunSpec], Outcome]
HERMITCTL = str(BUILD / "venv" / "bin" / "hermitctl")
SCREEN, COLUMNS, LINES = 0xB8000, 80, 25
GREETS = '    println!("Hello from a real Hermit application!");'


def lines(outcome: Outcome, expect: str = "exit 0") -> list[str]:
    assert outcome.matches(expect), str(outcome)
    return outcome.console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()


@pytest.mark.requirement("L-01")
@pytest.mark.parametrize(
    ("language", "told"),
    [("c", "memory, data and arithmetic: right"), ("cpp", "constructors, new and virtual calls: right")],
)
def test_other_languages(language: str, told: str, boot_here: Boot) -> None:
    """Programs in C and in C++ around the kernel: their data is relocated, they get memory, they end well."""
    assert told in lines(boot_here(specs.release(f"real-{language}-0.11.0")))


@pytest.mark.requirement("W-12")
def test_link_time_optimisation(boot_here: Boot) -> None:
    """Linked as one piece, which is another file, the application finds its data and pointers as ever."""
    seen = lines(boot_here(specs.release("real-hello-0.11.0-lto")))
    assert {"thread-local data: right", "relocations: right"} <= set(seen)
    plain, optimised = (images()[f"real-hello-0.11.0{suffix}"].path for suffix in ("", "-lto"))
    assert optimised.read_bytes() != plain.read_bytes()


@pytest.mark.requirement("W-12")
def test_what_was_optimised_in_one_piece_is_debugged() -> None:
    """A breakpoint at the application's function is found, and its line told, wherever it was merged."""
    words = ("debug", "--batch", "--break", "runtime_entry", "--command", "bt", "--command", "continue")
    done = subprocess.run(
        [HERMITCTL, *words, "real-hello-0.11.0-lto"], capture_output=True, text=True, timeout=120, check=False
    )
    stopped, _, went_on = done.stdout.partition("Hello from a real Hermit application!")
    line = 1 + (ROOT / "fixtures/real/hello/main.rs").read_text().splitlines().index(GREETS)
    assert re.search(rf"runtime_entry \(.*\) at .*hello\.rs:{line}$", stopped, re.M), done.stdout + done.stderr
    assert "relocations: right" in went_on


@pytest.mark.requirement("W-12")
def test_loader_optimised_in_one_piece(boot_here: Boot) -> None:
    """The loader's own files, too: CFLAGS=-flto makes a smaller loader that boots."""
    words = ("PROFILE=release", "TARGET=x86_64-multiboot", "O=build/lto", "CFLAGS=-flto", "all")
    whole = ROOT / make("-f", "loader/loader.mk", *words).split()[-1]
    assert whole.stat().st_size < loader_file("x86_64-multiboot").stat().st_size
    spec = specs.release("real-hello-0.11.0")
    seen = lines(boot_here(replace(spec, loader=whole, loader_debug=specs.debug_file(whole))))
    assert {"thread-local data: right", "relocations: right"} <= set(seen)


@pytest.mark.requirement("W-13", "W-14")
def test_level_chosen_at_build_time(boot_here: Boot) -> None:
    """HERMIT_LOG_LEVEL_FILTER=Debug when the kernel was compiled: it tells more; other kernels stay at
    their level. Without a network card its application ends with 1."""
    told = lines(boot_here(specs.release("real-echo-0.11.0-configured", expect="exit 1")), "exit 1")
    plain = lines(boot_here(specs.release("real-echo-0.11.0", expect="exit 1")), "exit 1")
    assert "no TCP socket: error -22" in told
    debug = [[line for line in seen if re.match(r"\[0\]\[\S*DEBUG", line)] for seen in (told, plain)]
    assert len(debug[0]) > 20
    assert debug[1] == []


@pytest.mark.requirement("C-23")
def test_memory_benchmark(boot_here: Boot) -> None:
    """With 4 processors and 6 GiB, more than fits below 4 GiB, the memory is there and every result is right."""
    seen = lines(boot_here(specs.release("real-stream-0.11.0", memory="6G", smp=4, cpu_seconds=120.0)))
    assert {"a block of 4608 MiB: right", "results: right"} <= set(seen)
    rates = [re.fullmatch(r"(\w+): (\d+) MB/s on 4 CPUs", line) for line in seen]
    found = {rate[1]: int(rate[2]) for rate in rates if rate}
    assert set(found) == {"Copy", "Scale", "Add", "Triad"}
    assert min(found.values()) > 0


class Looker(Watcher):
    """A watcher that reads the screen's memory as soon as the guest has printed a line, and then ends the guest."""

    def __init__(self, line: bytes) -> None:
        self._line, self._console = line + b"\n", b""
        self.rows: list[str] = []

    def start(self, session: Session) -> None:
        self._session = session

    def printed(self, data: bytes) -> None:
        self._console += data.replace(b"\r", b"")
        if self._line in self._console and not self.rows:
            self.rows = screen(self._session.qmp.hmp(f"xp /{COLUMNS * LINES}hx {SCREEN:#x}"))
            self._session.end("its screen was read")


def screen(dump: str) -> list[str]:
    """The lines of a text screen from QEMU's dump of its cells, each 16 bits: the character is in the lower byte."""
    cells = re.findall(r"0x([0-9a-f]{4})\b", re.sub(r"(?m)^[0-9a-f]+:", "", dump))
    text = "".join(chr(int(cell, 16) & 0xFF) for cell in cells)
    return [text[at : at + COLUMNS].replace("\0", " ").rstrip() for at in range(0, len(text), COLUMNS)]


@pytest.mark.requirement("W-05")
def test_text_on_the_screen() -> None:
    """With the feature vga the kernel's and the application's lines stand on the screen, the last one at its
    end."""
    looker = Looker(b"waiting to be looked at")
    spec = specs.release("real-wait-0.11.0-vga", extra=("-device", "VGA"))
    boot(spec, specs.artifacts("boot/test_kernel_features/vga"), watchers=(looker,))
    assert len(looker.rows) == LINES
    written = [row for row in looker.rows if row]
    assert written[-1] == "waiting to be looked at"
    assert any("Jumping into application" in row for row in written)


@pytest.mark.requirement("W-08", "W-09")
def test_fixtures_say_how_they_are_built() -> None:
    """The kernel's features of each image stand in its fixture.toml and in the list of images."""
    found = images()["real-echo-0.11.0-dhcp"]
    assert {"tcp", "udp", "dhcpv4", "pci", "acpi", "fsgsbase", "smp"} <= set(found.features)
    listed = subprocess.run([HERMITCTL, "list", "images"], capture_output=True, text=True, check=True)
    assert "real-echo-0.11.0-dhcp" in listed.stdout
