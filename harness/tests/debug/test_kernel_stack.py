# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Backtraces from a function that runs on the kernel's stack to the application that called it."""

from __future__ import annotations

import re
import subprocess

import pytest

from hermit_harness.paths import BUILD

HERMITCTL = BUILD / "venv" / "bin" / "hermitctl"
TARGETS = ["x86_64-multiboot", "aarch64-elf", "aarch64_be-elf", "riscv64-sbi"]
SWITCHES = {
    "x86_64-multiboot": ["call_with_stack", "on_kernel_stack"],
    "aarch64-elf": ["call_with_kernel_stack", "kernel_function", "on_kernel_stack"],
    "aarch64_be-elf": ["call_with_kernel_stack", "kernel_function", "on_kernel_stack"],
    "riscv64-sbi": [],  # its kernels do not switch
}
CALLERS = ["app_main", "crt_entry", "_start"]


def hermitctl(*words: str) -> str:
    """Return the output of a command, whatever its status."""
    done = subprocess.run(
        [str(HERMITCTL), *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=240
    )
    return done.stdout + done.stderr


def functions(text: str) -> list[str]:
    """Return the functions of a backtrace, from `fail` on: of GDB's and of the report's."""
    names = re.findall(r"^ *#\d+ +(?:0x\w+ )?(?:in )?(\w+)", text, re.M)
    return names[names.index("fail") :]


@pytest.mark.requirement("L-30")
@pytest.mark.parametrize("target", TARGETS)
def test_debug(target: str) -> None:
    words = ("--isolate", "--batch", "--target", target, "--break", "fail", "--command", "bt", "--command", "up")
    text = hermitctl("debug", *words, "panic", "--", "kernel-stack")
    expected = ["fail", *SWITCHES[target], *CALLERS]
    assert functions(text)[: len(expected)] == expected, text
    assert re.search(rf"^#1 .* in {expected[1]} \(", text.rpartition("_start")[2], re.M), text


@pytest.mark.parametrize("target", TARGETS[:3])  # riscv64: QEMU ends with the panic
def test_report_of_run(target: str) -> None:
    text = hermitctl("run", "--isolate", "--target", target, "panic", "--", "kernel-stack")
    assert functions(text) == ["fail", *SWITCHES[target], *CALLERS], text
    assert re.search(r"panicked at 0x\w+ in fail \(fixtures/bare/panic/panic\.c:\d+\)", text), text


@pytest.mark.requirement("P-06")
@pytest.mark.parametrize("target", ["x86_64-multiboot", "aarch64-elf"])  # QEMU cannot go backwards on riscv64
def test_backwards(target: str) -> None:
    """At the end of a recorded run, and in a function before."""
    commands = ("bt", "hbreak on_kernel_stack", "hbreak fail", "reverse-continue", "bt")
    words = [word for command in commands for word in ("--command", command)]
    text = hermitctl(
        "debug", "--isolate", "--reverse", "--batch", "--target", target, *words, "panic", "--", "kernel-stack"
    )
    end, _, back = text.partition("breakpoint 1 at")
    expected = ["fail", *SWITCHES[target], *CALLERS]
    assert functions(end)[-len(expected) :] == expected, text
    assert functions(back) == expected, text
