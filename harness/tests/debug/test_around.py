# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Around a debug session: error sentences, other clients, and no artifacts at the end."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermit_harness import elf
from hermit_harness.fixtures import images
from hermit_harness.gdb import program, symbols
from hermit_harness.paths import FIXTURES, ROOT, loader_file
from hermit_harness.vm.memory import memory_bytes, size_text
from tests.support.processes import descendants

Start = Callable[..., Any]
PROMPT = r"\(gdb\) "
CORPUS = FIXTURES / "corpus" / "x86_64"


def batch(environment: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    """Run `hermitctl debug --batch` without a terminal."""
    argv = [sys.executable, "-m", "hermit_harness", "debug", "--isolate", "--batch", *map(str, words)]
    return subprocess.run(
        argv, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
        timeout=120, check=False,
    )  # fmt: skip


def stripped(image: str, how: str, to: Path) -> Path:
    """Copy a real application and remove something from it with objcopy."""
    subprocess.run(["objcopy", how, str(images()[image].path), str(to)], check=True)
    return to


# --- error sentences ---


def test_application_without_symbols(environment: dict[str, str], tmp_path: Path) -> None:
    """One sentence reports it; the session starts nevertheless, with addresses."""
    app = stripped("real-hello-0.11.0", "--strip-all", tmp_path / "app")
    done = batch(environment, "--command", "print $pc", app)
    assert done.returncode == 0, done.stderr
    assert f"hermitctl: {app} has no symbols, it is stripped: GDB shows addresses only" in done.stderr
    assert "$1 = (void (*)()) 0x" in done.stdout
    done = batch(environment, "--break", "main", app)
    assert (done.returncode, "Traceback" in done.stderr) == (125, False)
    assert f"--break main: {app} has no symbols" in done.stderr


def test_application_without_sections(environment: dict[str, str], tmp_path: Path) -> None:
    """A file without section table has no symbols. One that has nothing but symbols is refused with the reason."""
    data = bytearray(images()["steps"].path.read_bytes())
    data[40:48] = bytes(8)  # e_shoff
    data[58:64] = bytes(6)  # e_shentsize, e_shnum, e_shstrndx
    (app := tmp_path / "app").write_bytes(data)
    done = batch(environment, "--machine", "microvm", "--command", "print $pc", app)
    assert done.returncode == 0, done.stderr
    assert f"hermitctl: {app} has no symbols, it is stripped" in done.stderr
    assert "$1 = (void (*)()) 0x" in done.stdout
    only_debug = tmp_path / "app.debug"
    subprocess.run(["objcopy", "--only-keep-debug", images()["steps"].path, only_debug], check=True)
    done = batch(environment, "--machine", "microvm", only_debug)
    assert done.returncode == 77
    assert "elf-entry-without-bytes: the file has no bytes for entry point" in done.stderr


def test_names_and_locale(environment: dict[str, str], tmp_path: Path) -> None:
    """A name that is no UTF-8, an ASCII locale, and a temporary directory with a blank."""
    (directory := tmp_path / os.fsdecode(b"f\xe4 lder")).mkdir()
    app = shutil.copy(images()["steps"].path, directory / os.fsdecode(b"st\xffps"))
    (room := tmp_path / "two words").mkdir()
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "TMPDIR": str(room)}
    done = batch(
        environment | ascii_only, "--machine", "microvm", "--break", "app_main", "--command", "hermit image", app
    )
    assert done.returncode == 0, done.stderr
    assert "app_main () at fixtures/bare/steps/steps.c" in done.stdout
    assert re.search(r"^  pc +0x\w+ in app_main ", done.stdout, re.M), done.stdout
    done = batch(environment | ascii_only, "--write", directory, app)
    assert done.returncode == 0, done.stderr
    assert json.loads((directory / ".vscode" / "tasks.json").read_text())["tasks"][0]["args"][-1] == str(app)


@pytest.mark.requirement("L-30")
def test_no_line_tables(environment: dict[str, str], tmp_path: Path) -> None:
    """Functions are still found by their full path, and one sentence reports what is missing."""
    app = stripped("real-hello-0.11.0", "--strip-debug", tmp_path / "app")
    done = batch(environment, "--break", "hermit::boot_processor_main", app)
    assert done.returncode == 0, done.stderr
    assert f"hermitctl: {app} has no line tables: GDB knows functions, but no source lines" in done.stderr
    assert "::boot_processor_main ()" in done.stdout


