# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Firmware boots once for many tests: each resumes where the firmware is about to read the test's files.

The first test of a kind boots the firmware, stops it there and writes the machine's state to a file (see migration.py).
The later point is then in the test's own QEMU, with its own disk, -kernel, -initrd and -append:

- With a disk: at its first read. The disk of the machine that is stopped fails each read, and QEMU holds a request that
  fails (`rerror=stop`). The test's QEMU reads again, from the test's disk.
- With -kernel: before the firmware asks for its size. QEMU's trace of fw_cfg shows each request, so a first boot finds
  the longest pause before that one, and a second boot is stopped there. A stream counts only if that was early enough.

A test whose machine differs in anything but these files boots the firmware in full, as every must-run cell does.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hermit_harness.paths import BUILD
from hermit_harness.vm import migration
from hermit_harness.vm.argv import EXIT_DEVICES, disk_argv, guest_argv, machine_of
from hermit_harness.vm.machines import firmware_file
from hermit_harness.vm.nic import NO_NETWORK
from hermit_harness.vm.process import LaunchError, Process, launch
from hermit_harness.vm.qmp import Qmp, QmpError
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from tests.support.clock import without_waits

DIR = BUILD / "streams"
FULL = "HERMIT_FULL_FIRMWARE"  # no test resumes
KEPT = 24  # streams of 10 to 40 MB each
FORMAT = "1"  # of the streams: change it when what a stream holds changes
MACHINES = ("ovmf", "ovmf-bios", "aavmf", "aavmf-el2", "aavmf-acpi")
MEMORY = ("64M", "128M", "512M")  # reading a stream touches all memory
DISK_WAYS = ("esp", "esp-boot", "esp-shell")
FIRST_BOOT_SECONDS = 60.0
TRIES = 3
# Requests of the firmware for the files of -kernel and -initrd: the size of the first part, the size, and the size of
# -initrd. Firmware of 2025 asks for the kernel by a name, immediately before that for -initrd.
KERNEL_REQUESTS = (b" key 0x0017 ", b" key 0x0008 ", b" key 0x000b ")
BY_NAME = 3  # requests by which it does so
TRACE = ("-trace", "fw_cfg_select")
TRACED = b"fw_cfg_select "
EARLIER = range(-17, -BY_NAME - 1)  # the requests before that for the kernel, among which the longest pause is taken
LAST_REQUESTS: dict[str, tuple[int, int]] = {}  # by machine, see _last_before_the_kernel()
UNUSABLE: set[str] = set()  # keys for which no stream could be made
PLACEHOLDER = "words-of-the-stream"  # a guest that sees these words looks at the wrong machine's command line


def resumed(spec: RunSpec) -> RunSpec:
    """Return the boot from a stream if its machine has one, else in full; without the waits of its firmware.

    Where OVMF has no wait after that point, the resumed machine has the real clock, by which it boots in half the time.
    """
    if FULL in os.environ or not _is_resumable(spec):
        return without_waits(spec)
    plain = without_waits(spec) if machine_of(spec).arch != "x86_64" or _waits_later(spec) else spec
    stream = _stream(key_of(plain), replace(plain, app=None, append=PLACEHOLDER, stdin=None))
    return replace(plain, stream=stream) if stream else without_waits(spec)


def _way(spec: RunSpec) -> str:
    return spec.way or target(spec.target).way


def _is_resumable(spec: RunSpec) -> bool:
    """Return whether a test has a machine that others have, too."""
    return (
        spec.machine in MACHINES
        and _way(spec) in (*DISK_WAYS, "efi-kernel")
        and (spec.accel, spec.cpu, spec.extra) == ("tcg", "", ())
        and spec.memory in MEMORY
        and spec.net == NO_NETWORK
        and not (spec.share or spec.modules or spec.qemu)
    )


def _waits_later(spec: RunSpec) -> bool:
    """Return whether the firmware's shell starts, which waits five seconds."""
    refuses = spec.expect.startswith("refused") and "loader.onerror=stop" not in spec.append
    return refuses or _way(spec) == "esp-shell"


def _disk(spec: RunSpec) -> Path | None:
    """Return the disk of a boot."""
    if _way(spec) not in DISK_WAYS:
        return None
    word = next(word for word in guest_argv(spec) if word.startswith("if=none,id=esp,"))
    return Path(word.partition("file=")[2].replace(",,", ","))


