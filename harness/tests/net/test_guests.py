# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Real applications on real networks: each kind of connection, the clients' data, and the frames."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.matrix.servers import ATTACHMENTS, CLIENT_SECONDS, TAP, UNSUPPORTED, USER, Attachment, ServerGuest
from hermit_harness.net import diagnosis, pcap
from hermit_harness.net.frames import ACK, BROADCAST, SYN, arp_request, mac_bytes, tcp
from hermit_harness.net.netns import GUEST_ADDRESS, NetworkNamespace
from hermit_harness.vm.nic import DEFAULT_MAC
from tests.support.errata import skip_known
from tests.support.processes import background

Serve = Callable[..., ServerGuest]
# One byte, a full segment, one more than that, more than a window.
SIZES = (1, 1460, 1461, 65536)
PAGE = "Hello from Hermit! 🦀\n"
STRANGER = "52:54:00:00:00:77"
ETHERNET_HEADER = 14  # bytes: two MAC addresses and a type
ECHO, HTTP, UDP = 8080, 9975, 9975


def pattern(size: int, salt: int = 0) -> bytes:
    """Return bytes without repetitions."""
    return bytes((at * 31 + (at >> 8) * 7 + salt) & 255 for at in range(size))


def echoed(client: socket.socket, data: bytes) -> bool:
    """Whether exactly these bytes come back.

    They are sent in parts: the echo must be read before the guest can accept more.
    """
    got = bytearray()
    for at in range(0, len(data), 16384):
        part = data[at : at + 16384]
        client.sendall(part)
        while len(got) < at + len(part):
            more = client.recv(65536)
            assert more, f"the connection ended after {len(got)} of {len(data)} bytes"
            got += more
    return got == data


def check_wire(served: ServerGuest) -> None:
    """Check each conversation.

    Checksums are right without offload, an ARP request precedes the first SYN, and there is one lease.
    """
    frames = served.frames()
    ours = [frame for frame in frames if frame.sender == DEFAULT_MAC]
    assert ours, "the guest sent nothing"
    assert [frame.problems for frame in ours if frame.problems] == []
    kinds = [frame.kind for frame in frames]
    syn = next(n for n, f in enumerate(frames) if f.kind == "tcp" and f.flags & (SYN | ACK) == SYN)
    # A host that gave a lease knows the guest's address without ARP.
    assert served.attachment.uses_dhcp or "arp-request" in kinds[:syn], "an ARP request precedes the first SYN"
    notes = [frame.dhcp_message for frame in frames if frame.dhcp_message]
    assert notes == (["discover", "offer", "request", "ack"] if served.attachment.uses_dhcp else [])
    assert len(pcap.tcpdump(served.capture)) == len(frames), "tcpdump reads as many frames as the harness"


@pytest.mark.requirement(
    "P-07", "L-43", "L-44", "R-15", "R-16", "W-06", "W-07", "W-16", "W-18", "M-22", "M-23", "N-19", "N-20"
)
@pytest.mark.parametrize("attachment", ATTACHMENTS, ids=str)
def test_tcp_echo(attachment: Attachment, serve: Serve) -> None:
    """The echo of 1, 1460, 1461 and 65536 bytes works with each supported NIC and network.

    Then the application exits.
    """
    served = serve(attachment, "echo", ports=("tcp:8080",), args="" if attachment.is_silent else "1")
    with served.guest as guest:
        served.wait_until_listening(ECHO)
        with served.connect(ECHO) as client:
            for size in SIZES:
                assert echoed(client, pattern(size)), size
        assert attachment.is_silent or guest.finish().matches("exit 0"), str(guest.outcome)
    check_wire(served)


@pytest.mark.requirement("L-44", "C-28")
def test_ping(serve: Serve) -> None:
    """The guest answers small and large requests once each, with the same bytes."""
    served = serve(TAP, "echo")
    with served.guest:
        served.wait_until_listening(ECHO)
        for size in 3 * (0, 56, 1472):
            assert served.ping(size), size
    answers = pcap.tcpdump(served.capture, f"icmp[icmptype] = icmp-echoreply and ether src {DEFAULT_MAC}")
    assert len(answers) == 9


# Each image of an application with a network once.
EACH = [
    attachment
    for attachment in ATTACHMENTS
    if attachment.id in ("tap", "user-rtl8139", "tap-mmio", "user-mmio", "tap-aarch64", "tap-riscv64")
]


# A UDP port does not show whether a program listens, so the guest must print a line: its console needs this firmware.
SPEAKING = [
    replace(attachment, machine="virt-opensbi-1.6", is_silent=False) if attachment.is_silent else attachment
    for attachment in EACH
]


