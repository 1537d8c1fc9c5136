# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl run --vmm`: boot with uhyve, Firecracker or Cloud Hypervisor. The options that they have mean the same."""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from hermit_harness import options
from hermit_harness.cli import variables
from hermit_harness.net.guest_network import UHYVE_GUEST_ADDRESS, isle, kernel_words, static_address
from hermit_harness.verdict.outcome import KERNEL_PANIC, STATUS_UNKNOWN, Outcome
from hermit_harness.vm.gdb_relay import DEFAULT_PORT
from hermit_harness.vm.host import kvm_problem
from hermit_harness.vm.memory import MIB, memory_bytes
from hermit_harness.vm.process import DIE_WITH_PARENT
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import target
from hermit_harness.watch.boot_log import BootLog, printable

QEMU = "qemu"
# Options of ours that mean the same with each VMM.
COMMON = (
    "vmm", "accel", "mem", "smp", "kernel-args", "args", "env", "freq", "timeout", "end", "quiet", "verbose", "junit",
    "per-test",
)  # fmt: skip
LOADER_FLAGS = ("loader", "profile", "target")
QUIET_SECONDS = 1.0  # a guest that cannot end its VMM has ended if it prints nothing after its status for so long
SELECT_SECONDS = 86400.0  # one call of the selector waits for 24 days at most
# Rust's report of a panic in uhyve itself, which begins with the file.
UHYVE_PANIC = re.compile(r"panicked at \S*uhyve\S*?/(src/\S+)")


@dataclass(frozen=True)
class Vmm:
    """A VMM. `target` is the loader's; "" boots the application itself. `flags` are options that it has besides COMMON.

    `argv` is its command line. It gets a directory for files that the VMM reads. `returns_status`: the VMM ends with
    the application's status; otherwise the line that the kernel prints has it, and the VMM does not end.
    """

    target: str
    flags: tuple[str, ...]
    install: str
    argv: Callable[[RunSpec, argparse.Namespace, Path], list[str]]
    returns_status: bool = False


def divided(append: str) -> tuple[str, str]:
    """The text for the kernel and the text for the application."""
    head, _, tail = f" {append} ".partition(" -- ")
    return head.strip(), tail.strip()


def uhyve_argv(spec: RunSpec, arguments: argparse.Namespace, directory: Path) -> list[str]:
    """Return uhyve's command line. It joins the words after the first `--` by blanks: the kernel gets our text."""
    argv = ["uhyve", "--memory-size", f"{mebibytes(spec)}MiB", "--cpu-count", str(spec.smp)]
    if arguments.netif or arguments.net == "tap":
        argv += ["--net", f"tap:{arguments.netif or 'tap10'}"]
    port = options.port_number(arguments.gdb_port, "gdb-port") or (DEFAULT_PORT if arguments.debug else 0)
    argv += ["--gdb-port", str(port)] if port else []
    if spec.share and spec.share.directory:
        argv += ["--file-mapping", f"{spec.share.directory}:/{spec.share.tag}"]
    kernel, app = divided(spec.append)
    words = [*([kernel] if kernel else []), *(["--", app] if app else [])]
    return [*argv, str(spec.app), *(["--", *words] if words else [])]


def firecracker_argv(spec: RunSpec, arguments: argparse.Namespace, directory: Path) -> list[str]:
    """Return Firecracker's command line, and write the file that describes the machine."""
    config = {
        "boot-source": {
            "kernel_image_path": str(spec.loader),
            "initrd_path": str(spec.app),
            "boot_args": spec.append,
        },
        "machine-config": {"vcpu_count": spec.smp, "mem_size_mib": mebibytes(spec)},
        "drives": [],
    }
    file = directory / "machine.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return ["firecracker", "--no-api", "--level", "Error", "--config-file", str(file)]


def cloud_hypervisor_argv(spec: RunSpec, arguments: argparse.Namespace, directory: Path) -> list[str]:
    """Return Cloud Hypervisor's command line."""
    machine = ["--cpus", f"boot={spec.smp}", "--memory", f"size={mebibytes(spec)}M"]
    files = ["--kernel", str(spec.loader), "--initramfs", str(spec.app), "--cmdline", spec.append]
    return ["cloud-hypervisor", *files, *machine, "--serial", "tty", "--console", "off"]


