# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The one table of options of `hermitctl run`: flags, make variables, HERMIT_* variables, their help, and their page
of documentation.

A make variable NAME reaches this program as HERMIT_NAME. cli/config.py decides between flags, variables and files.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass

from hermit_harness.vm.machines import MACHINE_NAMES
from hermit_harness.vm.nic import NETWORK_KINDS, NIC_MODELS
from hermit_harness.vm.targets import TARGETS, WAYS

TARGET_NAMES = (*TARGETS, *(alias for row in TARGETS.values() for alias in row.aliases))
DEFAULT_APP = "real-hello-0.11.0"
MAX_METAVAR = 40  # characters of a list of choices as metavar; a longer list is part of the help text


@dataclass(frozen=True)
class Option:
    """One row. `name` is the make variable; the flag is `--` and `flag`; `kind` is text, number, yes (a switch) or
    many (may be repeated)."""

    name: str
    flag: str
    help: str
    default: str = ""
    kind: str = "text"
    metavar: str = ""
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()  # names of the make variable in other runners of Hermit's; NAME wins

    @property
    def env(self) -> str:
        return f"HERMIT_{self.name}"

    @property
    def envs(self) -> tuple[str, ...]:
        """Every variable that gives it, the one that wins first."""
        return (self.env, *(f"HERMIT_{name}" for name in self.aliases))

    @property
    def dest(self) -> str:
        return self.flag.replace("-", "_")


