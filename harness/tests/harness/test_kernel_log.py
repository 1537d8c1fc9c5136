# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Which lines of a console are the application's, by generation of kernels, however the bytes arrive."""

from __future__ import annotations

import pytest

from hermit_harness.fixtures import images
from hermit_harness.watch.kernel_log import KernelLog
from tests.support.cli import ctl

LOADER = "[LOADER][INFO] Hermit loader 0.1.0\n[LOADER][INFO] Loading kernel to 0x200000..0x283408\n"
GREEN = "\x1b[32mINFO\x1b[0m"
# Name: (the console, the application's part of it).
CONSOLES = {
    "until-0.6.9": (
        f"{LOADER}[0][INFO] Welcome to HermitCore-rs 0.3.54\nhello\n[0][WARN] no clock\n[0][INFO] Shutting down\n",
        "hello\n",
    ),
    "0.8": (
        f"[0][{GREEN}] Welcome to Hermit 0.8.0\nhello\n[0][{GREEN}] shutting down with code 0\n",
        "hello\n",
    ),
    "0.11": (
        f"{LOADER}[0][{GREEN}] Welcome to Hermit 0.11.0\n[0][{GREEN}] FDT:\n / {{\n}};\n"
        f"[0][{GREEN}] Jumping into application\nhello\n\nwith [0] and [x]\n"
        "Number of interrupts\n[0][Timer]: 3\nexit status 0\n",
        "hello\n\nwith [0] and [x]\n",
    ),
    "0.13": (
        f"[            ][0][{GREEN}  hermit    ] Welcome to Hermit 0.13.2\n continued\n"
        f"[    0.123456][0][{GREEN}  hermit    ] Jumping into application\r\nhello\r\n"
        f"[    1.5     ][3][\x1b[31mERROR\x1b[0m mm        ] no memory\nexit status 0\n",
        "hello\r\n",
    ),
    "exception": (
        f"[0][{GREEN}] Welcome to Hermit 0.11.0\n[0][{GREEN}] Jumping into application\nhello\n"
        "[0][ERROR] stack_frame = InterruptStackFrame {\n    stack_pointer: VirtAddr(\n        0x1,\n    ),\n}\nbye\n",
        "hello\nbye\n",
    ),
    # Without the kernel's log nothing says where the application begins.
    "quiet-kernel": ("hello\nexit status 0\n", "hello\n"),
    # What looks like the kernel's last line is not, if something follows.
    "forged-end": (
        "exit status 7\n\nNumber of interrupts\nhello\nexit status 0\n",
        "exit status 7\n\nNumber of interrupts\nhello\n",
    ),
    "unfinished-line": ("no newline hereexit status 0\n", "no newline here"),
    "logger-of-the-application": ("[INFO] mine\n[1] one\n[2024-01-01][INFO] x\n", None),
}


@pytest.mark.requirement("W-11")
@pytest.mark.parametrize("name", CONSOLES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_output_of_the_application(name: str, size: int) -> None:
    """Only the lines of loader and kernel are withheld, whatever the pieces in which they arrive."""
    console, expected = (text.encode() if text is not None else None for text in CONSOLES[name])
    assert console is not None
    log = KernelLog()
    shown = b"".join(log.feed(console[at : at + size]) for at in range(0, len(console), size)) + log.finish()
    assert shown == (console if expected is None else expected)
    assert len(shown) + log.withheld.total == len(console)


@pytest.mark.parametrize("prompt", [b"> ", b"name: ", b"[y/n]? ", b"[1] ", b"\x1b[1m$ "])
def test_prompt_is_not_held_back(prompt: bytes) -> None:
    """A prompt has no newline; an application waits for an answer."""
    assert KernelLog().feed(b"[0][INFO] x\n" + prompt) == prompt


@pytest.mark.parametrize("name", CONSOLES)
def test_all_lines_without_colours(name: str) -> None:
    """On request nothing is withheld, and only the kernel's lines lose their colours."""
    console = CONSOLES[name][0].encode() + b"\x1b[1mbold\x1b[0m\n"
    log = KernelLog(shows=True)
    shown = log.feed(console) + log.finish()
    assert shown.count(b"\n") == console.count(b"\n") and log.withheld.total == 0
    assert b"\x1b[32m" not in shown and shown.endswith(b"\x1b[1mbold\x1b[0m\n")


@pytest.mark.requirement("W-11")
def test_quiet_run_with_a_real_kernel() -> None:
    """--quiet shows what the application prints, and nothing else; a failed run shows the kernel's log on stderr."""
    done = ctl("run", "--quiet", "real-hello-0.11.0")
    lines = done.stdout.splitlines()
    assert lines[0] == images()["real-hello-0.11.0"].greeting and len(lines) == 4, done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    done = ctl("run", "--quiet", "real-exit-0.11.0", "--", 3)
    assert done.returncode == 3 and "[0][" not in done.stdout, done.stdout
    assert "[LOADER][INFO] Loading kernel" in done.stderr and "[0][INFO] Jumping into application\n" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("app exit 3 after ")


def test_no_color_of_a_whole_run() -> None:
    """NO_COLOR takes the kernel's colours; otherwise the console arrives byte for byte."""
    assert "[0][INFO] Welcome" in ctl("run", "real-hello-0.11.0", env={"NO_COLOR": "1"}).stdout
    assert "[0][\x1b[32mINFO\x1b[0m] Welcome" in ctl("run", "real-hello-0.11.0").stdout
