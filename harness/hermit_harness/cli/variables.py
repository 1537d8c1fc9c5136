# SPDX-License-Identifier: Apache-2.0 OR MIT
"""HERMIT_* variables that a run does not use itself: the kernel's, and a sentence for each of the others."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping
from typing import NamedTuple

from hermit_harness.net.guest_network import KERNEL_VARIABLES
from hermit_harness.options import DEBUG_OPTIONS, OPTIONS, Option, is_on

# Variables of `hermitctl proxy` alone (cli/proxy.py).
PROXY_VARIABLES = ("KVM", "PORT", "APP_PORT", "MONITOR", "CAPTURE_NET")
# Variables of other VMMs that ask for what there is not: a run that ignored them would not be what was asked for.
REFUSED = {
    **dict.fromkeys(("CHECKPOINT", "FULLCHECKPOINT"), "there are no checkpoints; --reverse of `debug` records a run"),
    **dict.fromkeys(
        ("MIGRATION_SERVER", "MIGRATION_SUPPORT", "MIGRATION_PARAMS", "MIGRATION_TYPE"),
        "a guest cannot be migrated",
    ),
}
# Variables of other VMMs without which the guest does the same.
IGNORED = {
    "HUGEPAGE": "the host decides about large pages of the guest's memory",
    "MERGEABLE": "the host decides about equal pages of the guest's memory",
}
# Variables of the Makefiles and the scripts. make passes each NAME=VALUE of its command line on as HERMIT_NAME.
BUILD_VARIABLES = (
    "ACCEL_PROBE", "APP", "ARCH", "BASE", "BRIDGE", "CC", "CFLAGS", "CI", "CROSS_COMPILE", "EMBED_APP", "GDB",
    "HERMIT", "K", "LANE", "LOADER_LOG", "LOADER_PAD", "MISSING", "MTUNE", "NASM", "NETSETUP_INSIDE", "NETSETUP_STATE",
    "O", "PATHS", "POSTMORTEM", "PREPARED", "PYTHON", "RELEASE", "ROOT", "SESSION", "SETUP", "SRC", "SUITE",
    "TIME", "TOOLCHAIN_BIN_DIR", "TREE", "TUN", "V", "YES",
)  # fmt: skip


def _names(rows: Collection[Option]) -> set[str]:
    return {name for row in rows for name in (row.name, *row.aliases)}


def _conflicts(environment: Mapping[str, str]) -> list[str]:
    """Return a sentence for each option that two variables give different values."""
    found = []
    for row in OPTIONS:
        given = [(name, environment[name]) for name in row.envs if environment.get(name)]
        for name, value in given[1:]:
            if value != given[0][1]:
                found.append(f"{name}={value} is ignored: {given[0][0]}={given[0][1]} takes precedence")
    return found


class Rest(NamedTuple):
    """A sentence for each variable that needs one, and words that pass the kernel those that are not ours."""

    notes: list[str]
    kernel_words: list[str]


def rest(environment: Mapping[str, str], command: str) -> Rest:
    """Divide the variables that `command` (run, debug or proxy) does not use.

    Raise ValueError for one that asks for what there is not.
    """
    elsewhere = {**dict.fromkeys(_names(DEBUG_OPTIONS), "debug"), **dict.fromkeys(PROXY_VARIABLES, "proxy")}
    used = _names(OPTIONS) | {"CONFIG", "ISLE", *KERNEL_VARIABLES, *BUILD_VARIABLES}
    used |= {name for name in elsewhere if command == "proxy" or elsewhere[name] == command}
    used |= {"PORT"} if command == "debug" else set()
    found, words = _conflicts(environment), []
    for name, value in sorted(environment.items()):
        short = name[7:]
        if not name.startswith("HERMIT_") or not value or short in used:
            continue
        if short in REFUSED | IGNORED | elsewhere:
            if not is_on(value):
                continue
            if short in REFUSED:
                raise ValueError(f"{name}={value}: {REFUSED[short]}")
            only = f"only `hermitctl {elsewhere.get(short)}` reads it"
            found.append(f"{name} is ignored: {IGNORED.get(short, only)}")
            continue
        meant = next((own for own in sorted({*used, *elsewhere}) if is_one_edit(short.upper(), own)), "")
        found.append(f"{name} is passed to the kernel" + (f"; did you mean HERMIT_{meant}?" if meant else ""))
        words.append(shlex.quote(f"env={name}={value}"))
    return Rest(found, words)


def is_one_edit(text: str, other: str) -> bool:
    """Whether at most one character is missing, added, another, or has changed its place with the next one."""
    longer, shorter = (text, other) if len(text) >= len(other) else (other, text)
    at = next((i for i, pair in enumerate(zip(longer, shorter, strict=False)) if pair[0] != pair[1]), len(shorter))
    if len(longer) > len(shorter):
        return longer[at + 1 :] == shorter[at:]
    swapped = longer[at : at + 2] == shorter[at : at + 2][::-1]
    return longer[at + 1 :] == shorter[at + 1 :] or (swapped and longer[at + 2 :] == shorter[at + 2 :])