VMMS = {
    "uhyve": Vmm(
        "", ("net", "netif", "share", "debug", "gdb-port"), "`cargo install uhyve` installs it", uhyve_argv, True
    ),
    "firecracker": Vmm("x86_64-linux", LOADER_FLAGS, "its project has release files", firecracker_argv),
    # Cloud Hypervisor requires a PVH note.
    "cloud-hypervisor": Vmm("x86_64", LOADER_FLAGS, "its project has release files", cloud_hypervisor_argv),
}


def mebibytes(spec: RunSpec) -> int:
    """The memory in MiB."""
    return memory_bytes(spec.memory) // MIB


def problem(name: str, accel: str) -> str:
    """Why a VMM cannot be used here, or ""."""
    if not shutil.which(name):
        return f"there is no {name} on the search path; {VMMS[name].install}"
    if accel == "tcg":
        return f"{name} needs KVM"
    kvm = kvm_problem()
    return f"{name} needs KVM: {kvm}" if kvm else ""


def select(arguments: argparse.Namespace) -> None:
    """Settle which VMM boots: --vmm, else HERMIT_ISLE if that VMM can be used, else QEMU.

    Set the default of --target. Raise ValueError if it cannot be used, or has no counterpart of an option.
    """
    arguments.vmm, of_isle = arguments.vmm or QEMU, not arguments.vmm and isle(os.environ) == "uhyve"
    if of_isle:
        arguments.isle_problem = problem("uhyve", arguments.accel)
        arguments.vmm = QEMU if arguments.isle_problem else "uhyve"
    if arguments.vmm == QEMU:
        return
    options.check_choices(vars(arguments))
    name, row = arguments.vmm, VMMS[arguments.vmm]
    if reason := problem(name, arguments.accel):
        raise ValueError(f"--vmm {name}: {reason}")
    for flag, setting in arguments.settings.items():
        if setting.origin and flag not in (*COMMON, *row.flags):
            origin = "" if setting.origin == f"--{flag}" else f" (from {setting.origin})"
            raise ValueError(f"--vmm {name}: --{flag}{origin} has no counterpart there")
    if arguments.report is not None:
        raise ValueError(f"--vmm {name}: --report needs what only QEMU records")
    if arguments.net not in ("", "none", "tap") or arguments.netif.startswith("@"):
        raise ValueError(f"--vmm {name}: a tap with a name is its only network")
    arguments.target = arguments.target or ("" if arguments.loader else row.target)


@dataclass
class End:
    """What was seen of a VMM that has ended, or was ended. `status` is negative for a signal."""

    status: int | None = None
    expired: bool = False
    interrupted: bool = False
    console: bytes = b""
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0


def boot(
    spec: RunSpec, arguments: argparse.Namespace, view: Callable[[bytes], None] | None
) -> tuple[RunSpec, Outcome] | None:
    """Boot, and return what was booted where and how it ended; with --dry-run print the command line only."""
    name, row = arguments.vmm, VMMS[arguments.vmm]
    if target(spec.target).cpu != os.uname().machine:
        raise ValueError(f"--vmm {name}: {target(spec.target).cpu} is not this machine's processor")
    spec = replace(spec, append=append_of(spec, arguments))
    with tempfile.TemporaryDirectory(prefix="hermit-vmm-") as directory:
        argv = row.argv(spec, arguments, Path(directory))
        if arguments.dry_run or arguments.verbose:
            files = [f"# {file.name}: {file.read_text()}\n" for file in sorted(Path(directory).iterdir())]
            print(*files, shlex.join(argv), sep="", file=sys.stdout if arguments.dry_run else sys.stderr, flush=True)
        if arguments.dry_run:
            return None
        log = BootLog.of(spec)
        end = watch(argv, log, view, spec.wall_seconds, row.returns_status)
    where = replace(spec, machine=name, accel="kvm", app=spec.app if row.target else None)
    return where, judged(name, row, log, end, tuple(argv))


