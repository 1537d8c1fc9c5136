# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Diagnosis of a guest that does not listen: one guest per step that can fail."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.background import BackgroundGuest
from hermit_harness.fixtures import images
from hermit_harness.matrix.servers import ATTACHMENTS, TAP, ServerGuest
from hermit_harness.net.diagnosis import Finding, NetworkState, diagnose
from hermit_harness.net.guest_network import GuestNetwork, NetworkRequest, set_up
from hermit_harness.net.monitor import NetworkMonitor
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.vm.process import LaunchError
from tests.support.cli import hermitctl

Serve = Callable[..., ServerGuest]
NETWORK = "10.0.5.0/24"
ECHO, BY_DHCP, ON_MMIO = "real-echo-0.11.0", "real-echo-0.11.0-dhcp", "real-echo-0.11.0-microvm"
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


# --- `hermitctl run`


@pytest.fixture
def file_by_dhcp(tmp_path: Path) -> str:
    """A file whose kernel requests its address by DHCP. Nothing about it is known but its path."""
    return str(shutil.copy(images()[BY_DHCP].path, tmp_path / "app"))


@pytest.mark.requirement("L-40", "R-13")
def test_file_without_a_dhcp_server(file_by_dhcp: str, lab: NetworkNamespace) -> None:
    """The doctor watches files, too: one line says that nobody answers the guest's requests."""
    lab.script("tap", "up", "tap7")
    with hermitctl("--netif", "tap7", file_by_dhcp, before=lab.enter_command) as (process, line_with):
        assert line_with("network, step address: ").endswith(
            "the guest requests an address by DHCP and no server offers one; sudo netsetup/dhcp up tap7 starts one"
        )
        assert process.poll() is None


@pytest.mark.parametrize("network", ["tap", "bridge"])
def test_isolated_file_gets_a_lease(network: str, file_by_dhcp: str) -> None:
    """An isolated namespace has a DHCP server for a guest that requests an address."""
    with hermitctl("--net", network, "--isolate", file_by_dhcp) as (_, line_with):
        assert "the guest listens: 10.0.5.1" in line_with("the guest listens")


def test_isolated_without_dnsmasq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without dnsmasq a guest without DHCP runs as before; the remedy is kept for the doctor.

    A kernel that certainly needs a lease is not started.
    """
    missing, script = "dnsmasq is missing: apt-get install dnsmasq-base", NetworkNamespace.script

    def without_dnsmasq(self: NetworkNamespace, name: str, *words: str) -> str:
        if name == "dhcp":
            raise LaunchError(missing)
        return script(self, name, *words)

    monkeypatch.setattr(NetworkNamespace, "script", without_dnsmasq)
    network = set_up(NetworkRequest(kind="tap", isolate=True), {})
    network.close()
    assert network.dhcp_remedy == missing
    with pytest.raises(LaunchError, match=missing):
        set_up(NetworkRequest(kind="tap", isolate=True, dhcp=True), {})


def test_application_without_a_network_is_left_alone(tmp_path: Path) -> None:
    """A file that ends before its kernel has a lease, and uses no network, gets no finding."""
    file = str(shutil.copy(images()["real-hello-0.11.0"].path, tmp_path / "app"))
    with hermitctl("--net", "tap", "--isolate", file) as (process, line_with):
        assert "app exit 0" in line_with("app exit 0")
        assert process.wait(60) == 0


@pytest.mark.requirement("L-40")
def test_disk_of_uefi_is_no_nic() -> None:
    """Under UEFI the kernel skips the virtio disk that it was started from, and the guest listens all the same."""
    words = ("--target", "x86_64-uefi", "--machine", "ovmf", "--net", "tap", "--isolate", ECHO)
    with hermitctl(*words) as (process, line_with):
        line_with("vhost=")
        assert "the guest listens: 10.0.5.3:8080" in line_with("hermitctl: the guest")
        process.send_signal(signal.SIGINT)


@pytest.mark.requirement("L-40")
@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (
            ("--machine", "microvm-mmio", "--kernel-args", "virtio_mmio.device=512@0xfeb00e00:12"),
            "the kernel's command line has virtio_mmio.device=512@0xfeb00e00:12, and the kernel accepts 4K@ADDRESS:IRQ",
        ),
        (("--machine", "pc", "--nic", "virtio"), "searches for its NIC on MMIO only, and virtio is on PCI; build"),
        (
            ("--machine", "microvm-mmio", "--nic", "virtio-mmio-legacy"),
            "drives modern virtio NICs on MMIO only, and this one is legacy; NIC=virtio-mmio",
        ),
    ],
    ids=["unreadable-device", "on-pci", "legacy"],
)
@pytest.mark.parametrize("by_path", [False, True], ids=["image", "file"])
def test_kernel_that_finds_no_nic(words: tuple[str, ...], cause: str, by_path: bool, tmp_path: Path) -> None:
    """The finding is what the kernel's own lines say, for an image of the tree and for a file."""
    path = images()[ON_MMIO].path
    app = str(shutil.copy(path, tmp_path / "app")) if by_path else ON_MMIO
    with hermitctl("--net", "tap", "--isolate", *words, app) as (process, line_with):
        assert cause in line_with("network, step driver: ")
        assert process.wait(60) == 1
