# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Diagnosis of a guest that does not listen: one guest per step that can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.background import Guest
from hermit_harness.matrix.servers import TAP, WAYS, Served
from hermit_harness.net.diagnosis import Finding, Sight, diagnose
from hermit_harness.net.guest_network import Plan
from hermit_harness.net.monitor import Wire

Serve = Callable[..., Served]
NETWORK = "10.0.5.0/24"
LEASE = next(way for way in WAYS if way.id == "tap-dhcp")


def finding(served: Served, port: int = 8080) -> Finding:
    """Return the doctor's finding, as `hermitctl run` asks for it."""
    link = Plan(served.spec.net, lab=served.lab).host_link()
    return diagnose(
        Sight(
            served.wire.seen, served.guest.console, port, served.wire.address, link, NETWORK, served.way.card, "tap10"
        )
    )


def test_no_driver(serve: Serve) -> None:
    """The kernel was built without a driver for the NIC."""
    served = serve(replace(TAP, card="rtl8139"), "echo")
    with served.guest as guest:
        guest.finish()
        found = finding(served)
    assert found.step == "driver"
    assert "rtl8139" in str(found)


def test_no_link(serve: Serve) -> None:
    """The host's end of the tap is down: the guest listens, but no packet reaches it."""
    served = serve(TAP, "echo")
    served.lab.run("ip", "link", "set", "tap10", "down")
    with served.guest:
        served.ready(8080)
        found = finding(served)
    assert (found.step, found.cure) == ("link", "netsetup/tap up tap10 brings it up")


def test_no_address(serve: Serve) -> None:
    """The guest requests a lease, and there is no DHCP server."""
    served = serve(replace(LEASE, lease=False), "echo")
    with served.guest as guest:
        guest.wait(lambda: "discover" in served.wire.seen.dhcp)
        found = finding(served)
    assert found.step == "address"
    assert "nobody offers one" in found.cause


def test_address_of_another_network(serve: Serve) -> None:
    """The guest has an address that the host cannot reach."""
    served = serve(TAP, "echo", kernel_args="-ip 10.0.6.3 -gateway 10.0.6.1")
    with served.guest:
        served.ready(8080)
        found = finding(served)
    assert (found.step, found.cause) == ("address", "the guest is at 10.0.6.3, which is not in 10.0.5.0/24")


def test_no_answer_to_arp(serve: Serve) -> None:
    """The guest's netmask excludes the host."""
    served = serve(replace(TAP, mute=True), "echo", ports=("tcp:8080",), kernel_args="-mask 255.255.255.255")
    with served.guest as guest:
        guest.wait_for_text("listening on TCP port 8080")
        asked = served.wire.asked
        guest.wait(lambda: served.wire.asked > asked + 1)
        found = finding(served)
    assert (found.step, found.cause) == ("arp", "nobody answers to ARP requests for 10.0.5.3")
    assert "-mask" in found.cure


def test_closed_port(serve: Serve) -> None:
    """The guest refuses the connection."""
    served = serve(replace(TAP, mute=True), "echo", ports=("tcp:8081",))
    with served.guest as guest:
        guest.wait(lambda: 8081 in served.wire.seen.tcp_closed)
        found = finding(served, 8081)
    assert (found.step, found.cause) == ("port", "the guest is there, but its port 8081 is closed")


def test_no_finding(serve: Serve) -> None:
    """If the guest listens, there is no finding."""
    served = serve(replace(TAP, mute=True), "echo", ports=("tcp:8080",))
    with served.guest:
        served.ready(8080)
        assert finding(served).step == ""


@pytest.mark.requirement("L-44")
def test_listening_is_found_without_a_capture(serve: Serve) -> None:
    """With vhost=on QEMU does not see the frames; then the doctor opens a connection."""
    served = serve(TAP, "echo", captured=False)
    spec = replace(served.spec, net=replace(served.spec.net, watched=False))
    wire = Wire(spec.net.mac, "10.0.5.3", (8080,), knock=served.lab.socket)
    with Guest(spec, served.lab, None, wire) as guest:
        guest.wait(lambda: 8080 in wire.seen.tcp_open)
        assert b"listening on TCP port 8080" in guest.console
        assert wire.seen.sent == 0
