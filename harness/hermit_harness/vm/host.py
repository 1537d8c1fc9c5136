# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Facts about the host that a boot needs: MHz, a CPU model that its KVM accepts, permission for namespaces."""

from __future__ import annotations

import errno
import grp
import os
import re
import subprocess
from functools import lru_cache
from pathlib import Path

from hermit_harness.vm.machines import CPU_KVM_FALLBACKS, MICROVM

CPUINFO = Path("/proc/cpuinfo")
CPUFREQ = Path("/sys/devices/system/cpu/cpu0/cpufreq")
TUN_DEVICE = Path("/dev/net/tun")  # creates taps
# The prefix that isolates a command from the network. The command and its children end with the prefix.
UNSHARE_COMMAND = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child=SIGKILL")


def mhz_from(cpuinfo: str, base_khz: str = "", max_khz: str = "") -> int | None:
    """Return the frequency of the time-stamp counter in MHz.

    Sources, best first: the brand string ("… @ 2.80GHz"), cpufreq, the "cpu MHz" line.
    """
    brand = re.search(r"^model name\s*:.*?@\s*([0-9.]+)\s*GHz", cpuinfo, re.M)
    if brand:
        return round(float(brand[1]) * 1000)
    for khz in (base_khz, max_khz):
        if khz.strip().isdigit():
            return int(khz) // 1000
    line = re.search(r"^cpu MHz\s*:\s*([0-9.]+)", cpuinfo, re.M)
    return round(float(line[1])) if line else None


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@lru_cache(maxsize=1)
def mhz() -> int | None:
    """Return the host's MHz, or None if no source has it."""
    return mhz_from(_text(CPUINFO), _text(CPUFREQ / "base_frequency"), _text(CPUFREQ / "cpuinfo_max_freq"))


@lru_cache(maxsize=8)
def qemu_major(qemu: str) -> int:
    """Return QEMU's major version, or 0 if it is unknown (the next start of QEMU reports the reason)."""
    try:
        done = subprocess.run([qemu, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r"version (\d+)\.", done.stdout)
    return int(version[1]) if version else 0


def device_problem(device: Path) -> str:
    """Return why a device cannot be opened, or "". Mode bits alone do not show it."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{device}: {error.strerror}"
    return ""


def bind_problem(error: OSError, address: str) -> str:
    """Return why a program cannot listen at an address, with the remedy where there is one."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return "only root may listen on ports below net.ipv4.ip_unprivileged_port_start; use a larger port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{address} is no address of this machine"
    return error.strerror or str(error)


def _access_remedy(device: Path) -> str:
    """Return how a user gets access to a device: through its group, if that has access."""
    status = device.stat()
    if status.st_mode & 0o060 != 0o060:
        return f"neither its group nor others may read and write it (sudo chmod 0666 {device})"
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        return f"its group, number {status.st_gid}, has no name here (sudo chmod 0666 {device})"
    if status.st_gid in os.getgroups():
        return f"although this user is in its group {group}: a container or a security module forbids it"
    return f"join its group {group} (sudo usermod -aG {group} $USER), then log in again"


def kvm_problem(device: Path = Path("/dev/kvm")) -> str:
    """Return why KVM cannot be used, with the remedy, or ""."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"{device} does not exist (no KVM module, or a virtual machine without nested virtualization)"
    except PermissionError:
        return f"no permission to open {device}: {_access_remedy(device)}"
    except OSError as error:
        return f"{device} cannot be opened: {error.strerror}"
    return ""


def _cpu_model_starts(qemu: str, cpu: str) -> bool:
    """Return whether QEMU with KVM accepts this CPU model: start it paused and quit."""
    argv = [
        qemu,
        "-M",
        MICROVM,
        "-nodefaults",
        "-no-user-config",
        "-accel",
        "kvm",
        "-cpu",
        cpu,
        "-display",
        "none",
        "-S",
        "-qmp",
        "stdio",
    ]
    commands = b'{"execute":"qmp_capabilities"}\n{"execute":"quit"}\n'
    try:
        done = subprocess.run(argv, input=commands, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@lru_cache(maxsize=8)
def kvm_cpu(qemu: str, wanted: str) -> str:
    """Return the first CPU model that starts: `wanted`, then the fallbacks.

    If none starts, return `wanted`, so that QEMU's message is shown.
    """
    if kvm_problem():
        return wanted
    return next((cpu for cpu in (wanted, *CPU_KVM_FALLBACKS) if _cpu_model_starts(qemu, cpu)), wanted)


@lru_cache(maxsize=1)
def namespace_problem() -> str:
    """Return why the host does not permit namespaces, with the remedy, or ""."""
    try:
        done = subprocess.run([*UNSHARE_COMMAND, "true"], capture_output=True, text=True, timeout=10, check=False)
    except OSError as error:
        return f"unshare is missing ({error.strerror}): install util-linux"
    return "" if done.returncode == 0 else namespace_remedy(done.stderr)


def namespace_remedy(stderr: str) -> str:
    """Explain the message of a failed `unshare`, or of the shell that it started, with the remedy."""
    message = (stderr.strip().splitlines() or ["no message"])[-1]
    if message.startswith("sh: "):
        return f"namespaces are permitted, but setting them up failed: {message}"
    if _text(Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")).strip() == "1":
        remedy = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    elif _text(Path("/proc/sys/kernel/unprivileged_userns_clone")).strip() == "0":
        remedy = "sudo sysctl kernel.unprivileged_userns_clone=1"
    elif _text(Path("/proc/sys/user/max_user_namespaces")).strip() == "0":
        remedy = "sudo sysctl user.max_user_namespaces=10000"
    else:
        remedy = "in a container, allow the unshare system call (docker run --security-opt seccomp=unconfined)"
    return f"this system does not permit user, network and PID namespaces ({message}): {remedy}"
