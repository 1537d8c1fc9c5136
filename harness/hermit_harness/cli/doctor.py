# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl doctor: what is installed, what is missing and how to install it, what this machine permits."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hermit_harness.cli.terminal import columns
from hermit_harness.gdb import program
from hermit_harness.paths import ROOT
from hermit_harness.vm import host, virtiofsd
from hermit_harness.vm.machines import CPU_KVM
from hermit_harness.vm.nic import NIC_MODELS
from hermit_harness.vm.targets import ELF_MACHINES

FOR_TESTS = ("run", "debug", "test", "lint")  # who needs the packages that every developer needs
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
    "grub-common": "grub-mkrescue",
    "grub": "grub-mkrescue",
    "grub2-tools-extra": "grub2-mkrescue",
    "grub-pc-bin": "",
    "grub2-pc-modules": "",
    "libisoburn": "xorriso",
    "slurm-client": "sbatch",
    "munge": "munged",
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
# The oldest version of each program that the tests have run with: Debian 12's.
OLDEST = {
    "make": "4.3",
    "gcc": "12.2",
    "nasm": "2.16",
    "ld": "2.40",
    "git": "2.39",
    "qemu-system-x86_64": "7.2",
    "qemu-system-aarch64": "7.2",
    "qemu-system-riscv64": "7.2",
    "python3": "3.11",
    "unshare": "2.38",
    "ip": "6.1",
    "aarch64-linux-gnu-gcc": "12.2",
    "riscv64-linux-gnu-gcc": "12.2",
    "mtools": "4.0.32",
    "grub-mkrescue": "2.06",
    "xorriso": "1.5",
    "gdb": "13.1",
    "gdb-multiarch": "13.1",
    "clang": "14.0",
    "ld.lld": "14.0",
    "tcpdump": "4.99",
    "dnsmasq": "2.90",
    "curl": "7.88",
}
DEVICE = "vhost-user-fs-pci"
VERSION_FLAGS = {"ip": "-V", "ping": "-V", "nasm": "-v", "tcpdump": "--version"}
INSTALL = {"debian": "apt-get install --no-install-recommends", "fedora": "dnf install", "arch": "pacman -S"}
DESCRIPTION = """\
List tools with their versions, the command that installs what is missing, and
what this machine permits: namespaces, KVM, taps. The last line is a summary.
A tool is "old" if its version is older than the oldest that is tested.

  hermitctl doctor
  hermitctl doctor --json

Exit status: 0; 1 if something that is needed is missing."""


@dataclass(frozen=True)
class Check:
    """One line of the report; `cure` is what to do if the check failed. The names are keys of --json.

    A program has a `version`, and `oldest` is the oldest one that is tested. `package` installs it.
    """

    what: str
    good: bool
    found: str
    cure: str = ""
    needed: bool = True
    version: str = ""
    oldest: str = ""
    package: str = ""

    @property
    def old(self) -> bool:
        """Whether the program is older than every tested version of it."""
        return bool(self.version and self.oldest) and numbers(self.version) < numbers(self.oldest)


def numbers(version: str) -> tuple[int, ...]:
    """A version in a form that can be compared."""
    return tuple(int(number) for number in version.split("."))


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


def output_of(*words: str) -> str:
    """What a program prints on stdout, "" if it cannot be started."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, errors="replace", timeout=20, check=False, stdin=subprocess.DEVNULL
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


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
    return number.removeprefix("version: ").strip()


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
    for package, needed_by, purpose in packages(name):
        program = PROGRAMS.get(package, package)
        if not program:
            continue
        version = version_of(program)
        found.append(
            Check(
                program,
                bool(version),
                version or f"missing ({purpose})",
                f"{sudo}{INSTALL[name]} {package}",
                needed_by in FOR_TESTS,
                number.group() if (number := re.search(r"\d+(\.\d+)+", version)) else "",
                OLDEST.get(program, ""),
                package,
            )
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
    """Whether QEMU can give a guest a directory, and what serves it."""
    qemu = os.environ.get("HERMIT_QEMU") or "qemu-system-x86_64"
    said = output_of(qemu, "-device", f"{DEVICE},help")
    good = "tag=" in said
    dax = "with" if "cache-size" in said else "without"
    text = f"{DEVICE}, {dax} a window for DAX" if good else f"{qemu} has no {DEVICE}"
    return [
        Check("virtiofs", good, text, "only SHARE= needs it: QEMU= takes another QEMU", needed=False),
        Check(
            "virtiofsd",
            True,
            virtiofsd.installed_program() or "none in Rust here: one is made when a directory is shared",
        ),
    ]


def cargo() -> Check:
    """Whether there is a cargo, for a user's own applications. Nothing here needs it."""
    version = version_of("cargo")
    return Check("cargo", bool(version), version or "missing", "only your own cargo projects need it", needed=False)