def key_of(spec: RunSpec) -> str:
    """Return the name of what a stream depends on: QEMU, the firmware, and the machine without the test's files.

    Semihosting is no device, and is not part of the state.
    """
    disk = _disk(spec)
    name, placeholder = (str(disk), f"{disk.stat().st_size} bytes") if disk else (str(spec.loader), "LOADER")
    row = machine_of(spec)
    firmware = map(firmware_file, filter(None, (row.bios, *(row.flash or ()))))
    argv = guest_argv(spec if disk else replace(spec, app=None, append=""))
    words = [FORMAT, *(word.replace(name, placeholder) for word in argv if word not in EXIT_DEVICES["aarch64"])]
    for file in (Path(shutil.which(argv[0]) or argv[0]), *firmware):
        status = file.resolve().stat()
        words.append(f"{file.resolve()} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:24]


def _stream(key: str, spec: RunSpec) -> Path | None:
    """Return the stream of a key, made by a boot of `spec` if it is not there; None if this QEMU cannot make one."""
    if key in UNUSABLE:
        return None
    DIR.mkdir(parents=True, exist_ok=True)
    stream = DIR / f"{key}.stream"
    with _locked(DIR / f"{key}.lock"):
        if not stream.is_file() and not _make(spec, stream):
            UNUSABLE.add(key)
            return None
        os.utime(stream)
    return stream


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other processes from the stream of this name."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(spec: RunSpec, stream: Path) -> bool:
    """Write a stream, and read it once. Return whether both worked."""
    partial = stream.with_suffix(f".{os.getpid()}")
    stop_and_save = _at_first_read if _disk(spec) else _before_the_kernel
    with contextlib.suppress(QmpError, LaunchError, ValueError):
        if not any(stop_and_save(spec, partial) for _ in range(TRIES)):
            raise QmpError("the firmware did not stop in time")
        with closing_process(launch(replace(spec, stream=partial))) as process:
            qmp = Qmp(process.qmp)
            qmp.greet(FIRST_BOOT_SECONDS)
            migration.load(qmp, partial)
        partial.replace(stream)
        _forget_oldest()
        return True
    partial.unlink(missing_ok=True)
    return False


def _forget_oldest() -> None:
    streams = sorted(DIR.glob("*.stream"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in streams[KEPT:]:
        file.unlink()


@contextmanager
def closing_process(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        process.kill()


def _at_first_read(spec: RunSpec, stream: Path) -> bool:
    """Write the state of a machine whose firmware waits for its first read of the disk."""
    disk = _disk(spec)
    failing = {
        "driver": "blkdebug",
        "image": {"driver": "file", "filename": str(disk)},
        "inject-error": [{"event": "none", "iotype": "read", "errno": 5}],
    }
    good, bad = disk_argv("esp", disk or Path())[1], disk_argv("esp", Path(f"json:{json.dumps({'file': failing})}"))[1]
    held = replace(spec, extra=(*spec.extra, "-set", "drive.esp.rerror=stop"))
    with closing_process(launch(held, rewrite=lambda word: bad if word == good else word)) as process:
        qmp = Qmp(process.qmp)
        qmp.greet(FIRST_BOOT_SECONDS)
        qmp.execute("cont")
        qmp.wait_event("BLOCK_IO_ERROR", FIRST_BOOT_SECONDS)
        qmp.wait_event("STOP", FIRST_BOOT_SECONDS)
        migration.save(qmp, stream)
    return True


def _before_the_kernel(spec: RunSpec, stream: Path) -> bool:
    """Write the state of a machine whose firmware has not asked for the kernel; return whether it has not."""
    traced = replace(spec, extra=(*spec.extra, *TRACE))
    last, limit = _last_before_the_kernel(traced)
    with closing_process(launch(traced)) as process:
        qmp = _continued(process)
        seen = bytearray()
        next(line for number, line in enumerate(_requests(process, seen)) if number == last)
        qmp.execute("stop")
        migration.save(qmp, stream)
        seen += process.remaining_stderr().encode()
    return seen.count(TRACED) < limit and not any(key in seen for key in KERNEL_REQUESTS)


def _last_before_the_kernel(traced: RunSpec) -> tuple[int, int]:
    """Return the numbers of two requests: after which the firmware makes the longest pause, and which is the kernel's.

    They are the same with other memory and processors, so they are remembered by machine.
    """
    known = LAST_REQUESTS.get(traced.machine)
    if known:
        return known
    with closing_process(launch(traced)) as process:
        _continued(process)
        times = []
        for line in _requests(process, bytearray()):
            times.append(time.monotonic())
            if any(key in line for key in KERNEL_REQUESTS):
                break
    earlier = [len(times) + before for before in EARLIER if len(times) + before >= 0]
    if not earlier:
        raise QmpError("the firmware asked for the kernel first")
    last = max(earlier, key=lambda number: times[number + 1] - times[number])
    LAST_REQUESTS[traced.machine] = last, len(times) - BY_NAME
    return LAST_REQUESTS[traced.machine]


def _continued(process: Process) -> Qmp:
    """Release the guest."""
    qmp = Qmp(process.qmp)
    qmp.greet(FIRST_BOOT_SECONDS)
    qmp.execute("cont")
    return qmp


def _requests(process: Process, seen: bytearray) -> Iterator[bytes]:
    """Return the firmware's requests to fw_cfg as they arrive, and add them to `seen`.

    Raise QmpError if none arrives for too long.
    """
    pipe, data = process.popen.stderr, b""
    assert pipe is not None
    while select.select([pipe], [], [], FIRST_BOOT_SECONDS)[0]:
        received = os.read(pipe.fileno(), 65536)
        if not received:
            break
        seen += received
        *lines, data = (data + received).split(b"\n")
        yield from (line for line in lines if line.startswith(TRACED))
    raise QmpError("the firmware did not ask for the kernel")
