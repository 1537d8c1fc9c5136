# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Reading and writing frames, planning a network and diagnosing one, without a guest."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from hermit_harness.net import diagnosis, frames, guest_network, monitor, pcap
from hermit_harness.net.frames import SYN, Frame
from hermit_harness.net.monitor import Traffic
from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.vm import nic

GUEST, OTHER = "52:54:00:12:34:56", "52:54:00:00:00:01"


def captured(path: Path, *packets: bytes) -> Path:
    """Write a capture file with these frames."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for packet in packets:
        data += struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet
    path.write_bytes(data)
    return path


def test_tcpdump_decodes_our_frames(tmp_path: Path) -> None:
    """A second decoder agrees, checksums included."""
    arp = frames.arp_request(OTHER, "10.0.5.1", "10.0.5.3")
    syn = frames.tcp((OTHER, GUEST), ("10.0.5.1", "10.0.5.3"), (61234, 8080), SYN, (7, 0))
    file = captured(tmp_path / "x.pcap", arp, syn)
    assert pcap.tcpdump(file) == [
        "ARP, Request who-has 10.0.5.3 tell 10.0.5.1, length 46",
        "IP 10.0.5.1.61234 > 10.0.5.3.8080: Flags [S], seq 7, win 1024, length 0",
    ]
    assert pcap.tcpdump(file, "arp") == ["ARP, Request who-has 10.0.5.3 tell 10.0.5.1, length 46"]
    ours = pcap.frames(file)
    assert [(f.kind, f.source, f.target, f.source_port, f.target_port, f.problems) for f in ours] == [
        ("arp-request", "10.0.5.1", "10.0.5.3", 0, 0, ()),
        ("tcp", "10.0.5.1", "10.0.5.3", 61234, 8080, ()),
    ]


@pytest.mark.parametrize(("at", "problem"), [(24, "IPv4 header checksum"), (38, "TCP checksum"), (50, "TCP checksum")])
def test_wrong_checksums_are_found(at: int, problem: str) -> None:
    """One changed byte at any position is found."""
    syn = bytearray(frames.tcp((OTHER, GUEST), ("10.0.5.1", "10.0.5.3"), (61234, 8080), SYN, (7, 0)))
    syn[at] ^= 0x55
    assert problem in frames.parse(bytes(syn)).problems


@pytest.mark.requirement("L-44")
@pytest.mark.parametrize(
    ("guest", "host", "probe"),
    [
        ("10.0.5.3/24", "10.0.5.1/24", "10.0.5.251"),
        ("10.0.5.251/24", None, "10.0.5.250"),
        ("10.1.2.2/25", "10.1.2.1/25", "10.1.2.123"),
        ("10.1.2.130/25", "10.1.2.129/25", "10.1.2.251"),
        ("10.1.2.3/29", "10.1.2.1/29", "10.1.2.2"),
        ("10.1.2.2/30", "10.1.2.1/30", "10.1.2.0"),
        ("10.1.2.1/31", "10.1.2.0/31", ""),
        ("10.1.2.2/8", None, "10.1.2.251"),
        ("10.0.5.3/29", "10.0.5.1/24", "10.0.5.2"),
        ("10.0.5.3/32", None, "10.0.5.251"),
        ("10.0.5.3/32", "10.0.5.1/24", "10.0.5.251"),  # the guest does not answer, and the doctor says why
    ],
)
def test_address_of_the_probe(guest: str, host: str | None, probe: str) -> None:
    """The sender of a probe is in the guest's network, and neither the guest nor the host."""
    assert monitor.probe_address(IPv4Interface(guest), IPv4Interface(host) if host else None) == probe


def test_no_frame_makes_the_reader_fail() -> None:
    """A guest may send anything: each prefix of a valid frame, and random bytes."""
    good = frames.tcp((OTHER, GUEST), ("10.0.5.1", "10.0.5.3"), (1, 2), SYN, (7, 0))
    for end in range(len(good)):
        assert isinstance(frames.parse(good[:end]), Frame)
    for kind in (b"\x08\0", b"\x08\x06"):
        for byte in range(256):
            assert isinstance(frames.parse(bytes(12) + kind + bytes([byte]) * 40), Frame)