@pytest.mark.requirement("W-16")
@pytest.mark.parametrize("attachment", SPEAKING, ids=str)
def test_udp_echo(attachment: Attachment, serve: Serve) -> None:
    """Datagrams up to a full frame come back complete, one for one."""
    served = serve(attachment, "udp", ports=("udp:9975",))
    with served.guest as guest:
        served.wait_until_listening(UDP)
        with served.connect_udp(UDP) as client:
            for size in (1, 2, 17, 18, 19, 512, 1471, 1472):
                client.send(pattern(size, size))
                assert client.recv(65536) == pattern(size, size), size
            client.send(b"")
        assert guest.finish().matches("exit 0"), str(guest.outcome)
    assert [frame.problems for frame in served.frames() if frame.sender == DEFAULT_MAC and frame.problems] == []


@pytest.mark.requirement("W-22", "W-23", "W-25")
@pytest.mark.parametrize("attachment", EACH, ids=str)
def test_http_with_curl(attachment: Attachment, serve: Serve) -> None:
    """curl gets the page from port 9975; an unknown path is 404."""
    served = serve(attachment, "http", ports=("tcp:9975",))
    with served.guest:
        served.wait_until_listening(HTTP)
        address, port = served.address_of(HTTP)
        curl = ("curl", "--silent", "--show-error", "--max-time", "30", "--noproxy", "*")
        url = f"http://{address}:{port}/"
        assert served.namespace.run(*curl, url) == PAGE
        assert (
            served.namespace.run(*curl, "--output", "/dev/null", "--write-out", "%{http_code}", f"{url}none") == "404"
        )
        assert (
            served.namespace.run(*curl, "--data", "x", "--output", "/dev/null", "--write-out", "%{http_code}", url)
            == "405"
        )


def test_ten_connections_at_once(serve: Serve) -> None:
    """All ten connections are open before the first byte is sent."""
    served = serve(TAP, "echo", args="10")
    with served.guest as guest:
        served.wait_until_listening(ECHO)
        clients = [served.connect(ECHO) for _ in range(10)]
        with ThreadPoolExecutor(10) as pool:
            good = list(pool.map(lambda pair: echoed(pair[1], pattern(20000, pair[0])), enumerate(clients)))
        assert good == [True] * 10
        for client in clients:
            client.close()
        assert guest.finish().matches("exit 0"), str(guest.outcome)


def test_a_hundred_connections_in_sequence(serve: Serve) -> None:
    """No connection is lost, and no connection gets another one's bytes."""
    served = serve(TAP, "echo")
    with served.guest as guest:
        served.wait_until_listening(ECHO)
        for number in range(100):
            with served.connect(ECHO) as client:
                assert echoed(client, pattern(100, number)), number
        assert guest.outcome is None


def test_half_open_and_reset_connections(serve: Serve) -> None:
    """Clients that disappear: a SYN and no more, a reset in the middle, a close without a byte.

    The server answers the next client.
    """
    served = serve(TAP, "echo")
    with served.guest as guest:
        served.wait_until_listening(ECHO)
        with served.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("tap10", 0))
            raw.send(arp_request(STRANGER, "10.0.5.77", GUEST_ADDRESS))
            for port in range(4000, 4003):
                raw.send(tcp((STRANGER, DEFAULT_MAC), ("10.0.5.77", GUEST_ADDRESS), (port, ECHO), SYN, (port, 0)))
        with served.connect(ECHO) as reset:
            assert echoed(reset, b"x")
            reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        served.connect(ECHO).close()
        with served.connect(ECHO) as client:
            assert echoed(client, pattern(5000))
        assert guest.outcome is None
    assert pcap.tcpdump(served.capture, "tcp[tcpflags] & tcp-rst != 0 and src 10.0.5.1"), "a reset was sent"
    answers = pcap.tcpdump(
        served.capture, f"dst 10.0.5.77 and ether src {DEFAULT_MAC} and tcp[tcpflags] & tcp-syn != 0"
    )
    assert len({line.split(" > ")[1].split(":")[0] for line in answers}) == 3, "each SYN was answered"


