# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The network side of `hermitctl run`: its options and its messages."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import socket
import sys
from dataclasses import replace
from types import TracebackType
from typing import Self

from hermit_harness.cli import variables
from hermit_harness.fixtures import FixtureImage
from hermit_harness.net import diagnosis, guest_network
from hermit_harness.net.diagnosis import STEPS
from hermit_harness.net.monitor import NetworkMonitor
from hermit_harness.vm.memory import at_least
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.run_facts import RunFacts
from hermit_harness.watch.supervisor import Supervisor
from hermit_harness.watch.watcher import Watcher

UDP_LISTENING_LINE = re.compile(rb"listening on UDP port ([0-9]{1,5})\s")
DIAGNOSE_AFTER = 10.0  # seconds from the hand-over that an application may take to listen
DEFAULT_MEMORY = "512M"  # default memory of applications with a network


class RunNetwork(Watcher):
    """A network for one run of `spec`, from `with` to the end of it; also a watcher of the run."""

    def __init__(self, arguments: argparse.Namespace, spec: RunSpec, image: FixtureImage | None) -> None:
        if arguments.vmm not in ("", "qemu"):
            raise ValueError(f"--vmm {arguments.vmm}: only `hermitctl run` boots with it; without --vmm this is QEMU's")
        words, rest = guest_network.kernel_words(os.environ), variables.rest(os.environ, arguments.reads)
        isle_words, notes = guest_network.isle_words(
            os.environ,
            spec.append,
            arguments.net not in ("", "none") or bool(arguments.netif),
            arguments.isle_problem,
        )
        words, self.notes = words + rest.kernel_words + isle_words, rest.notes + notes
        append = " ".join((*words, spec.append)).strip()
        features = image.features if image and image.kind == "real" else None
        request = guest_network.NetworkRequest(
            arguments.net, arguments.nic, arguments.netif, tuple(arguments.forward), arguments.capture, append,
            arguments.isolate, spec.machine,
            None if features is None else "dhcpv4" in features, _listening_port(image),
            _default_nic_model(image, features), arguments.mac.lower(), arguments.silent,
        )  # fmt: skip
        self.network = guest_network.set_up(request, os.environ)
        networked = self.network.nic.kind != "none"
        memory = at_least(DEFAULT_MEMORY, arguments.least_memory) if networked and not arguments.mem else spec.memory
        append = " ".join((*self.network.kernel_words, append)).strip()
        self.spec = replace(spec, net=self.network.nic, append=append, memory=memory)
        self.notes += self.network.notes
        self.monitor = NetworkMonitor(
            self.network.nic.mac, self.network.expected_address, self.network.ports, any_port=networked,
            on_listening=self._on_listening,
            make_socket=self.network.namespace.socket if self.network.namespace else socket.socket,
            host=self.network.host,
        )  # fmt: skip
        self.watchers = (self.monitor, self) if networked else ()
        self._dry_run = arguments.dry_run
        self._console = b""
        self._diagnose_at = DIAGNOSE_AFTER if networked else float("inf")
        self._diagnosed = self._udp_reported = self._handed_over = False
        self._supervisor: Supervisor | None = None

    def __enter__(self) -> Self:
        for note in self.notes:
            report(note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.network.close()
        capture = self.network.nic.capture
        if capture and capture.is_file() and not self._dry_run:
            file = shlex.quote(str(capture))
            report(f"captured: tcpdump -n -r {file} (or tshark -r {file})")

    def activity(self) -> object | None:
        """Return a value that changes with the guest's traffic; None if it waits for clients."""
        traffic = self.monitor.traffic
        is_server = traffic.tcp_open or UDP_LISTENING_LINE.search(self._console)
        return None if is_server else (traffic.frames_sent, len(traffic.dhcp))

    # --- Watcher

    def on_start(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    def on_output(self, data: bytes) -> None:
        assert self._supervisor is not None
        self._console = (self._console + data)[-65536:]
        if not self._handed_over and self._supervisor.boot_log.handed_over:
            self._handed_over = True
            self._postpone_diagnosis(self._supervisor.now())
        if not self._udp_reported and (match := UDP_LISTENING_LINE.search(self._console)):
            reached = self.network.describe_port(int(match[1]), self.monitor.address)
            self._udp_reported = True  # a UDP port cannot be asked: nothing answers where nothing is wrong
            report(f"the guest says that it listens: {reached}, by UDP")

    def next_tick(self) -> float:
        return self._diagnose_at

    def on_tick(self, now: float) -> None:
        if now >= self._diagnose_at and not self._handed_over:
            self._postpone_diagnosis(now)  # the firmware is still at work
        elif now >= self._diagnose_at:
            self._diagnose(STEPS)

    def on_end(self, facts: RunFacts) -> None:
        facts.open_ports = tuple(sorted(self.monitor.traffic.tcp_open))
        if self._diagnose_at < float("inf") and facts.printed:  # else there was no guest
            # An application of which no port is known may have ended before it had an address.
            self._diagnose(STEPS if self.network.ports else ("driver",))

    def _on_listening(self, address: str, port: int, at: float) -> None:
        finding = self.diagnose_port(port)
        if finding.step:
            self._diagnose(STEPS)
            return
        if not self._unanswered_ports():
            self._diagnose_at = float("inf")
        report(f"the guest listens: {self.network.describe_port(port, address)}, {at * 1000:.0f} ms after its start")

    # --- when no port is open

    def _unanswered_ports(self) -> tuple[int, ...]:
        """Ports that were asked for and did not answer."""
        return tuple(port for port in self.network.ports if port not in self.monitor.traffic.tcp_open)

    def diagnose_port(self, port: int) -> diagnosis.Finding:
        """The step of the network that keeps clients from a port of the guest's; no step where nothing does.

        Port 0: no port is known.
        """
        net = self.network.nic
        return diagnosis.diagnose(
            diagnosis.NetworkState(
                self.monitor.traffic, self._console, port, self.monitor.address,
                self.network.is_host_link_up(), self.network.network,
                net.model, net.ifname, self.network.dhcp_remedy,
            )
        )  # fmt: skip

    def _postpone_diagnosis(self, now: float) -> None:
        if self._diagnose_at < float("inf"):
            self._diagnose_at = now + DIAGNOSE_AFTER

    def _diagnose(self, steps: tuple[str, ...]) -> None:
        """Report the first step that failed, once, if it is one of `steps`."""
        self._diagnose_at = float("inf")
        traffic = self.monitor.traffic
        ports = self._unanswered_ports() or self.network.ports or sorted(traffic.tcp_probed - traffic.tcp_open) or [0]
        if not self._diagnosed and (ports[0] or not traffic.tcp_open):
            finding = self.diagnose_port(ports[0])
            if finding.step in steps:
                self._diagnosed = True
                report(str(finding))


def report(text: str) -> None:
    """One line of ours."""
    print(f"hermitctl: {text}", file=sys.stderr, flush=True)


def _listening_port(image: FixtureImage | None) -> tuple[str, int]:
    """Protocol and port that an image of the tree listens on, by its greeting; port 0 where it does not."""
    found = re.search(r"(TCP|UDP) port (\d+)", image.greeting) if image else None
    return (found[1].lower(), int(found[2])) if found else ("tcp", 0)


def _default_nic_model(image: FixtureImage | None, features: tuple[str, ...] | None) -> str:
    """Return the NIC model of an image, or the one that a kernel with these features drives."""
    if image and "nic" in image.extra:
        return str(image.extra["nic"])
    if features and "rtl8139" in features:
        return "rtl8139"
    return "virtio-mmio" if features and "pci" not in features else "virtio"
