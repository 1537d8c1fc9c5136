# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which CPU feature a guest died for: from what it printed, or from the instruction that it could not run (R-07)."""

from __future__ import annotations

import re

FEATURES = ("fsgsbase", "rdtscp", "xsaveopt", "xsave", "fxsr", "apic", "rdrand", "rdseed", "x2apic", "tsc")
_NEED = re.compile(r"requir|missing|lack|\bneed|n[o']t support|unsupported|not available|unavailable", re.I)
# "instruction_pointer: VirtAddr(0x…)", "ip: 0x…", "rip = 0x…", "RIP: 0010:0x…"
_POINTER = re.compile(
    r"(?:instruction[_ ]pointer|\brip\b|\bip\b)\W*(?:VirtAddr\()?(?:[0-9a-f]{2,4}:)?(0x[0-9a-f]+)", re.I
)
_PREFIXES = (0x66, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0xF0)
_APIC_MSRS = (0x1B, *range(0x800, 0x900))


def taken_away(cpu: str) -> tuple[str, ...]:
    """Features that a -cpu text switches off by name: "-fsgsbase" and "fsgsbase=off"."""
    words = cpu.split(",")[1:]
    off = [w[1:] for w in words if w.startswith("-")]
    return tuple(off + [w.partition("=")[0] for w in words if w.endswith("=off")])


def named_in(console: str) -> str:
    """The feature that a line of the console says is missing, "" if none does."""
    for line in console.splitlines():
        if _NEED.search(line):
            for feature in FEATURES:
                if re.search(rf"(?<![a-z0-9]){feature}(?![a-z0-9])", line, re.I):
                    return feature
    return ""


def pointer_in(console: str) -> int | None:
    """The last instruction pointer that an exception message of the guest shows."""
    found = _POINTER.findall(console)
    return int(found[-1], 16) if found else None


def needed_by(code: bytes, ecx: int | None = None) -> tuple[str, str]:
    """(mnemonic, feature) of an instruction that needs a feature of FEATURES; two empty strings for any other."""
    prefixes, at = set(), 0
    while at < len(code) and code[at] in _PREFIXES:
        prefixes.add(code[at])
        at += 1
    if at < len(code) and code[at] & 0xF0 == 0x40:
        at += 1
    rest = code[at : at + 3]
    if len(rest) < 2 or rest[0] != 0x0F:
        return "", ""
    modrm = rest[2] if len(rest) > 2 else 0
    return _two_byte(rest[1], modrm, prefixes, ecx)


def _two_byte(opcode: int, modrm: int, prefixes: set[int], ecx: int | None) -> tuple[str, str]:
    reg, registers_only = modrm >> 3 & 7, modrm >= 0xC0
    if opcode == 0xAE and registers_only and 0xF3 in prefixes and reg < 4:
        return ("rdfsbase", "rdgsbase", "wrfsbase", "wrgsbase")[reg], "fsgsbase"
    if opcode == 0xAE and not registers_only:
        by_reg = {
            0: ("fxsave", "fxsr"),
            1: ("fxrstor", "fxsr"),
            4: ("xsave", "xsave"),
            5: ("xrstor", "xsave"),
            6: ("xsaveopt", "xsaveopt"),
        }
        return by_reg.get(reg, ("", ""))
    if opcode == 0x01:
        return {0xF9: ("rdtscp", "rdtscp"), 0xD0: ("xgetbv", "xsave"), 0xD1: ("xsetbv", "xsave")}.get(modrm, ("", ""))
    if opcode == 0xC7 and registers_only:
        return {6: ("rdrand", "rdrand"), 7: ("rdseed", "rdseed")}.get(reg, ("", ""))
    if opcode in (0x30, 0x32) and ecx in _APIC_MSRS:
        return ("wrmsr" if opcode == 0x30 else "rdmsr") + f" {ecx:#x}", "apic"
    return "", ""