@pytest.mark.requirement("M-20", "M-21", "W-07", "W-21")
def test_dhcp_lease(serve: Serve) -> None:
    """QEMU's user network gives 10.0.2.15/24, a gateway and a name server.

    Console and frames agree, also on the MAC address. The MTU is 1500, as the guest's SYN announces it: the largest TCP
    segment is 40 bytes of headers less. The kernel prints the size of a frame, 14 bytes more.
    """
    served = serve(USER, "echo", ports=("tcp:8080",))
    with served.guest as guest:
        served.wait_until_listening(ECHO)
        with served.connect(ECHO) as client:
            assert echoed(client, b"here")
        console = guest.console.decode("utf-8", "replace")
    for line in (
        "IP address:      10.0.2.15/24",
        "Default gateway: 10.0.2.2",
        "DNS server 0:    10.0.2.3",
        "MAC address 52-54-00-12-34-56",
        f"MTU: {1500 + ETHERNET_HEADER} bytes",
    ):
        assert re.search(rf" {line}$", console, re.M), line
    (opening,) = pcap.tcpdump(served.capture, f"tcp[tcpflags] & tcp-syn != 0 and ether src {DEFAULT_MAC}")
    assert f"[mss {1500 - 40}]" in opening
    notes = [
        (frame.dhcp_message, frame.dhcp_address, frame.receiver) for frame in served.frames() if frame.dhcp_message
    ]
    assert [note for note, _, _ in notes] == ["discover", "offer", "request", "ack"]
    assert notes[0][2] == BROADCAST
    assert notes[1][1] == notes[3][1] == "10.0.2.15"
    (answer,) = [frame.payload for frame in served.frames() if frame.dhcp_message == "ack"]
    assert b"\x03\x04\x0a\0\x02\x02" in answer, "option 3, the router (RFC 2132)"
    assert b"\x06\x04\x0a\0\x02\x03" in answer, "option 6, the name server"
    assert len(pcap.tcpdump(served.capture, "udp port 67 and udp[250:1] = 1")) == 1, "tcpdump reads one, too"


@pytest.mark.requirement("M-18", "M-19", "C-29")
def test_rtl8139_is_reported(serve: Serve) -> None:
    """The NIC of the former documents works in a machine of 64 MB."""
    served = serve(USER, "echo", ports=("tcp:8080",), args="1", memory="64M")
    with served.guest as guest:
        served.wait_until_listening(ECHO)
        assert b"Found Realtek network device with device id 0x8139" in guest.console
        assert b"RTL8139: CR = 0xd, ISR = 0x0, speed = 10 mbps" in guest.console
        with served.connect(ECHO) as client:
            client.sendall(b"hello hermit")
            assert client.recv(100) == b"hello hermit"
        assert guest.finish().matches("exit 0")


CONFIGURED = replace(TAP, variant="-configured")  # compiled with HERMIT_IP=10.0.5.100


@pytest.mark.requirement("L-41", "L-42", "R-14", "W-17", "M-29")
@pytest.mark.parametrize(
    ("attachment", "given", "address", "other"),
    [
        (TAP, "-ip 10.0.5.100", "10.0.5.100", GUEST_ADDRESS),
        (TAP, "env=HERMIT_IP=10.0.5.101", "10.0.5.101", GUEST_ADDRESS),
        (CONFIGURED, "-ip 10.0.5.101", "10.0.5.101", "10.0.5.100"),
    ],
    ids=["by-argument", "by-variable", "argument-wins"],
)
def test_configured_address(attachment: Attachment, given: str, address: str, other: str, serve: Serve) -> None:
    """The guest answers at the address that it gets at its start, whatever its build has, and at no other."""
    served = serve(attachment, "echo", kernel_args=given)
    with served.guest:
        served.wait_until_listening(ECHO)
        with served.namespace.socket() as client:
            client.settimeout(CLIENT_SECONDS)
            client.connect((address, ECHO))
            assert echoed(client, b"here")
        assert served.namespace.result("ping", "-c", "1", "-W", "1", other).returncode == 1


@pytest.mark.requirement("W-26", "W-27")
def test_captures_agree_and_end_with_the_guest(serve: Serve, tmp_path: Path) -> None:
    """QEMU's capture and tcpdump's have the same frames in the same order.

    After the guest's end none of its frames appear, although clients still send.
    """
    served = serve(TAP, "echo", args="1")
    other = tmp_path / "tap.pcap"
    with tcpdump_on_tap(served.namespace, other), served.guest as guest:
        served.wait_until_listening(ECHO)
        with served.connect(ECHO) as client:
            assert echoed(client, pattern(10000))
        assert guest.finish().matches("exit 0")
        assert served.namespace.result("ping", "-c", "2", "-i", "0.2", "-W", "1", GUEST_ADDRESS).returncode != 0
    for direction in (
        f"tcp and ether src {DEFAULT_MAC}",
        f"tcp and ether dst {DEFAULT_MAC}",
        f"arp and ether src {DEFAULT_MAC}",
    ):
        assert pcap.tcpdump(other, direction) == pcap.tcpdump(served.capture, direction), direction
    seen = [packet for packet in pcap.packets(other) if packet[6:12] == mac_bytes(DEFAULT_MAC)]
    assert seen == [packet for packet in pcap.packets(served.capture) if packet[6:12] == mac_bytes(DEFAULT_MAC)]
    assert len(seen) > 10


