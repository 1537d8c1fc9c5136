# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl proxy, also build/venv/bin/proxy: `hermitctl run` by the name and the variables of HermitCore's proxy."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Mapping
from typing import Any

from hermit_harness import elf, options
from hermit_harness.cli import config, run
from hermit_harness.cli.app import find_app
from hermit_harness.cli.loader import named_target
from hermit_harness.net.guest_network import isle
from hermit_harness.vm.host import bind_problem, kvm_problem
from hermit_harness.vm.memory import size_text
from hermit_harness.vm.targets import target

PORT = 18766  # where HermitCore applications waited for their proxy
LAST_PORT = 65534  # the monitor's port is the next one
CAPTURE = "qemu-vlan0.pcap"
MEMORY = {"qemu": "2G", "uhyve": "512M"}  # the defaults of both VMMs
DESCRIPTION = """\
Boot APP as HermitCore's proxy did: its variables set the options, and ARGS are
arguments of the application. The variables of `hermitctl run` work as well.

  hermitctl proxy hello one two            arguments of hello
  hermitctl proxy --print hello            QEMU's command line

  HERMIT_ISLE=qemu|uhyve   default: qemu; QEMU runs the guest in both cases
  HERMIT_CPUS=N            processors (1)
  HERMIT_MEM=SIZE          memory, with M or G (2G; 512M for uhyve)
  HERMIT_KVM=0             no KVM; otherwise KVM if it is available
  HERMIT_NETIF=TAP         a tap with a virtio NIC, HERMIT_IP, _GATEWAY, _MASK
                           for the guest; otherwise, except for uhyve, an RTL8139
                           on QEMU's user network (HERMIT_NIC: another)
  HERMIT_PORT=N            TCP port of 127.0.0.1 that is forwarded to the
                           same port of the guest (18766)
  HERMIT_APP_PORT=N[,N]    further ones, for the application
  HERMIT_DEBUG=1           accept GDB on port 1234, or the next free one
  HERMIT_MONITOR=1         QEMU's monitor by telnet, at HERMIT_PORT + 1
  HERMIT_CAPTURE_NET=1     write every frame to qemu-vlan0.pcap here
  HERMIT_VERBOSE=1         print QEMU's command line, and the kernel's
                           log after the application's output
  HERMIT_QEMU=PROGRAM      another QEMU

Exit status: that of `hermitctl run`, which can be the application's own."""


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "proxy",
        help="boot one application with the variables of HermitCore's proxy",
        description=DESCRIPTION,
        allow_abbrev=False,
        usage="hermitctl proxy [--print] APP [ARGS]",
    )
    parser.add_argument("--print", action="store_true", help="print the QEMU command line and do nothing")
    parser.add_argument("app", metavar="APP", help="a file, the name or directory of a cargo build, or a test image")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGS", help="arguments of the application")
    parser.set_defaults(function=command)


def _port(name: str, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= LAST_PORT:
        raise ValueError(f"{name}={text}: a port is a number from 1 to {LAST_PORT}")
    return int(text)


def _own_port(environment: Mapping[str, str]) -> int:
    return _port("HERMIT_PORT", environment.get("HERMIT_PORT", "") or str(PORT))


def _free(name: str, port: int) -> None:
    """Raise ValueError if the port of 127.0.0.1 is taken."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError as error:
            raise ValueError(f"{name}: port {port} of 127.0.0.1: {bind_problem(error, '127.0.0.1')}") from None


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return options.is_on(environment.get(name, ""))


def memory(environment: Mapping[str, str]) -> str:
    """QEMU's text for HERMIT_MEM. ValueError for what is no size."""
    own = MEMORY[isle(environment)]
    size = next(filter(None, map(environment.get, ("HERMIT_MEM", "HERMIT_MEMORY_SIZE"))), own)
    return size_text(size, "HERMIT_MEM")


def accelerator(environment: Mapping[str, str], arch: str) -> list[str]:
    """Return the accelerator: KVM, unless it is disabled, unavailable for this CPU, or HERMIT_ACCEL decides."""
    if not options.is_on(environment.get("HERMIT_KVM") or "1"):
        return ["--accel", "tcg"]
    if environment.get("HERMIT_ACCEL"):
        return []
    host = os.uname().machine
    problem = kvm_problem() if arch == host else f"{arch} is not this machine's processor, {host}"
    if problem:
        print(f"hermitctl: without KVM: {problem}", file=sys.stderr)
    return ["--accel", "tcg" if problem else "kvm"]


def network(environment: Mapping[str, str]) -> tuple[list[str], int]:
    """Words of `hermitctl run` for the network, and the port for the application's proxy, 0 if there is none."""
    capture = ["--capture", CAPTURE] if _is_on(environment, "HERMIT_CAPTURE_NET") else []
    if environment.get("HERMIT_NETIF") or environment.get("HERMIT_NET"):
        return capture, 0
    if isle(environment) == "uhyve":
        return [], 0
    port = _own_port(environment)
    ports = [
        port,
        *(_port("HERMIT_APP_PORT", text) for text in environment.get("HERMIT_APP_PORT", "").split(",") if text),
    ]
    words = ["--net", "user", "--nic", environment.get("HERMIT_NIC", "") or "rtl8139"]
    for one in dict.fromkeys(ports):
        words += ["--forward", f"{one}:{one}"]
    return [*words, *capture], port


def monitor(environment: Mapping[str, str]) -> list[str]:
    """Words of `hermitctl run` for QEMU's monitor. ValueError where its port is taken."""
    if not _is_on(environment, "HERMIT_MONITOR"):
        return []
    port = _own_port(environment) + 1
    _free("HERMIT_MONITOR", port)
    print(f"hermitctl: QEMU's monitor: telnet 127.0.0.1 {port}", file=sys.stderr)
    return [f"--qemu-arg={word}" for word in ("-monitor", f"telnet:127.0.0.1:{port},server=on,wait=off")]


def run_words(environment: Mapping[str, str], arch: str) -> tuple[list[str], int]:
    """Translate the variables into options of `hermitctl run`.

    The second value is a guest port that is forwarded but not probed. Raise ValueError with a message.
    """
    words = ["--mem", memory(environment), *accelerator(environment, arch)]
    more, port = network(environment)
    return [*words, *more, *monitor(environment)], port


def command(arguments: argparse.Namespace) -> int:
    """Translate, then run."""
    parser = argparse.ArgumentParser(prog="hermitctl")
    run.add(parser.add_subparsers())
    configured = parser.parse_args(["run"])
    config.settle(configured)
    target_name = named_target(configured)
    arch = target(target_name).arch if target_name else ""
    facts = elf.read(find_app(arguments.app, arch, quiet=True)[0])
    words, port = run_words(os.environ, facts.arch if facts else "x86_64")
    more = ["--dry-run"] if arguments.print else []
    run_arguments = parser.parse_args(["run", *words, *more, arguments.app])
    config.settle(run_arguments)
    run_arguments.app_words = arguments.arguments
    run_arguments.silent, run_arguments.reads = (port,) if port else (), "proxy"
    run_arguments.log_last = run_arguments.verbose
    return run.command(run_arguments)
