# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Memory as the decoders see it: a function from address and length to bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Order = Literal["little", "big"]


class ReadError(Exception):
    """There is no memory at an address, or it holds something else than what was looked for; the text is a sentence."""


# (address, length) -> exactly that many bytes, or ReadError.
Read = Callable[[int, int], bytes]
# The physical address for one that the processor uses; the address itself where it is not mapped.
Translate = Callable[[int], int]


@dataclass(frozen=True)
class Memory:
    """Physical memory of the guest and the byte order of its data."""

    read: Read
    order: Order = "little"
    translate: Translate = lambda address: address

    def number(self, address: int, size: int = 8) -> int:
        """An unsigned number of `size` bytes."""
        return int.from_bytes(self.read(address, size), self.order)

    def text(self, address: int, size: int) -> str:
        """`size` bytes as text; what is not UTF-8 is shown as \\xNN."""
        return self.read(address, size).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Region:
    """A named piece of memory, `end` exclusive."""

    start: int
    end: int
    name: str
