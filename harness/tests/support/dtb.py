# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Device trees as a boot loader other than QEMU writes them (Devicetree Specification 0.4, chapter 5)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

BEGIN_NODE, END_NODE, PROP, END = 1, 2, 3, 9
HEADER, NO_RESERVATION = 40, bytes(16)


@dataclass(frozen=True)
class Node:
    """A node. Text properties are given without the final NUL."""

    name: str
    props: Mapping[str, bytes | str] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()


def cells(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def reg(start: int, size: int) -> bytes:
    """Address and size, two cells each."""
    return struct.pack(">QQ", start, size)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def blob(root: Node) -> bytes:
    """Return the flattened tree, version 17."""
    strings = bytearray()
    places: dict[str, int] = {}

    def flat(node: Node) -> bytes:
        data = cells(BEGIN_NODE) + _padded(node.name.encode() + b"\0")
        for name, value in node.props.items():
            if name not in places:
                places[name] = len(strings)
                strings.extend(name.encode() + b"\0")
            raw = value.encode() + b"\0" if isinstance(value, str) else value
            data += cells(PROP, len(raw), places[name]) + _padded(raw)
        return data + b"".join(flat(child) for child in node.nodes) + cells(END_NODE)

    structure = flat(root) + cells(END)
    at = HEADER + len(NO_RESERVATION)
    names_at = at + len(structure)
    total = names_at + len(strings)
    head = cells(0xD00DFEED, total, at, names_at, HEADER, 17, 16, 0, len(strings), len(structure))
    return head + NO_RESERVATION + structure + bytes(strings)