def gdb_processors() -> Check:
    """Which processors the GDBs of debug sessions know."""
    found: list[str] = []
    missing: list[str] = []
    for cpu in program.ARCHITECTURES:
        try:
            gdb = program.first_working(program.find_all(cpu), cpu)
        except ValueError:
            missing.append(cpu)
            continue
        (found if program.supports_cpu(gdb, cpu) else missing).append(cpu)
    text = " ".join(found) + (f"; none for {' '.join(missing)}" if missing else "")
    return Check("GDB knows", not missing, text, "only debugging needs it: install gdb-multiarch", needed=False)


def compilers() -> Check:
    """Which processors the loader can be built for, on this one: natively, or with a cross compiler."""
    host_cpu = os.uname().machine
    compiler_of = {cpu: "gcc" if cpu == host_cpu else f"{cpu}-linux-gnu-gcc" for cpu in ELF_MACHINES.values()}
    found = [cpu for cpu, compiler in compiler_of.items() if shutil.which(compiler)]
    missing = [f"{cpu} needs {compiler}" for cpu, compiler in compiler_of.items() if cpu not in found]
    text = f"{' '.join(found) or 'nothing'}, on {host_cpu}" + (f"; {', '.join(missing)}" if missing else "")
    return Check("builds for", not missing, text, "only the loaders of these CPUs need them", needed=False)


def nic_models() -> Check:
    """Which NIC models of --nic this QEMU has."""
    qemu = os.environ.get("HERMIT_QEMU") or "qemu-system-x86_64"
    devices = set(re.findall(r'^name "([^"]+)"', output_of(qemu, "-device", "help"), re.M))
    wanted = {name: device.partition(",")[0] for name, (device, _) in NIC_MODELS.items() if device}
    found = [name for name, device in wanted.items() if device in devices]
    missing = [name for name in wanted if name not in found]
    text = " ".join(found) + (f"; {qemu} has no {' '.join(missing)}" if missing else "")
    return Check("NIC models", not missing, text, "another QEMU has them: QEMU=PROGRAM", needed=False)


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("doctor", help="what is missing on this machine", description=DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(function=command)


def summary(findings: Sequence[Check]) -> str:
    """The last line: what is missing, else that all is well, and what this machine does without."""
    missing = [f.what for f in findings if f.needed and not f.good]
    if missing:
        return f"{len(missing)} missing: {', '.join(missing)}"
    parts = {"older than tested": [f.what for f in findings if f.old]}
    parts["not here, and not needed"] = [f.what for f in findings if not f.good]
    return "; ".join(("all well", *(f"{title}: {', '.join(names)}" for title, names in parts.items() if names)))


def row(check: Check, name_width: int, width: float) -> list[str]:
    """The lines of one check. On a terminal they are broken between words, in the column of the findings."""
    mark = "old" if check.old else "ok" if check.good else "MISSING" if check.needed else "no"
    text = check.version or check.found
    if check.old:
        text += f" is older than {check.oldest}, the oldest that is tested"
    elif not check.good and check.cure and not check.package:
        text += f"; {check.cure}"
    return _broken(f"{mark:7} {check.what:{name_width}}  {text}", width, " " * (name_width + 10))


def _broken(line: str, width: float, indent: str, end: str = "") -> list[str]:
    """A line of a terminal with `width` columns, as several; each but the last has `end`."""
    if len(line) <= width:
        return [line]
    columns_left = max(int(width) - len(end), len(indent) + 20)
    found = textwrap.wrap(line, columns_left, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [*(part + end for part in found[:-1]), *found[-1:]]


def installation(findings: Sequence[Check], width: float) -> list[str]:
    """One command that installs what is missing and needed, and one for what is missing and not needed."""
    found: list[str] = []
    for title, needed in (("to install what is missing:", True), ("to install what is not needed:", False)):
        missing = [f for f in findings if f.package and not f.good and f.needed == needed]
        if missing:
            packages = dict.fromkeys(f.package for f in missing)
            command = missing[0].cure.removesuffix(missing[0].package) + shlex.join(packages)
            found += [title, *_broken(f"  {command}", width, "    ", " \\")]
    return found


def command(arguments: argparse.Namespace) -> int:
    """Print the findings; 1 when something needed is missing."""
    findings = [*tools(), *permissions(), *sharing(), compilers(), nic_models(), gdb_processors(), cargo()]
    if arguments.json:
        print(json.dumps([asdict(f) for f in findings], indent=2))
    else:
        width, name_width = columns(1), max(len(f.what) for f in findings)
        lines = [line for f in findings for line in row(f, name_width, width)]
        print("\n".join((*lines, *installation(findings, width), *_broken(summary(findings), width, "  "))))
    return int(any(f.needed and not f.good for f in findings))