@pytest.mark.requirement("W-24")
@pytest.mark.parametrize(
    ("text", "protocol", "address", "ports"),
    [
        ("8080:8080", "tcp", "127.0.0.1", (8080, 8080)),
        ("9975", "tcp", "127.0.0.1", (9975, 9975)),
        ("udp:9975:9976", "udp", "127.0.0.1", (9975, 9976)),
        ("tcp:0.0.0.0:80:8080", "tcp", "0.0.0.0", (80, 8080)),
    ],
)
def test_forward(text: str, protocol: str, address: str, ports: tuple[int, int]) -> None:
    """The default address is the loopback address."""
    assert nic.parse_host_forward(text).hostfwd == f"hostfwd={protocol}:{address}:{ports[0]}-:{ports[1]}"


@pytest.mark.parametrize("text", ["", "x", "1:2:3", "8080:", "65536:1", "tcp:8080:0", "sctp:1:2", "127.0.0.300:1:2"])
def test_forward_refused(text: str) -> None:
    with pytest.raises(ValueError, match="such as 8080:8080"):
        nic.parse_host_forward(text)


@pytest.mark.requirement("W-24")
def test_taken_port_is_replaced(lab: NetworkNamespace) -> None:
    """Another port is used and reported."""
    with lab.socket() as taken:
        taken.bind(("127.0.0.1", 9975))
        taken.listen()
        got = guest_network.free_port(nic.parse_host_forward("9975:9975"), lab)
    assert got.port not in (0, 9975)
    assert guest_network.free_port(nic.parse_host_forward("9975:9975"), lab).port == 9975


@pytest.mark.requirement("L-44")
def test_vhost_and_capture_exclude_each_other() -> None:
    """With vhost QEMU does not see the frames."""
    with pytest.raises(ValueError, match="vhost=on"):
        nic.Nic("tap", vhost=True, watched=True)


