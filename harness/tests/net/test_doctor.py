# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Diagnosis of a guest that does not listen: one guest per step that can fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.background import BackgroundGuest
from hermit_harness.matrix.servers import ATTACHMENTS, TAP, ServerGuest
from hermit_harness.net.diagnosis import Finding, NetworkState, diagnose
from hermit_harness.net.guest_network import GuestNetwork
from hermit_harness.net.monitor import NetworkMonitor

Serve = Callable[..., ServerGuest]
NETWORK = "10.0.5.0/24"
LEASE = next(attachment for attachment in ATTACHMENTS if attachment.id == "tap-dhcp")


def finding(served: ServerGuest, port: int = 8080) -> Finding:
    """Return the doctor's finding, as `hermitctl run` asks for it."""
    link = GuestNetwork(served.spec.net, namespace=served.namespace).is_host_link_up()
    return diagnose(
        NetworkState(
            served.monitor.traffic,
            served.guest.console,
            port,
            served.monitor.address,
            link,
            NETWORK,
            served.attachment.nic_model,
            "tap10",
        )
    )


def test_no_driver(serve: Serve) -> None:
    """The kernel was built without a driver for the NIC."""
    served = serve(replace(TAP, nic_model="rtl8139"), "echo")
    with served.guest as guest:
        guest.finish()
        found = finding(served)
    assert found.step == "driver"
    assert "rtl8139" in str(found)


def test_no_link(serve: Serve) -> None:
    """The host's end of the tap is down: the guest listens, but no packet reaches it."""
    served = serve(TAP, "echo")
    served.namespace.run("ip", "link", "set", "tap10", "down")
    with served.guest:
        served.wait_until_listening(8080)
        found = finding(served)
    assert (found.step, found.remedy) == ("link", "netsetup/tap up tap10 brings it up")


def test_no_address(serve: Serve) -> None:
    """The guest requests a lease, and there is no DHCP server."""
    served = serve(replace(LEASE, uses_dhcp=False), "echo")
    with served.guest as guest:
        guest.wait(lambda: "discover" in served.monitor.traffic.dhcp)
        found = finding(served)
    assert found.step == "address"
    assert "no server offers one" in found.cause


def test_address_of_another_network(serve: Serve) -> None:
    """The guest has an address that the host cannot reach."""
    served = serve(TAP, "echo", kernel_args="-ip 10.0.6.3 -gateway 10.0.6.1")
    with served.guest:
        served.wait_until_listening(8080)
        found = finding(served)
    assert (found.step, found.cause) == ("address", "the guest is at 10.0.6.3, which is not in 10.0.5.0/24")


def test_no_answer_to_arp(serve: Serve) -> None:
    """The guest's netmask excludes the host."""
    served = serve(replace(TAP, is_silent=True), "echo", ports=("tcp:8080",), kernel_args="-mask 255.255.255.255")
    with served.guest as guest:
        guest.wait_for_text("listening on TCP port 8080")
        asked = served.monitor.probes_sent
        guest.wait(lambda: served.monitor.probes_sent > asked + 1)
        found = finding(served)
    assert (found.step, found.cause) == ("arp", "no answer to ARP requests for 10.0.5.3")
    assert "-mask" in found.remedy


def test_closed_port(serve: Serve) -> None:
    """The guest refuses the connection."""
    served = serve(replace(TAP, is_silent=True), "echo", ports=("tcp:8081",))
    with served.guest as guest:
        guest.wait(lambda: 8081 in served.monitor.traffic.tcp_closed)
        found = finding(served, 8081)
    assert (found.step, found.cause) == ("port", "the guest answers, but its port 8081 is closed")


def test_no_finding(serve: Serve) -> None:
    """If the guest listens, there is no finding."""
    served = serve(replace(TAP, is_silent=True), "echo", ports=("tcp:8080",))
    with served.guest:
        served.wait_until_listening(8080)
        assert finding(served).step == ""


@pytest.mark.requirement("L-44")
def test_listening_is_found_without_a_capture(serve: Serve) -> None:
    """With vhost=on QEMU does not see the frames; then the doctor opens a connection."""
    served = serve(TAP, "echo", capture=False)
    spec = replace(served.spec, net=replace(served.spec.net, watched=False))
    wire = NetworkMonitor(spec.net.mac, "10.0.5.3", (8080,), make_socket=served.namespace.socket)
    with BackgroundGuest(spec, served.namespace, None, wire) as guest:
        guest.wait(lambda: 8080 in wire.traffic.tcp_open)
        assert b"listening on TCP port 8080" in guest.console
        assert wire.traffic.frames_sent == 0
