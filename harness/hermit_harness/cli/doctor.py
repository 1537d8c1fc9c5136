# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl doctor: what is installed, what is missing and how to install it, what this machine permits."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermit_harness.paths import ROOT
from hermit_harness.vm import host, virtiofsd
from hermit_harness.vm.machines import CPU_KVM

# Programs of packages with another name, and the option that prints their version.
PROGRAMS = {
    "binutils": "ld",
    "libc6-dev": "",
    "glibc-headers": "",
    "glibc-devel": "",
    "ca-certificates": "",
    "python3-venv": "",
    "python3": "python3",
    "python": "python3",
    "qemu-system-x86": "qemu-system-x86_64",
    "qemu-system-x86-core": "qemu-system-x86_64",
    "util-linux": "unshare",
    "iproute2": "ip",
    "iproute": "ip",
    "lld": "ld.lld",
    "ShellCheck": "shellcheck",
    "dnsmasq-base": "dnsmasq",
    "iputils-ping": "ping",
    "iputils": "ping",
    "qemu-system-arm": "qemu-system-aarch64",
    "qemu-system-misc": "qemu-system-riscv64",
    "gcc-aarch64-linux-gnu": "aarch64-linux-gnu-gcc",
    "gcc-riscv64-linux-gnu": "riscv64-linux-gnu-gcc",
    # Firmware is files; the tests say where they looked.
    "opensbi": "",
    "ovmf": "",
    "qemu-efi-aarch64": "",
}
DEVICE = "vhost-user-fs-pci"
VERSION_FLAGS = {"ip": "-V", "ping": "-V", "nasm": "-v", "tcpdump": "--version"}
INSTALL = {"debian": "apt-get install --no-install-recommends", "fedora": "dnf install", "arch": "pacman -S"}
DESCRIPTION = """\
Tools and their versions, with the line that installs what is missing, and what
this machine permits: namespaces, KVM, tap devices.

  hermitctl doctor
  hermitctl doctor --json

Exit status: 0; 1 when something that is needed is missing."""


@dataclass(frozen=True)
class Check:
    """One line of the report; `remedy` is what to do if the check failed."""

    what: str
    good: bool
    found: str
    remedy: str = ""
    needed: bool = True


def system() -> str:
    """debian, fedora or arch, by /etc/os-release; debian where unknown."""
    try:
        text = Path("/etc/os-release").read_text()
    except OSError:
        return "debian"
    ids = " ".join(re.findall(r'^ID(?:_LIKE)?="?([^"\n]*)', text, re.M))
    return next(
        (name for name, words in (("fedora", "fedora rhel"), ("arch", "arch")) if any(w in ids for w in words.split())),
        "debian",
    )


def version_of(program: str) -> str:
    """The first line that the program prints about its version, "" if it is not installed."""
    path = shutil.which(program)
    if not path:
        return ""
    try:
        done = subprocess.run(
            [path, VERSION_FLAGS.get(program, "--version")],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "installed"
    lines = [line for line in (done.stdout or done.stderr).splitlines() if line.strip()]
    number = next((line for line in lines if re.search(r"\d+\.\d+", line)), "installed")
    return number.removeprefix("version: ").strip()[:60]


def packages(name: str) -> list[tuple[str, str, str]]:
    """(package, needed by, what for) of ci/packages.<system>."""
    try:
        text = (ROOT / "ci" / f"packages.{name}").read_text()
    except OSError:
        return []
    rows = [line.split("|") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(row[0].strip(), row[1].strip(), row[2].strip()) for row in rows if len(row) == 3]


def tools() -> list[Check]:
    """Each package of the list: the version of its program, or the line that installs it."""
    name = system()
    sudo = "" if os.geteuid() == 0 else "sudo "
    found = []
    for package, _, purpose in packages(name):
        program = PROGRAMS.get(package, package)
        if not program:
            continue
        version = version_of(program)
        found.append(
            Check(program, bool(version), version or f"missing ({purpose})", f"{sudo}{INSTALL[name]} {package}")
        )
    return found


def permissions() -> list[Check]:
    """What the kernel lets us do: namespaces, KVM, tun."""
    names = host.namespace_problem()
    found = [Check("namespaces", not names, names or "user, network and PID namespaces are permitted")]
    kvm = host.kvm_problem()
    text = kvm or f"usable, -cpu {host.kvm_cpu('qemu-system-x86_64', CPU_KVM)}"
    found.append(Check("KVM", not kvm, text, "without it everything runs under TCG", needed=False))
    tun = host.device_problem(host.TUN_DEVICE)
    found.append(Check("tun", not tun, tun or "can be opened", "only tests with a tap device need it", needed=False))
    mhz = host.mhz()
    found.append(
        Check("MHz", mhz is not None, f"{mhz} (for -freq)" if mhz else "not known", "give FREQ=", needed=False)
    )
    return found


def sharing() -> list[Check]:
    """Whether QEMU can give a guest a folder, and what serves it."""
    program = os.environ.get("HERMIT_QEMU") or "qemu-system-x86_64"
    try:
        asked = subprocess.run(
            [program, "-device", f"{DEVICE},help"], capture_output=True, text=True, timeout=20, check=False
        )
        said = asked.stdout
    except (OSError, subprocess.TimeoutExpired):
        said = ""
    good = "tag=" in said
    dax = "with" if "cache-size" in said else "without"
    text = f"{DEVICE}, {dax} a window for DAX" if good else f"{program} has no {DEVICE}"
    return [
        Check("virtiofs", good, text, "only SHARE= needs it: QEMU= takes another QEMU", needed=False),
        Check(
            "virtiofsd", True, virtiofsd.installed_program() or "none in Rust here: one is made when a folder is shared"
        ),
    ]


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="what is missing on this machine", description=DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=command)


def command(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 when something needed is missing."""
    findings = tools() + permissions() + sharing()
    if arguments.json:
        print(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        for f in findings:
            mark = "ok     " if f.good else ("MISSING" if f.needed else "no     ")
            print(f"{mark} {f.what:20} {f.found}" + (f"\n        -> {f.remedy}" if f.remedy and not f.good else ""))
    return int(any(f.needed and not f.good for f in findings))