@pytest.mark.requirement("L-44", "R-16", "W-19", "M-27")
@pytest.mark.parametrize(
    ("device", "capture", "vhost", "note"),
    [
        ("/dev/null", "", "on", ""),
        ("/dev/null", "x.pcap", "off", "vhost=off: a capture needs the frames in QEMU, and vhost bypasses it"),
        ("/dev/nothing", "", "off", "vhost=off: /dev/nothing: No such file or directory"),
        ("/dev/tty/nothing", "x.pcap", "off", "vhost=off: /dev/tty/nothing: Not a directory"),
    ],
)
def test_vhost_if_available(device: str, capture: str, vhost: str, note: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """vhost=on is used if the device opens and no capture is wanted; otherwise the reason is reported.

    The test replaces the device. QEMU gets exactly these words.
    """
    monkeypatch.setattr(guest_network, "VHOST_DEVICE", Path(device))
    made = guest_network.set_up(guest_network.NetworkRequest(kind="tap", capture=capture, isolate=True), {})
    assert made.namespace is not None
    made.namespace.close()
    assert [text for text in made.notes if "vhost" in text] == ([note] if note else [])
    words = nic.argv(made.nic)
    assert words[:4] == [
        "-netdev", f"tap,id=net0,ifname=tap10,script=no,downscript=no,vhost={vhost},vnet_hdr=off",
        "-device", "virtio-net-pci,disable-legacy=on,netdev=net0,mac=52:54:00:12:34:56",
    ]  # fmt: skip
    assert ("filter-dump" in " ".join(words)) == bool(capture)
    assert made.nic.watched == (vhost == "off")


@pytest.mark.requirement("L-42", "N-18")
def test_kernel_variables() -> None:
    """The kernel's variables reach its command line, without the harness's own; invalid addresses are refused."""
    given = {"HERMIT_IP": "10.0.5.9", "HERMIT_LOG_LEVEL_FILTER": "Debug", "HERMIT_MASk": "x", "HERMIT_NET": "tap"}
    words = guest_network.kernel_words(given)
    assert words == ["env=HERMIT_IP=10.0.5.9", "env=HERMIT_LOG_LEVEL_FILTER=Debug"]
    with pytest.raises(ValueError, match=r"HERMIT_GATEWAY=10\.0\.5"):
        guest_network.kernel_words({"HERMIT_GATEWAY": "10.0.5"})


def seen(**values: object) -> Traffic:
    made = Traffic(GUEST)
    for name, value in values.items():
        setattr(made, name, value)
    return made


DISK_SKIPPED = b"Legacy/transitional Virtio device, with id: 0x1001 is NOT supported, skipping!"
READY = b"MAC address 52-54-00-12-34-56\n"
SIGHTS = [
    ("driver", {}, b"", {}),
    ("driver", {}, b"Legacy/transitional Virtio device, with id: 0x1000 is NOT supported, skipping!", {}),
    ("link", {}, READY, {"host_link_up": False}),
    ("address", {"frames_sent": 3, "dhcp": ["discover", "discover"]}, READY, {}),
    ("address", {"frames_sent": 3, "dhcp": ["discover", "offer", "request"]}, READY, {}),
    ("address", {"frames_sent": 3, "addresses": ["10.0.6.3"]}, READY, {"address": "10.0.6.3"}),
    ("arp", {"arp_requested": True}, READY, {"address": "10.0.5.3"}),
    (
        "port",
        {"frames_sent": 2, "arp_requested": True, "arp_answered": True, "tcp_closed": {80}},
        READY,
        {"address": "10.0.5.3"},
    ),
    ("port", {"frames_sent": 2, "arp_requested": True, "arp_answered": True}, READY, {"address": "10.0.5.3"}),
    ("port", {"frames_sent": 2, "arp_answered": True}, DISK_SKIPPED, {"address": "10.0.5.3"}),
    (
        "",
        {"frames_sent": 2, "arp_requested": True, "arp_answered": True, "tcp_open": {80}},
        READY,
        {"address": "10.0.5.3"},
    ),
]


@pytest.mark.parametrize(("step", "wire", "console", "more"), SIGHTS)
def test_doctor_finds_the_first_failed_step(
    step: str, wire: dict[str, object], console: bytes, more: dict[str, object]
) -> None:
    sight = diagnosis.NetworkState(seen(**wire), console, 80, network="10.0.5.0/24", **more)  # type: ignore[arg-type]
    assert diagnosis.diagnose(sight).step == step


NO_PORT_KNOWN = [
    ("", {}, b"", {}),
    ("", {}, READY, {}),
    ("", {"frames_sent": 3}, READY, {}),
    ("", {"frames_sent": 4, "dhcp": ["discover", "offer", "request", "ack"]}, READY, {"address": "10.0.5.100"}),
    ("driver", {}, b"socket: error -22", {}),
    ("driver", {}, b"Unable to find mmio device", {}),
    ("link", {}, READY, {"host_link_up": False}),
    ("address", {"frames_sent": 2, "dhcp": ["discover", "discover"]}, READY, {}),
    ("address", {"frames_sent": 3}, READY, {"address": "10.0.6.3"}),
]


@pytest.mark.parametrize(("step", "wire", "console", "more"), NO_PORT_KNOWN)
def test_doctor_without_a_port(step: str, wire: dict[str, object], console: bytes, more: dict[str, object]) -> None:
    """Silence is no finding if the application may use no network."""
    sight = diagnosis.NetworkState(seen(**wire), console, 0, network="10.0.5.0/24", **more)  # type: ignore[arg-type]
    assert diagnosis.diagnose(sight).step == step


def test_sockets_of_a_namespace_are_separate(lab: NetworkNamespace) -> None:
    """A listener inside is not visible outside."""
    with lab.socket() as inside, socket.socket() as outside:
        inside.bind(("127.0.0.1", 0))
        inside.listen()
        assert outside.connect_ex(inside.getsockname()) != 0
        with lab.socket() as client:
            client.connect(inside.getsockname())
