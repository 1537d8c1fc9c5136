# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The console: the lines of each log level, and bytes in both directions."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix import specs
from hermit_harness.paths import BUILD
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import standalone_argv
from hermit_harness.vm.host import UNSHARE_COMMAND
from hermit_harness.vm.spec import RunSpec
from tests.support.processes import background
from tests.support.qemu import examined, run_qemu

Boot = Callable[[RunSpec], Outcome]
GREETING = b"Hello from a bare Hermit application"
CFLAG, ISPEED, OSPEED = 2, 4, 5  # of termios.tcgetattr()


def loader_lines(console: bytes) -> list[str]:
    lines = console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()
    return [line for line in lines if line.startswith("[LOADER]")]


@pytest.mark.requirement("L-24", "N-16")
@pytest.mark.parametrize("machine", ["pc", "q35", "microvm", "microvm-acpi-off"])
@pytest.mark.parametrize(("image", "first"), [("hello", 0x200000), ("hello-fixed", 0x800000)])
def test_good_boot_prints_two_lines(machine: str, image: str, first: int, boot_here: Boot) -> None:
    """A good boot prints exactly the banner and the load range, as plain text with consistent numbers."""
    outcome = boot_here(specs.release(image, machine))
    banner, loading = loader_lines(outcome.console)
    number = r"\d+\.\d+\.\d+"
    commit = r"[0-9a-f]{7,12}(?:-dirty)?|unknown"
    pattern = rf"\[LOADER\]\[INFO\] Hermit loader {number} \((?:{commit}), x86_64-multiboot, multiboot\)"
    assert re.fullmatch(pattern, banner), banner
    found = re.fullmatch(
        r"\[LOADER\]\[INFO\] Loading kernel to (0x[0-9a-f]+)\.\.(0x[0-9a-f]+) \(len = (0x[0-9a-f]+) B / (\d+) B\)",
        loading,
    )
    assert found, loading
    start, end, length = (int(text, 16) for text in found.groups()[:3])
    assert (start, end - start) == (first, length)
    assert int(found[4]) == length


@pytest.mark.requirement("RX-01")
def test_lines_without_a_level(boot_here: Boot) -> None:
    """With loader.log-style=plain lines begin as those of loaders before 0.4.0, and the harness understands them."""
    outcome = boot_here(specs.release("hello", "microvm", append="loader.log-style=plain"))
    assert outcome.matches("exit 0"), str(outcome)
    banner, loading = loader_lines(outcome.console)
    assert banner.startswith("[LOADER] Hermit loader ") and loading.startswith("[LOADER] Loading kernel to 0x200000..")
    spec = specs.release("hello", "microvm", append="loader.log-style=plain loader.era=e9")
    outcome = boot_here(replace(spec, expect="refused 81 era-unsupported"))
    assert outcome.matches("refused 81 era-unsupported"), str(outcome)
    assert loader_lines(outcome.console)[-1].startswith("[LOADER] 81 era-unsupported: ")
    assert len(outcome.errors) == 1


@pytest.mark.requirement("M-10", "M-11", "M-12", "M-13", "N-16")
def test_debug_lines(boot_here: Boot) -> None:
    """Debug lines report the loader, the Multiboot information, the module and the mapping."""
    outcome = boot_here(specs.release("hello", append="loader.log=debug"))
    text = "\n".join(loader_lines(outcome.console))
    loader = re.search(r"Loader: \[0x([0-9a-f]+) - 0x([0-9a-f]+)\]", text)
    assert loader
    assert int(loader[1], 16) == 0x100000 < int(loader[2], 16)
    info = re.search(r"Found Multiboot information at 0x([0-9a-f]+)", text)
    # QEMU 7.2 to 10 put it there (hw/i386/multiboot.c), as the demonstration's log shows.
    assert info and int(info[1], 16) == 0x9500
    module = re.search(r"Found an ELF module at \[0x([0-9a-f]+) - 0x([0-9a-f]+)\]", text)
    length = re.search(r"Module length: 0x([0-9a-f]+)", text)
    app = specs.release("hello").app
    assert module and length and app
    assert int(module[2], 16) - int(module[1], 16) == int(length[1], 16) == app.stat().st_size
    maps = re.findall(r"Map (\d+) pages? at (0x[0-9a-f]+) \(page size (\d+) KByte\)", text)
    assert {size for _, _, size in maps} == {"4", "2048"}
    assert ("1", "0x200000", "2048") in maps
    assert re.search(r"Entering kernel at 0x[0-9a-f]+, stack at 0x[0-9a-f]+, raw_boot_info at 0x[0-9a-f]+", text)
    assert outcome.matches("exit 0")


