# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One frame as a row of the packet ladder."""

from __future__ import annotations

from typing import Any

from hermit_harness.net.frames import ACK, FIN, PSH, RST, SYN, Frame

FLAGS = ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (PSH, "PSH"), (ACK, "ACK"))


def row(seconds: float, frame: Frame, length: int) -> list[Any]:
    """Return seconds, the two MAC addresses, what it is, what is wrong with it, and the sender's IPv4 address."""
    return [
        *(round(seconds, 6), frame.sender, frame.receiver),
        *(_what(frame, length), "; ".join(frame.problems), frame.source.replace("0.0.0.0", "")),
    ]


def _what(frame: Frame, length: int) -> str:
    if frame.kind == "arp-request":
        return f"ARP who has {frame.target}?"
    if frame.kind == "arp-reply":
        return f"ARP {frame.source} is at {frame.sender}"
    if frame.dhcp_message:
        return f"DHCP {frame.dhcp_message} {frame.dhcp_address}".strip()
    ports = f"{frame.source_port} → {frame.target_port}"
    if frame.kind == "tcp":
        flags = " ".join(name for bit, name in FLAGS if frame.flags & bit)
        return f"TCP {ports} {flags}" + (f", {len(frame.payload)} bytes" if frame.payload else "")
    if frame.kind == "udp":
        return f"UDP {ports}, {len(frame.payload)} bytes"
    return f"{frame.kind.upper() or 'frame'}, {length} bytes"