@contextmanager
def tcpdump_on_tap(lab: NetworkNamespace, file: Path) -> Iterator[None]:
    """Run tcpdump as a user would, from its line that it listens to SIGINT.

    It changes its groups, which the namespace forbids; so it enters the network namespace only, which needs root.
    """
    if os.geteuid():
        pytest.skip("tcpdump-wants-root: tcpdump cannot change its groups in a user namespace")
    enter = ("nsenter", "--target", str(lab.pid), "--net", "--")
    argv = (*enter, "tcpdump", "-i", "tap10", "-U", "--immediate-mode", "-Z", "root", "-w", str(file))
    with background(argv, stderr=subprocess.PIPE) as tcpdump:
        assert tcpdump.stderr is not None
        said = b""
        while b"listening on tap10" not in said:
            line = tcpdump.stderr.readline()
            assert line, said
            said += line
        yield
        tcpdump.send_signal(signal.SIGINT)
        assert tcpdump.wait(CLIENT_SECONDS) == 0


def serves(served: ServerGuest) -> bool:
    """Return whether the guest can echo much data at once."""
    with served.guest as guest:
        guest.wait(
            lambda: (
                f"P port {ECHO}".encode() in guest.console or ECHO in served.monitor.traffic.tcp_open or guest.has_ended
            )
        )
        try:
            with served.connect(ECHO) as client:
                client.settimeout(CLIENT_SECONDS if guest.outcome is None else 0.1)
                return all(echoed(client, pattern(size)) for size in SIZES)
        except (OSError, AssertionError):
            guest.finish()  # the guest runs, and does not answer
            return False


# Sufficient and insufficient memory in MiB. The number of queue entries matters: each has memory for a frame, and
# QEMU 10 has four times as many by PCI.
SMALLEST: dict[str, dict[int, tuple[int, int]]] = {
    "user-rtl8139": {0: (16, 14)},
    "tap": {0: (36, 32), 1024: (288, 256)},
    "tap-mmio": {0: (288, 272)},
    "tap-riscv64": {0: (320, 288)},
}


@pytest.mark.requirement("M-28")
@pytest.mark.parametrize("name", SMALLEST)
def test_minimum_memory(name: str, serve: Serve) -> None:
    """The minimum memory with which each kernel serves; with slightly less it ends.

    So the documented 512 MB suffice for all. The first guest, with what any queue needs, shows the size of the queue.
    """
    (attachment,) = (attachment for attachment in ATTACHMENTS if attachment.id == name)
    rows = SMALLEST[name]
    first = serve(attachment, "echo", ports=("tcp:8080",), memory=f"{max(rows.values())[0]}M")
    assert serves(first)
    queue = re.search(rb"Created SplitVq: idx=0, size=(\d+)", first.guest.console)
    enough, less = rows.get(int(queue[1]) if queue else 0, rows[0])
    if (enough, less) != max(rows.values()):
        assert serves(serve(attachment, "echo", ports=("tcp:8080",), memory=f"{enough}M"))
    assert not serves(serve(attachment, "echo", ports=("tcp:8080",), memory=f"{less}M"))


@pytest.mark.requirement("L-43")
@pytest.mark.parametrize("attachment", UNSUPPORTED, ids=str)
def test_nics_without_a_driver(attachment: Attachment, serve: Serve) -> None:
    """The kernel reports the NIC as unsupported, and the doctor finds it.

    If a kernel had the driver, the echo would be tested here. See test_bare_nics.py.
    """
    served = serve(attachment, "echo", args="1")
    with served.guest as guest:
        guest.wait(lambda: b"listening on TCP port 8080" in guest.console or guest.has_ended)
        if guest.outcome is None:
            with served.connect(ECHO) as client:
                assert echoed(client, pattern(1461))
        outcome = guest.finish()
    if not outcome.matches("exit 0"):
        sight = diagnosis.NetworkState(served.monitor.traffic, guest.console, ECHO, GUEST_ADDRESS)
        assert diagnosis.diagnose(sight).step == "driver", str(outcome)
    skip_known(f"net/{attachment}", str(outcome))
    assert outcome.matches("exit 0"), str(outcome)