@pytest.mark.requirement("N-15")
def test_levels_at_run_time(boot_here: Boot) -> None:
    """The command line selects the level; each level prints all of the level before, and none of the next."""
    before: list[str] = []
    words: list[str] = []
    for level in ("error", "warn", "info", "debug", "trace"):
        outcome = boot_here(specs.release("hello", append=f"loader.log={level}"))
        assert outcome.matches("exit 0"), str(outcome)
        # The length of the level's name moves addresses.
        lines = [re.sub(r"0x[0-9a-f]+|\b\d+\b", "N", line) for line in loader_lines(outcome.console)]
        words.append(level.upper())
        assert {line.partition("][")[2].partition("]")[0] for line in lines} <= set(words)
        assert [line for line in lines if f"[{level.upper()}]" not in line] == before
        assert len(lines) > len(before) or level in ("error", "warn")
        assert "\x1b" not in "".join(lines)
        before = lines
    assert len(before) > 10


@pytest.mark.requirement("L-15")
@pytest.mark.parametrize("image", ["echo", "echo-fixed"])
@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_typed_line_reaches_the_application(image: str, machine: str, boot_here: Boot) -> None:
    """Input reaches the application, even if it arrives before the application reads."""
    outcome = boot_here(specs.release(image, machine, stdin=b"one line, typed early\n"))
    assert outcome.matches("exit 0"), str(outcome)
    assert b"echo: <<<one line, typed early>>>" in outcome.console


@pytest.mark.requirement("L-15")
def test_stdin_and_stdout_are_pipes() -> None:
    """With -serial stdio on pipes, the application's output is on QEMU's stdout."""
    done = run_qemu(standalone_argv(specs.release("echo")), stdin=b"through a pipe\n")
    assert done.returncode == 3
    assert b"echo: <<<through a pipe>>>" in done.stdout
    assert done.stdout.startswith(b"[LOADER][INFO] Hermit loader ")


@pytest.mark.requirement("L-15")
def test_stdout_is_a_terminal() -> None:
    """-serial stdio works on a terminal."""
    ours, theirs = pty.openpty()
    command = [*UNSHARE_COMMAND, *standalone_argv(specs.release("hello"))]
    with background(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        try:
            while data := os.read(ours, 4096):
                seen += data
        except OSError:
            pass  # reading a terminal whose other end is closed gives EIO
        assert process.wait(60) == 3
    os.close(ours)
    assert GREETING in seen


@pytest.mark.requirement("L-15")
def test_line_settings() -> None:
    """The UART runs at 115,200 baud with one stop bit: QEMU sets a terminal the same way."""
    ours, theirs = pty.openpty()
    settings = termios.tcgetattr(theirs)
    settings[CFLAG] = settings[CFLAG] | termios.CSTOPB
    settings[ISPEED] = settings[OSPEED] = termios.B9600
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    argv = [
        word.replace("stdio", os.ttyname(theirs)) if word == "stdio" else word
        for word in standalone_argv(specs.release("hello"))
    ]
    with background(argv, stdin=subprocess.DEVNULL) as process:
        seen = b""
        while GREETING not in seen:
            seen += os.read(ours, 4096)
        assert process.wait(60) == 3
    settings = termios.tcgetattr(theirs)
    os.close(ours)
    os.close(theirs)
    assert settings[ISPEED] == settings[OSPEED] == termios.B115200
    assert not settings[CFLAG] & termios.CSTOPB


@pytest.mark.requirement("L-15")
@pytest.mark.parametrize("machine", ["pc", "microvm"])
def test_line_format(machine: str, tmp_path: Path) -> None:
    """The line control register of COM1 says 8 bits, no parity, one stop bit (PC16550D, 8.1)."""
    with examined(specs.release("echo", machine, stdin=None), b"echo: type a line", tmp_path) as guest:
        read = guest.qmp.execute("human-monitor-command", {"command-line": "i /xb 0x3fb"})
    assert re.search(r"= 0x0*3\b", str(read)), read


@pytest.mark.requirement("L-15")
def test_closed_reader_does_not_stop_the_guest() -> None:
    """The application completes although the pipe's reader is gone."""
    script = '{ "$@" </dev/null; echo "$?" >&3; } 3>&2 2>/dev/null | true'
    done = run_qemu(["sh", "-c", script, "sh", *standalone_argv(specs.release("hello"))])
    assert done.stderr.strip() == b"3"


@pytest.mark.requirement("L-15")
def test_hermitctl_with_stdout_closed() -> None:
    """hermitctl works with its stdout closed, and returns the application's status."""
    command = ["sh", "-c", 'exec "$@" >&-', "sh", str(BUILD / "venv" / "bin" / "hermitctl"), "run", "exit", "--", "7"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 7
