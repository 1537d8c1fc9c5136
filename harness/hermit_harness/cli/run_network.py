# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The network side of `hermitctl run`: what it is told, and what it tells."""

from __future__ import annotations

import argparse
import os
import re
import socket
import sys
from dataclasses import replace
from types import TracebackType
from typing import Self

from hermit_harness import options
from hermit_harness.fixtures import Image
from hermit_harness.net import diagnosis, guest_network
from hermit_harness.net.monitor import Wire
from hermit_harness.vm.spec import RunSpec
from hermit_harness.watch.run_facts import Facts
from hermit_harness.watch.supervisor import Watcher

DATAGRAMS = re.compile(rb"listening on UDP port ([0-9]{1,5})\s")
PATIENCE = 10.0  # seconds that an application may take to listen before the doctor says what is missing
MEMORY = "512M"  # what applications with a network are given unless told otherwise


class Online(Watcher):
    """A network for one run of `spec`, from `with` to the end of it; also a watcher of the run."""

    def __init__(self, a: argparse.Namespace, spec: RunSpec, image: Image | None) -> None:
        words, self.notes = guest_network.kernel_words(os.environ, options.KNOWN)
        more, notes = guest_network.isle_words(os.environ, spec.append, a.net not in ("", "none") or bool(a.netif))
        words, self.notes = words + more, self.notes + notes
        append = " ".join((*words, spec.append)).strip()
        features = image.features if image and image.kind == "real" else None
        wish = guest_network.Wish(
            a.net, a.nic, a.netif, tuple(a.forward), a.capture, append, a.isolate, spec.machine,
            None if features is None else "dhcpv4" in features, _port(image), _driver(image, features),
            a.mac.lower(), a.silent,
        )  # fmt: skip
        self.plan = guest_network.make(wish, os.environ)
        networked = self.plan.net.kind != "none"
        memory = MEMORY if networked and not a.mem else spec.memory
        append = " ".join((*self.plan.words, append)).strip()
        self.spec = replace(spec, net=self.plan.net, append=append, memory=memory)
        self.notes += self.plan.notes
        self.wire = Wire(
            self.plan.net.mac, self.plan.expected, self.plan.ports, any_port=networked, listens=self._listens,
            knock=self.plan.lab.socket if self.plan.lab else socket.socket,
        )  # fmt: skip
        self.watchers = (self.wire, self) if networked else ()
        self._looks_only = a.dry_run
        self._console = b""
        self._due = PATIENCE if self.plan.ports else float("inf")
        self._said = self._datagrams = False

    def __enter__(self) -> Self:
        for note in self.notes:
            say(note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.plan.close()
        capture = self.plan.net.capture
        if capture and capture.is_file() and not self._looks_only:
            say(f"captured: tcpdump -n -r {capture} (or tshark -r {capture})")

    # --- Watcher

    def printed(self, data: bytes) -> None:
        self._console = (self._console + data)[-65536:]
        if not self._datagrams and (told := DATAGRAMS.search(self._console)):
            self._datagrams = True  # a UDP port cannot be asked: nothing answers where nothing is wrong
            say(f"the guest says that it listens: {self.plan.where(int(told[1]), self.wire.address)}, by UDP")

    def next_at(self) -> float:
        return self._due

    def tick(self, now: float) -> None:
        if now >= self._due:
            self._diagnose()

    def ended(self, facts: Facts) -> None:
        facts.serves = tuple(sorted(self.wire.seen.tcp_open))
        if self._due < float("inf") and facts.printed:  # else there was no guest
            self._diagnose()

    def _listens(self, address: str, port: int, at: float) -> None:
        finding = self.look(port)
        if finding.step:
            self._diagnose()
            return
        if not self._missing():
            self._due = float("inf")
        say(f"the guest listens: {self.plan.where(port, address)}, {at * 1000:.0f} ms after its start")

    # --- when nobody listens

    def _missing(self) -> tuple[int, ...]:
        """Ports that were asked for and did not answer."""
        return tuple(port for port in self.plan.ports if port not in self.wire.seen.tcp_open)

    def look(self, port: int) -> diagnosis.Finding:
        """The step of the network that keeps clients from a port of the guest's; no step where nothing does."""
        net = self.plan.net
        return diagnosis.diagnose(
            diagnosis.Sight(
                self.wire.seen, self._console, port, self.wire.address, self.plan.host_link(), self.plan.network,
                net.card, net.ifname,
            )
        )  # fmt: skip

    def _diagnose(self) -> None:
        self._due = float("inf")
        missing = self._missing() or self.plan.ports
        if not self._said and missing:
            self._said = True
            finding = self.look(missing[0])
            if finding.step:
                say(str(finding))


def say(text: str) -> None:
    """One line of ours."""
    print(f"hermitctl: {text}", file=sys.stderr, flush=True)


def _port(image: Image | None) -> tuple[str, int]:
    """Protocol and port that an image of the tree listens on, by its greeting; port 0 where it does not."""
    found = re.search(r"(TCP|UDP) port (\d+)", image.greeting) if image else None
    return (found[1].lower(), int(found[2])) if found else ("tcp", 0)


def _driver(image: Image | None, features: tuple[str, ...] | None) -> str:
    """The card that an image of the tree says, or that a kernel with these features drives."""
    if image and "nic" in image.extra:
        return str(image.extra["nic"])
    if features and "rtl8139" in features:
        return "rtl8139"
    return "virtio-mmio" if features and "pci" not in features else "virtio"
