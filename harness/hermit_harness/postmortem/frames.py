# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A backtrace for a terminal: the application's own frames with their source lines, the others folded. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from hermit_harness.postmortem import cause

SHOWN_CPUS, SHOWN_FRAMES = 4, 12
# The crate of the kernel is called hermit in every release. A package of the registry is hermit-kernel-VERSION.
_KERNEL_FUNCTION = re.compile(r"^<*(&|dyn )*hermit::")
_KERNEL_FILE = re.compile(r"(^|/)hermit-kernel-[^/]+/")
_LIBRARY = re.compile(r"^<*(&|dyn )*(std|core|alloc)::")

Frame = dict[str, Any]


def is_kernels(frame: Frame) -> bool:
    """Return whether a frame is the kernel's, by the name of its function or file."""
    return bool(_KERNEL_FUNCTION.search(frame["function"]) or _KERNEL_FILE.search(frame["where"]))


def is_librarys(frame: Frame) -> bool:
    """Return whether a frame is of Rust's library or of a package of a registry."""
    return bool(_LIBRARY.search(frame["function"]) or cause.FOREIGN_ROOT.search(frame["where"]))


def is_own(frame: Frame) -> bool:
    """Return whether a frame is the application's."""
    return bool(frame["function"]) and not is_kernels(frame) and not is_librarys(frame)


def relative(path: str) -> str:
    """Return a path as it is named from the current directory, or from the user's, or without the place of registry and
    toolchain."""
    short, home = cause.without_root(path), f"{os.path.expanduser('~')}/"
    try:
        short = short.removeprefix(f"{Path.cwd()}/")
    except OSError:
        pass  # the current directory has been removed
    return f"~/{short.removeprefix(home)}" if home != "//" and short.startswith(home) else short


def title(cpu: Frame) -> str:
    return f"CPU {cpu['cpu']} at {cpu['pc']}" + (f", after an exception at {cpu['raised']}" if cpu["raised"] else "")


def row(number: int, frame: Frame, where: str = "") -> str:
    """Return the line of one frame."""
    return f"  #{number} {frame['pc']} {frame['function'] or '??'} {where or frame['where']}".rstrip()


def _shown(number: int, frame: Frame) -> list[str]:
    source, line = frame.get("source"), frame["where"].rpartition(":")[2]
    return [row(number, frame, relative(frame["where"])), *([f"     {line} | {source}"] if source else [])]


def _folded(frames: Sequence[Frame], what: str) -> str:
    return f"  … {len(frames)} frame{'s' * (len(frames) != 1)} {what}"


def is_panic_of_application(cpus: Sequence[Frame]) -> bool:
    """Return whether a function of the application called those by which a program panics."""
    for cpu in cpus:
        start = cause.panicking(cpu["frames"])
        callers = [frame for frame in cpu["frames"][start:] if is_own(frame) or is_kernels(frame)]
        if start and callers:
            return is_own(callers[0])
    return False


def _of_cpu(cpu: Frame, has_own: bool) -> list[str]:
    """Return the lines of one CPU. Without own frames anywhere the kernel's are what there is to see."""
    frames = cpu["frames"]
    start = cause.panicking(frames)
    lines = [title(cpu)] + ([_folded(frames[:start], "of the panic itself")] if start else [])
    if not has_own:
        shown = list(enumerate(frames))[start : start + SHOWN_FRAMES]
        lines += [line for number, frame in shown for line in _shown(number, frame)]
        rest = frames[start + SHOWN_FRAMES :]
        return lines + ([_folded(rest, "more")] if rest else [])
    number = start
    for own, group in groupby(frames[start:], is_own):
        run = list(group)
        stopped_here = number == start and not is_librarys(run[0])
        top = run[:SHOWN_FRAMES] if own else run[:stopped_here]
        lines += [line for at, frame in enumerate(top, number) for line in _shown(at, frame)]
        if run[len(top) :]:
            lines.append(_folded(run[len(top) :], "more" if own else "of kernel and library"))
        number += len(run)
    return lines


def source(cpus: Sequence[Frame]) -> str:
    """Return FILE:LINE of the innermost frame of the application; without one, of the kernel. "" if there is none."""
    frames = [frame for cpu in cpus for frame in cpu["frames"][cause.panicking(cpu["frames"]) :] if frame["where"]]
    chosen = [*filter(is_own, frames), *filter(is_kernels, frames)]
    return str(chosen[0]["where"]) if chosen else ""


def screen(cpus: Sequence[Frame]) -> list[str]:
    """Return the lines for a terminal: no more than a screen of all. `cpus` is GDB's report."""
    has_own = any(map(is_own, (frame for cpu in cpus for frame in cpu["frames"])))
    lines = [line for cpu in cpus[:SHOWN_CPUS] for line in _of_cpu(cpu, has_own)]
    return lines + ([f"({len(cpus) - SHOWN_CPUS} more CPUs)"] if len(cpus) > SHOWN_CPUS else [])
