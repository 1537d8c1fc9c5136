# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A flattened device tree (Devicetree Specification 0.4, chapter 5) as source text. All of it is big-endian."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from .memory import Read, ReadError

MAGIC = 0xD00DFEED
BEGIN_NODE, END_NODE, PROP, NOP, END = 1, 2, 3, 4, 9
MAX_SIZE = 2 << 20


@dataclass
class Node:
    """One node; the root's name is empty."""

    name: str
    props: list[tuple[str, bytes]] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)


@dataclass
class Tree:
    root: Node
    reserved: list[tuple[int, int]]
    size: int


def total_size(read: Read, address: int) -> int:
    """Bytes of the tree at an address; ReadError if there is none."""
    magic, size = struct.unpack(">II", read(address, 8))
    if magic != MAGIC or not 40 <= size <= MAX_SIZE:
        raise ReadError(f"there is no device tree at {address:#x}")
    return int(size)


def load(read: Read, address: int) -> Tree:
    """The tree at an address."""
    return parse(read(address, total_size(read, address)))


def parse(blob: bytes) -> Tree:
    """The tree of a blob; ReadError with a sentence for a damaged one."""
    try:
        _, size, structs, strings, reserve = struct.unpack_from(">IIIII", blob)
        words = iter(_tokens(blob, structs, strings))
        stack = [Node("")]
        for kind, name, value in words:
            if kind == BEGIN_NODE:
                node = Node(name)
                stack[-1].nodes.append(node)
                stack.append(node)
            elif kind == PROP:
                stack[-1].props.append((name, value))
            else:
                stack.pop()
        reserved = []
        while True:
            start, length = struct.unpack_from(">QQ", blob, reserve)
            if (start, length) == (0, 0):
                break
            reserved.append((start, length))
            reserve += 16
        return Tree(stack[0].nodes[0], reserved, size)
    except (struct.error, IndexError, ValueError) as error:
        raise ReadError(f"the device tree is damaged ({error})") from None


def _string(blob: bytes, at: int) -> tuple[str, int]:
    end = blob.index(0, at)
    return blob[at:end].decode("utf-8", "backslashreplace"), end + 1


def _tokens(blob: bytes, at: int, strings: int) -> Iterator[tuple[int, str, bytes]]:
    while True:
        (kind,) = struct.unpack_from(">I", blob, at)
        at += 4
        if kind == BEGIN_NODE:
            name, at = _string(blob, at)
            yield kind, name, b""
        elif kind == PROP:
            length, name_at = struct.unpack_from(">II", blob, at)
            value = blob[at + 8 : at + 8 + length]
            at += 8 + length
            yield kind, _string(blob, strings + name_at)[0], value
        elif kind == END_NODE:
            yield kind, "", b""
        elif kind == END:
            return
        elif kind != NOP:
            raise ValueError(f"token {kind} at {at - 4:#x}")
        at += -at % 4


def find(tree: Tree, path: str) -> Node:
    """The node of a path such as /chosen or /memory@0; a name without its @ADDRESS means the first such node."""
    node = tree.root
    for word in filter(None, path.split("/")):
        known = [n for n in node.nodes if word in (n.name, n.name.partition("@")[0])]
        if not known:
            names = ", ".join(n.name for n in node.nodes) or "none"
            raise ReadError(f"there is no node {word} in /{node.name}: it has {names}")
        node = known[0]
    return node


def value_text(value: bytes) -> str:
    """A property's value as dts shows it: strings, cells of 32 bits, or bytes."""
    if not value:
        return ""
    words = value[:-1].split(b"\0")
    if value[-1] == 0 and all(word and all(32 <= byte < 127 for byte in word) for word in words):
        return " = " + ", ".join('"' + word.decode().replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words)
    if len(value) % 4 == 0:
        return " = <" + " ".join(f"{cell:#x}" for (cell,) in struct.iter_unpack(">I", value)) + ">"
    return " = [" + value.hex(" ") + "]"


def node_lines(node: Node, depth: int = 0) -> list[str]:
    """One node and what is below it as lines of dts."""
    tab = "\t" * depth
    lines = [f"{tab}{node.name or '/'} {{"]
    lines += [f"{tab}\t{name}{value_text(value)};" for name, value in node.props]
    for child in node.nodes:
        lines += node_lines(child, depth + 1)
    return [*lines, f"{tab}}};"]


def source(tree: Tree, path: str = "/") -> str:
    """The text of the tree, or of one node of it."""
    if path != "/":
        return "\n".join(node_lines(find(tree, path)))
    head = ["/dts-v1/;", *(f"/memreserve/ {start:#x} {length:#x};" for start, length in tree.reserved)]
    return "\n".join([*head, "", *node_lines(tree.root)])