def append_of(spec: RunSpec, arguments: argparse.Namespace) -> str:
    """The command line with the words of the HERMIT_ variables, as with QEMU."""
    rest = variables.rest(os.environ, arguments.reads)
    words = [*kernel_words(os.environ), *rest.kernel_words]
    networked = bool(arguments.netif) or arguments.net == "tap"
    if isle(os.environ) == "uhyve" and networked and not static_address(spec.append, os.environ):
        words.append(f"env=HERMIT_IP={UHYVE_GUEST_ADDRESS}")
    for note in rest.notes:
        print(f"hermitctl: {note}", file=sys.stderr)
    return " ".join((*words, spec.append)).strip()


def watch(
    argv: list[str], log: BootLog, view: Callable[[bytes], None] | None, seconds: float, returns_status: bool
) -> End:
    """Run a VMM to its end, or to the guest's if the VMM does not end with it. stdin is the guest's."""
    end, started, line = End(), time.monotonic(), b""
    process = subprocess.Popen([*DIE_WITH_PARENT, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    has_closed = False
    try:
        with process.stdout, process.stderr, selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            while not (has_closed := not selector.get_map()):
                left = max(started + seconds - time.monotonic(), 0)
                is_over = log.is_final and not returns_status
                ready = selector.select(min(left, QUIET_SECONDS if is_over else SELECT_SECONDS))
                if not ready and (is_over or left <= SELECT_SECONDS):
                    end.expired = not is_over
                    break
                for key, _ in ready:
                    data = os.read(key.fd, 65536)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.fileobj is process.stderr:
                        sys.stderr.write(text := data.decode("utf-8", "replace"))
                        end.messages += text.splitlines()
                    else:
                        end.console += data
                        *lines, line = (line + data).split(b"\n")
                        for one in lines:
                            log.add_line(one, time.monotonic() - started)
                        if view:
                            view(data)
    except KeyboardInterrupt:
        end.interrupted = True
    finally:
        if not has_closed:
            process.kill()
        end.status = process.wait()
    log.add_line(line, time.monotonic() - started)
    end.seconds = time.monotonic() - started
    return end


def failure(end: End) -> str:
    """Why uhyve itself has failed, or "". The line after the report of a panic has the reason."""
    for message, reason in zip(end.messages, [*end.messages[1:], ""], strict=False):
        if panic := UHYVE_PANIC.search(message):
            return f"panicked at {printable(panic[1].encode())} {printable(reason.encode())}".rstrip()
    return f"died of {signal.Signals(-end.status).name}" if end.status is not None and end.status < 0 else ""


def judged(name: str, row: Vmm, log: BootLog, end: End, argv: tuple[str, ...]) -> Outcome:
    """The outcome of such a run, by the status of the VMM or by the kernel's lines."""

    def outcome(verdict: str, status: int | None, origin: str, cause: str, hint: str = "", blame: str = "") -> Outcome:
        rule = log.refusal.rule if log.refusal and verdict == "refused" else ""
        return Outcome(
            verdict, status, origin, rule, cause, hint, blame, end.console, end.status, argv,
            timings={**log.times, "end": end.seconds}, kernel=log.kernel_version or "", interrupted=end.interrupted,
        )  # fmt: skip

    if end.interrupted or end.expired:
        cause = "interrupted" if end.interrupted else "the time limit expired: --timeout"
        return outcome("timeout", None, "none", cause)
    if log.refusal and row.target:
        said = f"{log.refusal.number} {log.refusal.rule}: {log.refusal.sentence}"
        return outcome("refused", log.refusal.number, "loader", said, blame="the application file or the command line")
    if log.panic is not None:
        return outcome("panic", None, "app", f"{KERNEL_PANIC}: {log.panic}", blame="the kernel or the application")
    status = end.status if row.returns_status else log.status
    if row.returns_status and (what := failure(end)):
        hint = f"a KVM that cannot emulate an instruction ends it so; `--vmm {QEMU} --accel tcg` boots it without KVM"
        return outcome("infra", None, "qemu", f"{name} {what}", hint, f"{name} or KVM")
    if status is None:
        last = end.messages[-1] if end.messages else printable(log.last_line) or "no message"
        cause = f"{name} ended with status {end.status}, and the guest printed no status: {last}"
        return outcome("infra", None, "qemu", f"{STATUS_UNKNOWN}: {cause}", "", f"{name} or KVM")
    good = status == 0
    return outcome("pass" if good else "wrong-exit", status, "app", "" if good else f"the application exited {status}")