def test_wrong_symbols(environment: dict[str, str], tmp_path: Path) -> None:
    """A symbol file of another program is refused if it was named, and ignored if it was found."""
    other = images()["real-panic-0.11.0"].path.with_name("real-panic-0.11.0.debug")
    done = batch(environment, "--symbols", other, "real-hello-0.11.0")
    assert done.returncode == 125
    assert f"hermitctl: {other} does not hold the symbols of " in done.stderr
    assert "its entry point is 0x" in done.stderr
    app = stripped("real-hello-0.11.0", "--strip-debug", tmp_path / "app")
    shutil.copy(other, tmp_path / "app.debug")
    done = batch(environment, app)
    assert done.returncode == 0
    assert f"{tmp_path / 'app.debug'} belongs to another build and is left aside" in done.stderr


def test_differences_between_builds() -> None:
    """Two builds differ by CPU, build id, entry point or segments."""
    base = elf.read(images()["hello"].path)
    assert base is not None
    assert symbols.difference(base, base) == ""
    changes: dict[str, Any] = {"arch": "aarch64", "build_id": b"\1" * 20, "entry": 1, "segments": base.segments[1:]}
    base.build_id = b"\2" * 20
    for name, value in changes.items():
        other = elf.ElfFacts(**{**vars(base), name: value})
        assert symbols.difference(base, other), name


@pytest.mark.parametrize("target", ["x86_64-multiboot", "x86_64-uefi"])
def test_refusal_is_shown(environment: dict[str, str], target: str) -> None:
    """A loader that refuses before the breakpoint shows its own line and status, also if firmware continues."""
    (bad,) = CORPUS.glob("81-era-conflict.elf")
    done = batch(environment, "--target", target, bad)
    assert done.returncode == 81, done.stderr
    assert "hermitctl: the loader refused: 81 era-conflict: one note says entry version 4, another 3" in done.stderr
    assert "before the application was reached" in done.stderr


def test_ends_before_the_breakpoint(environment: dict[str, str]) -> None:
    done = batch(environment, "--break", "panic", "steps")
    assert done.returncode == 125
    assert "before panic was reached" in done.stderr
    assert "total 42" in done.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--break", "nosuch", "steps"), "no breakpoint at nosuch: "),
        (("--break", "nosuch.c:7", "steps"), "no breakpoint at nosuch.c:7: "),
        (("--mem", "0", "steps"), "--mem=0: a size is a number with M or G, such as 512M"),
        (("--mem", "much", "steps"), "--mem=much: a size is a number with M or G, such as 512M"),
        (("--port", "many", "steps"), "--port wants a number from 1 to 65535, not 'many'"),
        (("--stop-at", "somewhere", "steps"), "--stop-at somewhere: known: entry, loader"),
        (("--symbols", "/nosuch", "steps"), "/nosuch: there is no such file"),
        (("--write", "/proc", "steps"), "/proc/.gdbinit cannot be written: No such file or directory"),
        ((str(ROOT / "Makefile"),), "is no 64-bit ELF file"),
    ],
)
def test_one_sentence(environment: dict[str, str], words: tuple[str, ...], sentence: str) -> None:
    done = batch(environment, *words)
    assert done.returncode == 125
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_batch_reports_a_failed_command(environment: dict[str, str]) -> None:
    done = batch(environment, "--command", "print 6 * 7", "--command", "nosuch", "steps")
    assert done.returncode == 1
    assert "$1 = 42" in done.stdout
    assert 'Undefined command: "nosuch"' in done.stderr


SIZES = {"1.5G": ("1.5G", 1536), "256MB": ("256M", 256), "256": ("256", 256), "0.5GiB": ("0.5G", 512)}


@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_memory(size: str) -> None:
    """A size becomes what QEMU reads, and MiB to compute with."""
    assert (size_text(size, "--mem"), memory_bytes(size) >> 20) == SIZES[size]