OPTIONS: tuple[Option, ...] = (
    Option(
        "TARGET",
        "target",
        "target of the loader; default: the one for the application's CPU and byte order",
        choices=("", *TARGET_NAMES),
    ),
    Option("MACHINE", "machine", "QEMU machine; default: the target's", choices=("", *MACHINE_NAMES)),
    Option(
        "ACCEL",
        "accel",
        "accelerator; default: auto for `hermitctl run`, which takes KVM if it works and is faster; else tcg",
        choices=("", "auto", "tcg", "kvm"),
    ),
    Option(
        "MEM",
        "mem",
        "memory of the machine; default: 512M with a network, else the machine's",
        metavar="SIZE",
        aliases=("MEMORY_SIZE",),
    ),
    Option("SMP", "smp", "number of processors", "1", "number", "N", aliases=("CPUS", "CPU_COUNT")),
    Option("CPU", "cpu", "CPU model; default: the machine's for the accelerator", metavar="MODEL"),
    Option("LOADER", "loader", "loader file, or a target's name; default: the target's", metavar="FILE"),
    Option("WAY", "way", f"how the application is passed; default: the target's ({', '.join(WAYS)})", metavar="WAY"),
    Option(
        "PROFILE", "profile", "build of the loader that a target's name means", "release", choices=("release", "debug")
    ),
    Option("FREQ", "freq", "MHz for the kernel's -freq; default on microvm: that of the host", metavar="MHZ"),
    Option("TIMEOUT", "timeout", "seconds until the run is ended with status 124; 0: never", "0", "number", "SECONDS"),
    Option(
        "ON_FAULT",
        "on-fault",
        "what a CPU exception that the kernel reports does to the run: end it as a crash, or let the guest continue",
        "end",
        choices=("end", "continue"),
    ),
    Option("KERNEL_ARGS", "kernel-args", "arguments of the kernel, as one text", metavar="TEXT"),
    Option(
        "ENV",
        "env",
        "an environment variable of the application (may be repeated)",
        kind="many",
        metavar="NAME=VALUE",
    ),
    Option("ARGS", "args", "arguments of the application, as one text", metavar="TEXT"),
    Option(
        "MODULE",
        "module",
        "a further boot module after the application (may be repeated)",
        kind="many",
        metavar="FILE",
    ),
    Option("END", "end", "row of ends.toml: how the kernel ends; default: by image or kernel version", metavar="ROW"),
    Option(
        "ALLOW_UNKNOWN",
        "allow-unknown",
        "take an end without a reported status for success; default: only if the kernel cannot report one",
        kind="yes",
    ),
    Option(
        "VMM",
        "vmm",
        "virtual machine monitor; those other than QEMU must be installed, and need KVM; default: qemu",
        choices=("", "qemu", "uhyve", "firecracker", "cloud-hypervisor"),
    ),
    Option("QEMU", "qemu", "the QEMU program; default: the target's", metavar="PROGRAM"),
    Option(
        "QEMU_ARG", "qemu-arg", "a further word for QEMU's command line (may be repeated)", kind="many", metavar="WORD"
    ),
    Option(
        "NO_DEBUG_EXIT",
        "no-debug-exit",
        "omit the exit device of the guest (isa-debug-exit, -semihosting)",
        kind="yes",
    ),
    Option(
        "NET",
        "net",
        "the guest's network; default: tap or bridge with NETIF, user with FORWARD or CAPTURE, else none",
        choices=("", *NETWORK_KINDS),
    ),
    Option("NIC", "nic", "NIC model; default: virtio, over MMIO on microvm", choices=("", *NIC_MODELS)),
    Option(
        "MAC",
        "mac",
        "MAC address of the NIC; default: QEMU's, but a different one per guest on bridge and socket",
        metavar="ADDRESS",
        aliases=("NETIF_MAC",),
    ),
    Option(
        "NETIF",
        "netif",
        "name of the tap or bridge, name or path of the socket link, or @N, the descriptor of a tap; default: tap10,"
        " hermitbr0, link",
        metavar="NAME",
    ),
    Option(
        "FORWARD",
        "forward",
        "with NET=user: forward a host port to a guest port, [tcp:|udp:][ADDRESS:]PORT:GUEST_PORT (may be repeated)",
        kind="many",
        metavar="PORTS",
    ),
    Option("CAPTURE", "capture", "write every frame to this file, for tcpdump or Wireshark", metavar="FILE"),
    Option(
        "SHARE",
        "share",
        "share a directory, DIR[:TAG], mounted as /TAG; :TAG is an empty one that is removed after the run; default"
        " tag: myfs",
        metavar="DIR",
    ),
    Option(
        "VIRTIOFSD",
        "virtiofsd",
        "the virtiofsd to use; default: an installed one, else it is fetched or built",
        metavar="FILE",
    ),
    Option(
        "DEBUG",
        "debug",
        "accept GDB on port 1234 of 127.0.0.1, or the next free one, while the guest runs",
        kind="yes",
    ),
    Option(
        "GDB_PORT",
        "gdb-port",
        "accept GDB on this port of 127.0.0.1, or the next free one, while the guest runs",
        kind="number",
        metavar="PORT",
    ),
    Option("ISOLATE", "isolate", "run QEMU, and the network that it uses, in separate namespaces", kind="yes"),
    Option(
        "QUIET",
        "quiet",
        "show only the application's output, and the log if the run fails; the default for cargo's runner",
        kind="yes",
    ),
    Option("PLOT", "plot", "write the course of the boot as a picture (SVG)", metavar="FILE"),
    Option("JUNIT", "junit", "write the results of Rust's tests, or of the run, as JUnit XML", metavar="FILE"),
    Option(
        "PER_TEST",
        "per-test",
        "boot once for each test of a Rust test program, so that a crash ends no other test",
        kind="yes",
    ),
    Option(
        "VERBOSE",
        "verbose",
        "print QEMU's command line and the artifacts directory before the run; as cargo's runner also the kernel's log",
        kind="yes",
    ),
    Option(
        "ARTIFACTS",
        "artifacts",
        "directory for console, registers, repro.sh; default: a new one in target/hermit/runs of a cargo project,"
        " build/report/runs for an image of the checkout, else ~/.local/state/hermit/runs",
        metavar="DIR",
    ),
)

