# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Parse and build Ethernet frames: ARP, and IPv4 with ICMP, UDP, DHCP and TCP.

Addresses are text. `parse` reads bytes from a guest, so it checks every length. A field that it cannot read is empty.
`problems` lists wrong checksums and lengths.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

BROADCAST = "ff:ff:ff:ff:ff:ff"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
DHCP_WORDS = ("", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform")
DHCP_COOKIE = b"\x63\x82\x53\x63"


@dataclass
class Frame:
    """One frame. `kind` is arp-request, arp-reply, icmp, udp or tcp, or "" for any other frame.

    `source` and `target` are IPv4 addresses; in an ARP frame, those of the sender and of the request. `dhcp_message`
    is the DHCP message type ("discover"), `dhcp_address` the address in it.
    """

    sender: str = ""
    receiver: str = ""
    kind: str = ""
    source: str = ""
    target: str = ""
    source_port: int = 0
    target_port: int = 0
    flags: int = 0
    sequence: int = 0
    acknowledgement: int = 0
    dhcp_message: str = ""
    dhcp_address: str = ""
    payload: bytes = b""
    problems: tuple[str, ...] = ()


def mac_text(raw: bytes) -> str:
    return raw.hex(":")


def mac_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071): 0 over data that contains its own correct checksum."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def parse(data: bytes) -> Frame:
    """Parse one frame."""
    if len(data) < 14:
        return Frame(problems=("shorter than an Ethernet header",))
    frame = Frame(sender=mac_text(data[6:12]), receiver=mac_text(data[:6]))
    kind = int.from_bytes(data[12:14], "big")
    if kind == 0x0806:
        _arp(frame, data[14:])
    elif kind == 0x0800:
        _ipv4(frame, data[14:])
    return frame


def _arp(frame: Frame, data: bytes) -> None:
    if len(data) < 28 or data[:6] != b"\0\1\x08\0\6\4":
        frame.problems = ("no ARP for IPv4 on Ethernet",)
        return
    frame.kind = {1: "arp-request", 2: "arp-reply"}.get(int.from_bytes(data[6:8], "big"), "")
    frame.source, frame.target = str(IPv4Address(data[14:18])), str(IPv4Address(data[24:28]))


def _ipv4(frame: Frame, data: bytes) -> None:
    header = (data[0] & 15) * 4 if data else 0
    if len(data) < 20 or data[0] >> 4 != 4 or header < 20 or len(data) < header:
        frame.problems = ("no IPv4 header",)
        return
    length = int.from_bytes(data[2:4], "big")
    if not header <= length <= len(data):
        frame.problems = (f"IPv4 says {length} bytes, the frame has {len(data)}",)
        return
    frame.source, frame.target = str(IPv4Address(data[12:16])), str(IPv4Address(data[16:20]))
    if checksum(data[:header]):
        frame.problems += ("IPv4 header checksum",)
    if int.from_bytes(data[6:8], "big") & 0x3FFF:
        return  # a fragment, which holds no complete message
    body = data[header:length]
    number = data[9]
    pseudo = data[12:20] + bytes((0, number)) + len(body).to_bytes(2, "big")
    if number == 1:
        _icmp(frame, body)
    elif number == 6:
        _tcp(frame, body, pseudo)
    elif number == 17:
        _udp(frame, body, pseudo)


def _icmp(frame: Frame, body: bytes) -> None:
    frame.kind = "icmp"
    if len(body) < 8:
        frame.problems += ("ICMP too short",)
        return
    frame.flags, frame.payload = body[0], body[8:]
    if checksum(body):
        frame.problems += ("ICMP checksum",)


def _tcp(frame: Frame, body: bytes, pseudo: bytes) -> None:
    frame.kind = "tcp"
    offset = (body[12] >> 4) * 4 if len(body) >= 20 else 0
    if not 20 <= offset <= len(body):
        frame.problems += ("TCP header",)
        return
    frame.source_port, frame.target_port, frame.sequence, frame.acknowledgement = struct.unpack(">HHII", body[:12])
    frame.flags, frame.payload = body[13] & 31, body[offset:]
    if checksum(pseudo + body):
        frame.problems += ("TCP checksum",)


def _udp(frame: Frame, body: bytes, pseudo: bytes) -> None:
    frame.kind = "udp"
    if len(body) < 8 or int.from_bytes(body[4:6], "big") != len(body):
        frame.problems += ("UDP length",)
        return
    frame.source_port, frame.target_port = struct.unpack(">HH", body[:4])
    frame.payload = body[8:]
    if body[6:8] != b"\0\0" and checksum(pseudo + body):
        frame.problems += ("UDP checksum",)
    if {frame.source_port, frame.target_port} == {67, 68}:
        _dhcp(frame, frame.payload)


def _dhcp(frame: Frame, data: bytes) -> None:
    if len(data) < 241 or data[236:240] != DHCP_COOKIE:
        return
    frame.dhcp_address = str(IPv4Address(data[16:20]))
    at = 240
    while at + 1 < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        if data[at] == 53 and data[at + 2 : at + 3] and data[at + 2] < len(DHCP_WORDS):
            frame.dhcp_message = DHCP_WORDS[data[at + 2]]
        at += 2 + data[at + 1]


# ---- frames that the harness sends


def arp_request(mac: str, source: str, target: str) -> bytes:
    """Build an ARP request for `target` from `source` at `mac`."""
    head = mac_bytes(BROADCAST) + mac_bytes(mac) + b"\x08\x06\0\1\x08\0\6\4\0\1"
    return (head + mac_bytes(mac) + IPv4Address(source).packed + bytes(6) + IPv4Address(target).packed).ljust(60, b"\0")


def tcp(
    macs: tuple[str, str], ends: tuple[str, str], ports: tuple[int, int], flags: int, numbers: tuple[int, int]
) -> bytes:
    """Build a TCP segment without data. Each pair starts with the sender's value.

    `numbers` are the sequence and acknowledgement numbers.
    """
    body = struct.pack(">HHIIBBHHH", *ports, *numbers, 5 << 4, flags, 1024, 0, 0)
    sum_ = checksum(_addresses(ends) + b"\0\6" + len(body).to_bytes(2, "big") + body)
    return _packet(macs, ends, 6, body[:16] + sum_.to_bytes(2, "big") + body[18:])


def udp(macs: tuple[str, str], ends: tuple[str, str], ports: tuple[int, int], data: bytes) -> bytes:
    """Build a UDP datagram without the optional checksum."""
    return _packet(macs, ends, 17, struct.pack(">HHHH", *ports, 8 + len(data), 0) + data)


def _addresses(ends: tuple[str, str]) -> bytes:
    return IPv4Address(ends[0]).packed + IPv4Address(ends[1]).packed


def _packet(macs: tuple[str, str], ends: tuple[str, str], protocol: int, body: bytes) -> bytes:
    """Build a frame with an IPv4 packet."""
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, protocol, 0) + _addresses(ends)
    header = header[:10] + checksum(header).to_bytes(2, "big") + header[12:]
    return (mac_bytes(macs[1]) + mac_bytes(macs[0]) + b"\x08\0" + header + body).ljust(60, b"\0")
