# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Real applications built in other ways: languages, link-time optimisation, kernel features, large memory."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
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
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher

Boot = Callable[[RunSpec], Outcome]
HERMITCTL = str(BUILD / "venv" / "bin" / "hermitctl")
SCREEN, COLUMNS, LINES = 0xB8000, 80, 25
GREETS = '    println!("Hello from a real Hermit application!");'


def lines(outcome: Outcome, expect: str = "exit 0") -> list[str]:
    assert outcome.matches(expect), str(outcome)
    return outcome.console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()


@pytest.mark.requirement("L-01")
@pytest.mark.parametrize(
    ("language", "expected"),
    [("c", "memory, data and arithmetic: right"), ("cpp", "constructors, new and virtual calls: right")],
)
def test_other_languages(language: str, expected: str, boot_here: Boot) -> None:
    """Programs in C and C++ on top of the kernel are relocated, allocate memory and exit with 0."""
    assert expected in lines(boot_here(specs.release(f"real-{language}-0.11.0")))


@pytest.mark.requirement("W-12")
def test_link_time_optimisation(boot_here: Boot) -> None:
    """An application with link-time optimisation finds its data and pointers."""
    seen = lines(boot_here(specs.release("real-hello-0.11.0-lto")))
    assert {"thread-local data: right", "relocations: right"} <= set(seen)
    plain, optimised = (images()[f"real-hello-0.11.0{suffix}"].path for suffix in ("", "-lto"))
    assert optimised.read_bytes() != plain.read_bytes()


@pytest.mark.requirement("W-12")
def test_link_time_optimised_application_is_debugged() -> None:
    """A breakpoint at an application's function is found, with its line, even if the function was inlined."""
    words = ("debug", "--batch", "--break", "runtime_entry", "--command", "bt", "--command", "continue")
    done = subprocess.run(
        [HERMITCTL, *words, "real-hello-0.11.0-lto"], capture_output=True, text=True, timeout=120, check=False
    )
    stopped, _, went_on = done.stdout.partition("Hello from a real Hermit application!")
    line = 1 + (ROOT / "fixtures/real/hello/main.rs").read_text().splitlines().index(GREETS)
    assert re.search(rf"runtime_entry \(.*\) at .*hello\.rs:{line}$", stopped, re.M), done.stdout + done.stderr
    assert "relocations: right" in went_on


@pytest.mark.requirement("W-12")
@pytest.mark.parametrize(
    ("name", "image"), [("x86_64-multiboot", "real-hello-0.11.0"), ("aarch64-elf", "probe"), ("riscv64-sbi", "probe")]
)
def test_link_time_optimised_loader(name: str, image: str, boot_here: Boot) -> None:
    """CFLAGS=-flto makes a smaller loader that boots."""
    words = ("PROFILE=release", f"TARGET={name}", "O=build/lto", "CFLAGS=-flto", "all")
    whole = ROOT / make("-f", "loader/loader.mk", *words).split()[-1]
    assert whole.stat().st_size < loader_file(name).stat().st_size
    spec = specs.release(image, target_name=name)
    outcome = boot_here(replace(spec, loader=whole, loader_debug=specs.debug_file(whole)))
    assert outcome.matches("exit 0"), str(outcome)


@pytest.mark.requirement("W-13", "W-14")
def test_level_chosen_at_build_time(boot_here: Boot) -> None:
    """A kernel logs up to the level of HERMIT_LOG_LEVEL_FILTER, and up to Info if that is no level.

    Without a NIC its application exits with 1.
    """
    logged = {}
    for variant in ("-configured", "", "-mislevelled", "-quiet"):  # Debug, unset, loud, Error
        seen = lines(boot_here(specs.release(f"real-echo-0.11.0{variant}", expect="exit 1")), "exit 1")
        assert "no TCP socket: error -22" in seen
        logged[variant] = Counter(re.findall(r"(?m)^\[0\]\[(?:\S*m)?([A-Z]+)", "\n".join(seen)))
    assert logged["-configured"]["DEBUG"] > 20 and logged[""]["INFO"] > 20
    assert set(logged[""]) <= {"INFO", "WARN", "ERROR"}
    assert logged["-mislevelled"] == logged[""]
    assert set(logged["-quiet"]) <= {"ERROR"}