# Further options of `hermitctl debug`.
DEBUG_OPTIONS: tuple[Option, ...] = (
    Option(
        "BREAK",
        "break",
        "hardware breakpoint at a function or FILE:LINE, instead of one at the entry point (may be repeated)",
        kind="many",
        metavar="PLACE",
    ),
    Option("CELL", "cell", "boot this cell of the test matrix instead of APP", metavar="ID"),
    Option("STOP_AT", "stop-at", "where the first prompt is", "entry", choices=("entry", "loader")),
    Option("COMMAND", "command", "GDB command for the first prompt (may be repeated)", kind="many", metavar="COMMAND"),
    Option("BATCH", "batch", "exit after the commands instead of showing a prompt", kind="yes"),
    Option(
        "REVERSE",
        "reverse",
        "record the run first, and show the prompt at its end: reverse-stepi and reverse-continue go back from there",
        kind="yes",
    ),
    Option("SYMBOLS", "symbols", "file with the symbols of a stripped application", metavar="FILE"),
    Option(
        "WRITE",
        "write",
        "start nothing: write .gdbinit, and launch.json and tasks.json for VS Code, into this directory",
        metavar="DIR",
    ),
    Option(
        "PORT",
        "port",
        "start no GDB: listen for another client on 127.0.0.1:PORT, or the next free port; or on a Unix socket, with "
        "commands that load the symbols in FILE.gdb and FILE.lldb",
        metavar="PORT|unix:FILE",
    ),
)


def is_on(text: str) -> bool:
    """Whether a variable with this text is on."""
    return text.lower() not in ("", "0", "no", "off", "false")


def port_number(text: str, flag: str) -> int:
    """A port; 0 where none is given."""
    if text and not (text.isdecimal() and 0 < int(text) < 65536):
        raise ValueError(f"--{flag} wants a number from 1 to 65535, not {text!r}")
    return int(text or 0)


def default_of(option: Option, environment: Mapping[str, str]) -> object:
    """Return the value without the flag: the HERMIT_ variable, else the table's default."""
    text = next(filter(None, map(environment.get, option.envs)), option.default)
    if option.kind == "yes":
        return is_on(text)
    if option.kind == "many":
        return text.split() if option.name == "FORWARD" else [text] if text else []
    return text


def add_to(
    parser: argparse.ArgumentParser,
    options: tuple[Option, ...] = OPTIONS,
) -> None:
    """Add every row to an argparse parser. What no flag sets is absent until cli/config.py settles it. Numbers stay
    text here: they are checked where they are used, with a sentence of ours."""
    parser.set_defaults(rows=(*(parser.get_default("rows") or ()), *options))
    for option in options:
        shown = f" (default: {option.default})" if option.default and option.kind != "yes" else ""
        listed = "|".join(filter(None, option.choices))
        among = f"; one of {', '.join(filter(None, option.choices))}" if len(listed) > MAX_METAVAR else ""
        text = f"{option.help}{shown}{among} [{option.name}=]"
        if option.kind == "yes":
            parser.add_argument(f"--{option.flag}", action="store_true", default=argparse.SUPPRESS, help=text)
            continue
        action = "append" if option.kind == "many" else "store"
        metavar = option.metavar or (option.name if among else listed)
        parser.add_argument(f"--{option.flag}", action=action, default=argparse.SUPPRESS, metavar=metavar, help=text)


def to_words(values: Mapping[str, object]) -> list[str]:
    """The words that give OPTIONS these values once more."""
    words: list[str] = []
    for option in OPTIONS:
        value = values[option.dest]
        if value == default_of(option, {}):
            continue
        given = value if isinstance(value, list) else [value]
        for one in given:
            words += [f"--{option.flag}"] if option.kind == "yes" else [f"--{option.flag}", str(one)]
    return words


def check_choices(values: Mapping[str, object]) -> None:
    """ValueError for a value that its row does not list; argparse would not check one that came from the
    environment."""
    for option in OPTIONS + DEBUG_OPTIONS:
        value = values.get(option.dest, option.default)
        if option.choices and value not in option.choices:
            raise ValueError(f"--{option.flag} {value}: known: {', '.join(filter(None, option.choices))}")
