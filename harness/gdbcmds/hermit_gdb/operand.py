# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The addresses that an x86_64 instruction touches, from its text in AT&T syntax as GDB disassembles it."""

from __future__ import annotations

import re
from collections.abc import Callable

_MASK = 0xFFFF_FFFF_FFFF_FFFF
# displacement(base,index,scale)
_OPERAND = re.compile(
    r"(?P<disp>-?0x[0-9a-f]+)?\((?P<base>%\w+)?(?:,(?P<index>%\w+)(?:,(?P<scale>[1248]))?)?\)(?P<rest>,?)"
)
_ABSOLUTE = re.compile(r"(?<![\w$%(-])(?P<disp>0x[0-9a-f]+)(?P<rest>,?)(?=,|\s|$)")
_READ_ONLY = (
    "cmp",
    "test",
    "bt ",
    "lgdt",
    "lidt",
    "ltr",
    "lldt",
    "fxrstor",
    "xrstor",
    "prefetch",
    "push",
    "call",
    "jmp",
)
_NO_ACCESS = ("lea", "nop", "invlpg")
_PUSHES = ("push", "call", "enter")
_POPS = ("pop", "ret", "leave", "iret")


def memory_operands(text: str, register: Callable[[str], int]) -> list[tuple[int, bool]]:
    """(address, whether it is written) of each memory operand; `register` gives a register by its name without %.

    The last operand is where AT&T syntax has the destination. Segment bases are not added."""
    instruction = text.partition("#")[0].strip()
    if instruction.startswith(_NO_ACCESS):
        return []
    relative = re.search(r"# (0x[0-9a-f]+)", text)
    found: list[tuple[int, bool]] = []
    for match in _OPERAND.finditer(instruction):
        if match["base"] == "%rip" and relative:
            address = int(relative[1], 16)
        else:
            address = int(match["disp"] or "0", 16)
            address += register(match["base"][1:]) if match["base"] else 0
            address += register(match["index"][1:]) * int(match["scale"] or 1) if match["index"] else 0
        found.append((address & _MASK, not match["rest"] and not instruction.startswith(_READ_ONLY)))
    jumps = instruction.startswith(("j", "call", "loop"))
    if not found and not jumps:
        for match in _ABSOLUTE.finditer(instruction):
            found.append((int(match["disp"], 16), not match["rest"] and not instruction.startswith(_READ_ONLY)))
    if instruction.startswith(_PUSHES):
        found.append(((register("rsp") - 8) & _MASK, True))
    elif instruction.startswith(_POPS):
        found.append((register("rsp"), False))
    return found