@pytest.mark.requirement("C-23")
def test_memory_benchmark(boot_here: Boot) -> None:
    """With four CPUs and 6 GiB the memory above 4 GiB is usable, and each result is right."""
    seen = lines(boot_here(specs.release("real-stream-0.11.0", memory="6G", smp=4, cpu_seconds=120.0)))
    assert {"a block of 4608 MiB: right", "results: right"} <= set(seen)
    rates = [re.fullmatch(r"(\w+): (\d+) MB/s on 4 CPUs", line) for line in seen]
    found = {rate[1]: int(rate[2]) for rate in rates if rate}
    assert set(found) == {"Copy", "Scale", "Add", "Triad"}
    assert min(found.values()) > 0


class ScreenReader(Watcher):
    """Reads the text screen as soon as the guest has printed a line, and then ends the guest."""

    def __init__(self, line: bytes) -> None:
        self._line, self._console = line + b"\n", b""
        self.rows: list[str] = []

    def on_start(self, supervisor: Supervisor) -> None:
        self._session = supervisor

    def on_output(self, data: bytes) -> None:
        self._console += data.replace(b"\r", b"")
        if self._line in self._console and not self.rows:
            self.rows = screen(self._session.qmp.hmp(f"xp /{COLUMNS * LINES}hx {SCREEN:#x}"))
            self._session.stop("its screen was read")


def screen(dump: str) -> list[str]:
    """Return the lines of a text screen from a dump of its 16-bit cells; the character is in the low byte."""
    cells = re.findall(r"0x([0-9a-f]{4})\b", re.sub(r"(?m)^[0-9a-f]+:", "", dump))
    text = "".join(chr(int(cell, 16) & 0xFF) for cell in cells)
    return [text[at : at + COLUMNS].replace("\0", " ").rstrip() for at in range(0, len(text), COLUMNS)]


@pytest.mark.requirement("W-05")
def test_text_on_the_screen() -> None:
    """With the feature vga the output of kernel and application is on the screen, the last line at its end."""
    looker = ScreenReader(b"waiting to be looked at")
    spec = specs.release("real-wait-0.11.0-vga", extra=("-device", "VGA"))
    boot(spec, specs.artifacts("boot/test_kernel_features/vga"), watchers=(looker,))
    assert len(looker.rows) == LINES
    written = [row for row in looker.rows if row]
    assert written[-1] == "waiting to be looked at"
    assert any("Jumping into application" in row for row in written)


@pytest.mark.requirement("W-08", "W-09")
def test_fixtures_list_the_kernels_features() -> None:
    """`hermitctl list images` names the features of the kernel of each real image."""
    wanted = {"tcp", "udp", "dhcpv4", "pci", "acpi", "fsgsbase", "smp"}
    listed = subprocess.run([HERMITCTL, "list", "images"], capture_output=True, text=True, check=True)
    (line,) = (line for line in listed.stdout.splitlines() if line.split()[0] == "real-echo-0.11.0-dhcp")
    assert wanted <= set(line.rpartition("[")[2].rstrip("]").split()), line
    data = subprocess.run([HERMITCTL, "list", "images", "--json"], capture_output=True, text=True, check=True)
    rows = {row["id"]: set(row["features"]) for row in json.loads(data.stdout)["images"] if row["kind"] == "real"}
    assert wanted <= rows["real-echo-0.11.0-dhcp"]
    # Without a network, the defaults of the kernel of that time.
    assert {"pci", "acpi", "fsgsbase", "smp"} <= rows["real-hello-0.11.0"]
    assert not {"tcp", "udp", "dhcpv4"} & rows["real-hello-0.11.0"]
    assert all(rows.values())