def test_place_of_a_loader_in_firmware(environment: dict[str, str]) -> None:
    """A size that `run` takes serves `debug` as well, which computes with it where firmware places the loader."""
    words = ("--target", "x86_64-uefi", "--machine", "ovmf", "--mem", "1.5GiB", "--break", "app_main", "steps")
    done = batch(environment, *words)
    assert done.returncode == 0, done.stderr
    assert "app_main () at fixtures/bare/steps/steps.c" in done.stdout


@pytest.mark.requirement("L-24", "L-31")
def test_loader_without_symbols(environment: dict[str, str], tmp_path: Path) -> None:
    """The address in another loader's line `Loading kernel to` comes from an extra boot."""
    foreign = shutil.copy(loader_file("x86_64-multiboot"), tmp_path / "other-loader")
    done = batch(environment, "--loader", foreign, "--target", "x86_64-multiboot", "--break", "app_main", "steps")
    assert done.returncode == 0, done.stderr
    assert "no symbols of this loader: one boot more" in done.stderr
    assert "app_main () at fixtures/bare/steps/steps.c" in done.stdout


# --- choice of GDB ---


def write_program(directory: Path, name: str, body: str) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.mark.requirement("L-27")
@pytest.mark.parametrize("arch", ["x86_64", "aarch64", "riscv64"])
def test_gdbs_order_of_choice(arch: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$GDB, $RUST_GDB, rust-gdb, gdb-multiarch, gdb. A fake rust-gdb on PATH runs a GDB that supports the CPU."""
    fakes = tmp_path / "bin"
    for name in ("rust-gdb", "gdb-multiarch", "gdb"):
        write_program(fakes, name, f'exec /usr/bin/{name.replace("rust-gdb", "gdb-multiarch")} "$@"')
    monkeypatch.setenv("PATH", str(fakes))
    found = program.find_all(arch, {})
    assert found[0].words == ("rust-gdb",)
    assert found[0].environment.get("RUST_GDB", "gdb" if arch == "x86_64" else "") in ("gdb", "gdb-multiarch")
    assert found[1].words == ("gdb-multiarch",)
    (fakes / "rust-gdb").unlink()
    assert program.find_all(arch, {})[0].words == ("gdb-multiarch",)
    monkeypatch.setenv("PATH", f"{fakes}:/usr/bin")
    assert program.find_all(arch, {"RUST_GDB": "gdb-multiarch"})[0].words == ("gdb-multiarch",)
    named = {"GDB": f"{fakes / 'gdb-multiarch'} -nx", "RUST_GDB": "gdb"}
    assert [gdb.words for gdb in program.find_all(arch, named)] == [(str(fakes / "gdb-multiarch"), "-nx")]


@pytest.mark.requirement("L-27")
def test_missing_gdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the package. A chosen GDB without support for the CPU is refused."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="no GDB that knows aarch64 is installed: apt install gdb-multiarch"):
        program.find_all("aarch64", {})
    with pytest.raises(ValueError, match="GDB=nosuch: there is no such program"):
        program.find_all("x86_64", {"GDB": "nosuch"})
    narrow = write_program(tmp_path, "narrow-gdb", "echo Undefined item")
    with pytest.raises(ValueError, match="does not know riscv64"):
        program.find_all("riscv64", {"GDB": str(narrow)})


@pytest.mark.requirement("L-27")
def test_gdb_that_does_not_start(environment: dict[str, str], tmp_path: Path) -> None:
    """Rust's wrapper may exist without a toolchain; then the next GDB is used."""
    write_program(tmp_path / "bin", "rust-gdb", "echo no toolchain >&2; exit 1")
    path = f"{tmp_path / 'bin'}:{environment['PATH']}"
    done = batch(environment | {"PATH": path}, "--break", "app_main", "steps")
    assert "no toolchain" in done.stderr
    assert "app_main () at" in done.stdout


# --- other clients ---


@pytest.mark.requirement("L-26", "L-32", "C-34")
def test_gdb_script_works_without_the_harness(environment: dict[str, str], tmp_path: Path) -> None:
    """--port opens a port for other clients, with a script of plain GDB commands.

    If the port is taken, the next one is used, on the loopback address.
    """
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        wanted = taken.getsockname()[1]
        argv = [sys.executable, "-m", "hermit_harness", "debug"]
        machine = subprocess.Popen(
            [*argv, "--port", str(wanted), "steps"], env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert machine.stderr is not None
        line = machine.stderr.readline()
    address = re.search(r"listening for GDB on 127\.0\.0\.1:(\d+)", line)
    assert address, line
    assert wanted < int(address[1])
    words = [*argv, "--print", "--port", address[1], "--break", "app_main", "steps"]
    script = tmp_path / ".gdbinit"
    script.write_text(
        subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    )
    assert "python" not in script.read_text()
    typed = [word for command in ("next", "print seed", "hbreak trampoline_enter", "kill") for word in ("-ex", command)]
    done = subprocess.run(
        ["gdb", "-nx", "-q", "-batch", "-x", str(script), *typed],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "app_main () at fixtures/bare/steps/steps.c" in done.stdout, done.stdout + done.stderr
    assert "$1 = 20" in done.stdout
    assert "trampoline_enter. (2 locations)" in done.stdout  # at its link address, and where it ran
    machine.wait(20)
    machine.stderr.close()


# --- nothing survives ---


@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
@pytest.mark.parametrize("victim", ["python", "gdb", "qemu"])
def test_nothing_survives(start: Start, victim: str, running: bool) -> None:
    """Whichever process is killed, QEMU, GDB and hermitctl end, and the session's socket is removed."""
    # As from an interactive shell, which keeps the terminal.
    shell = ["sh", "-c", '"$@"; echo "ended: $?"; read -r line', "sh"]
    room = tempfile.mkdtemp(prefix="h")  # a short name, because a socket's path has a maximum length
    session = start("debug", "--isolate", "hang", before=shell, TMPDIR=room)
    session.expect(PROMPT)
    below = descendants(session.pid)
    names = {pid: Path(f"/proc/{pid}/comm").read_text().strip() for pid in below}
    assert any(name.startswith("qemu") for name in names.values()), names
    if running:
        session.type("continue\n")
        session.expect("from here on nothing happens")
    pidfds = [os.pidfd_open(pid) for pid in below]
    os.kill(next(pid for pid, name in names.items() if name.startswith(victim)), signal.SIGKILL)
    if victim == "qemu":  # GDB keeps running, and reports the loss at its next access
        session.type("" if running else "stepi\n")
        session.expect("[Cc]onnection closed|disconnected")
        session.type("quit\n")
    assert all(select.select([pidfd], [], [], 20)[0] for pidfd in pidfds), names
    for pidfd in pidfds:
        os.close(pidfd)
    session.expect(r"ended: \d")
    os.rmdir(room)  # which fails if something is left


def test_options_are_variables(environment: dict[str, str]) -> None:
    """In `make debug BREAK=... STOP_AT=...` a variable means the same as the option."""
    variables = {"HERMIT_BREAK": "app_main", "HERMIT_COMMAND": "print 6 * 7", "HERMIT_APP": "steps"}
    done = batch(environment | variables)
    assert "app_main () at" in done.stdout
    assert "$1 = 42" in done.stdout


def test_cell_is_debugged(environment: dict[str, str]) -> None:
    """A cell of the matrix boots as in the tests; the error for an unknown one suggests similar ids."""
    done = batch(environment, "--cell", "x86_64/microvm/tcg/hello/debug", "--break", "app_main")
    assert "app_main () at" in done.stdout, done.stderr
    done = batch(environment, "--cell", "x86_64/microvm/tcg/helo/debug")
    assert done.returncode == 125
    assert "no cell x86_64/microvm/tcg/helo/debug: x86_64/microvm/tcg/hello/debug" in done.stderr


def test_environment_of_gdb_commands(environment: dict[str, str]) -> None:
    """At the first prompt the GDB commands know the CPU, the files and the image's address."""
    ask = "python import os; print('known', os.environ['HERMIT_GDB'])"
    done = batch(environment, "--command", ask, "steps")
    known = json.loads(re.search(r"^known (.*)$", done.stdout, re.M)[1])  # type: ignore[index]
    facts = elf.read(images()["steps"].path)
    assert facts is not None
    assert (known["arch"], known["target"], known["machine"]) == ("x86_64", "x86_64-multiboot", "pc")
    assert known["end"] - known["start"] == facts.size
    assert known["app_offset"] == known["start"] != 0
    assert Path(known["app"]) == images()["steps"].path
