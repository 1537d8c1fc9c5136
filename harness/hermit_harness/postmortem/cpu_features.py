# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which CPU feature a guest died for: from what it printed, or from the instruction that it could not run (R-07)."""

from __future__ import annotations

import re

FEATURES = ("fsgsbase", "rdtscp", "xsaveopt", "xsave", "fxsr", "apic", "rdrand", "rdseed", "x2apic", "tsc")
_MISSING_FEATURE = re.compile(r"requir|missing|lack|\bneed|n[o']t support|unsupported|not available|unavailable", re.I)
# "instruction_pointer: VirtAddr(0x…)", "ip: 0x…", "rip = 0x…", "RIP: 0010:0x…"
_POINTER = re.compile(
    r"(?:instruction[_ ]pointer|\brip\b|\bip\b)\W*(?:VirtAddr\()?(?:[0-9a-f]{2,4}:)?(0x[0-9a-f]+)", re.I
)
_PREFIXES = (0x66, 0xF2, 0xF3, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0xF0)
# Beginnings of mnemonics as GDB's disassembler has them, and the feature by QEMU's name. First match wins.
_BY_MNEMONIC = {
    "x86_64": (
        (r"(v?aes(enc|dec|imc|keygen))", "aes"),
        (r"v?pclmul", "pclmulqdq"),
        (r"sha(1|256)", "sha-ni"),
        (r"v\w+ .*%(zmm|k\d)", "avx512f"),
        (r"v(broadcasti128|perm[dq2]|p(add|sub|and|or|xor|cmp\w+|mul\w+|s[lr]\w+) .*%ymm)", "avx2"),
        (r"vfn?m(add|sub)", "fma"),
        (r"v[a-z]", "avx"),
        (r"popcnt", "popcnt"),
        (r"crc32", "sse4.2"),
        (r"(andn|blsr|blsi|blsmsk|bextr)", "bmi1"),
        (r"(mulx|pdep|pext|bzhi|rorx|sarx|shlx|shrx)", "bmi2"),
        (r"(adcx|adox)", "adx"),
        (r"movbe", "movbe"),
        (r"rdpid", "rdpid"),
        (r"invpcid", "invpcid"),
        (r"(clac|stac)", "smap"),
        (r"clflushopt", "clflushopt"),
        (r"clwb", "clwb"),
        (r"(monitor|mwait)", "monitor"),
        (r"xsaves|xrstors", "xsaves"),
        (r"xsavec", "xsavec"),
        (r"vm(xon|call|launch|read|write|ptrld)", "vmx"),
    ),
    "aarch64": (
        (
            r"(cas|casp|swp|ld(add|clr|eor|set|smax|smin|umax|umin)|st(add|clr|eor|set|smax|smin|umax|umin))[abhl]*\b",
            "lse",
        ),
        (r"crc32", "crc32"),
        (r"(aes[dei]|aesmc|aesimc)", "aes"),
        (r"pmull", "pmull"),
        (r"sha1", "sha1"),
        (r"sha(256|512)", "sha2"),
        (r"ldapr", "rcpc"),
        (r"[su]dot", "dotprod"),
        (r"(irg|stg|ldg|stzg)\b", "mte"),
        (r"(mrs .*rndr)", "rng"),
        (r"(ptrue|whilel|rdvl|cnt[bhwd]\b|ld1[bhwd] +\{z|st1[bhwd] +\{z)", "sve"),
        (r"(pacia|autia|paciasp|autiasp|retaa|braa|blraa)", "pauth"),
    ),
    "riscv64": (
        (r"(vset|v[ls]e\d|v[a-z]+\.v)", "v"),
        (r"sh[123]add|add\.uw|slli\.uw", "zba"),
        (r"(andn|orn|xnor|clz|ctz|cpop|rol|ror|rev8|orc\.b|maxu?|minu?|sext\.[bh]|zext\.h)\b", "zbb"),
        (r"(bset|bclr|binv|bext)", "zbs"),
        (r"cbo\.zero", "zicboz"),
        (r"cbo\.", "zicbom"),
        (r"(lr|sc|amo\w+)\.", "a"),
        (r"f\w+\.d|fld|fsd|c\.f[ls]d", "d"),
        (r"f\w+\.s|flw|fsw", "f"),
        (r"(mul|div|rem)", "m"),
    ),
}
_APIC_MSRS = (0x1B, *range(0x800, 0x900))


def disabled_features(cpu: str) -> tuple[str, ...]:
    """Features that a -cpu text switches off by name: "-fsgsbase" and "fsgsbase=off"."""
    words = cpu.split(",")[1:]
    off = [w[1:] for w in words if w.startswith("-")]
    return tuple(off + [w.partition("=")[0] for w in words if w.endswith("=off")])


def feature_named_in(console: str) -> str:
    """The feature that a line of the console says is missing, "" if none does."""
    for line in console.splitlines():
        if _MISSING_FEATURE.search(line):
            for feature in FEATURES:
                if re.search(rf"(?<![a-z0-9]){feature}(?![a-z0-9])", line, re.I):
                    return feature
    return ""


def instruction_pointer_in(console: str) -> int | None:
    """The last instruction pointer that an exception message of the guest shows."""
    found = _POINTER.findall(console)
    return int(found[-1], 16) if found else None


# RISC-V's instructions that the disassembler shows as a number: (bits that count, their value, feature).
_BY_WORD = (
    (0x7F, 0x57, "v"),
    (0xFE00_0077, 0x2000_0033, "zba"),
    (0xFE00_7077, 0x6000_1013, "zbb"),
)


def feature_of_instruction(arch: str, text: str) -> str:
    """The CPU feature that an instruction belongs to, by its text; "" for one that every CPU of the kind has."""
    number = re.match(r"\.(?:4byte|word|insn\s+4,)\s+(0x[0-9a-f]+)", text)  # the last one from binutils 2.43 on
    if arch == "riscv64" and number:
        return next((word for mask, value, word in _BY_WORD if int(number[1], 16) & mask == value), "")
    return next((feature for pattern, feature in _BY_MNEMONIC[arch] if re.match(pattern, text)), "")


def feature_needed_by(code: bytes, ecx: int | None = None) -> tuple[str, str]:
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
