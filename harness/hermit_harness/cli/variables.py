# SPDX-License-Identifier: Apache-2.0 OR MIT
"""HERMIT_* variables that a run does not use: a sentence for each, so that none is ignored in silence."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

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
    "CONFIG": "uhyve's configuration file is not read; `hermitctl options` lists the variables that are",
    "HUGEPAGE": "the host decides about large pages of the guest's memory",
    "MERGEABLE": "the host decides about equal pages of the guest's memory",
}
# Variables of the Makefiles and the scripts. make passes each NAME=VALUE of its command line on as HERMIT_NAME.
BUILD_VARIABLES = (
    "ACCEL_PROBE", "APP", "ARCH", "BASE", "BRIDGE", "CC", "CFLAGS", "CI", "CROSS_COMPILE", "EMBED_APP", "GDB",
    "HERMIT", "K", "LANE", "LOADER_LOG", "LOADER_PAD", "MISSING", "MTUNE", "NASM", "NETSETUP_INSIDE", "NETSETUP_STATE",
    "O", "PATHS", "POSTMORTEM", "PREPARED", "PYTHON", "RELEASE", "ROOT", "SESSION", "SETUP", "SRC", "SUITE",
    "TOOLCHAIN_BIN_DIR", "TREE", "TUN", "V", "YES",
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


def notes(environment: Mapping[str, str], command: str) -> list[str]:
    """Return a sentence for each variable that `command` (run, debug or proxy) does not use.

    Raise ValueError for one that asks for what there is not.
    """
    elsewhere = {**dict.fromkeys(_names(DEBUG_OPTIONS), "debug"), **dict.fromkeys(PROXY_VARIABLES, "proxy")}
    used = _names(OPTIONS) | {"ISLE", *KERNEL_VARIABLES, *BUILD_VARIABLES}
    used |= {name for name in elsewhere if command == "proxy" or elsewhere[name] == command}
    used |= {"PORT"} if command == "debug" else set()
    found = _conflicts(environment)
    for name, value in sorted(environment.items()):
        short = name[7:]
        if not name.upper().startswith("HERMIT_") or not value or short in used:
            continue
        if short in REFUSED | IGNORED | elsewhere:
            if not is_on(value):
                continue
            if short in REFUSED:
                raise ValueError(f"{name}={value}: {REFUSED[short]}")
            only = f"only `hermitctl {elsewhere.get(short)}` reads it"
            found.append(f"{name} is ignored: {IGNORED.get(short, only)}")
            continue
        similar = difflib.get_close_matches(short.upper(), (*used, *elsewhere), 1, 0.75)
        found.append(
            f"{name} is not known: did you mean HERMIT_{similar[0]}?"
            if similar
            else f"{name} is not known and is ignored; env={name}=VALUE as a kernel argument passes it to the guest"
        )
    return found
