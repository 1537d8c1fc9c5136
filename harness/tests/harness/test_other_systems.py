# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What docs/other-systems.md says of systems other than Linux, as far as it can be checked on Linux."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from hermit_harness.paths import ROOT
from tests.support.cli import ctl

PAGE = (ROOT / "docs" / "other-systems.md").read_text(encoding="utf-8")
# Imports every module of the harness without the names that Python documents as Linux's.
IMPORT = """
import fcntl, importlib, os, pkgutil, select, signal, socket, sys
for module, names in {
    os: "eventfd memfd_create pidfd_open pipe2 posix_fallocate sched_getaffinity setns splice unshare O_PATH O_TMPFILE",
    select: "epoll EPOLLIN",
    socket: "AF_NETLINK AF_PACKET AF_VSOCK SCM_CREDENTIALS SOCK_CLOEXEC SOCK_NONBLOCK SO_BINDTODEVICE",
    signal: "pidfd_send_signal sigtimedwait sigwaitinfo SIGPWR SIGSTKFLT",
    fcntl: "F_ADD_SEALS F_OFD_SETLK F_SETPIPE_SZ",
}.items():
    for name in names.split():
        vars(module).pop(name, None)
sys.platform = "darwin"
import hermit_harness
for module in pkgutil.walk_packages(hermit_harness.__path__, "hermit_harness."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.requirement("M-04")
def test_modules_load_elsewhere() -> None:
    """No module needs Linux at import."""
    environment = {"PYTHONPATH": str(ROOT / "harness")}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) > 80
    assert "hermitctl run --dry-run APP" in section("macOS")


@pytest.mark.requirement("M-05")
def test_command_line_is_printed() -> None:
    """`run --dry-run` and `proxy --print` show what to type, with the files that it needs."""
    command = r"qemu-system-x86_64 .*-kernel \S*hermit-loader-x86_64-multiboot .*-initrd \S*hello"
    for words in (("run", "--dry-run"), ("proxy", "--print")):
        assert re.search(command, " ".join(ctl(*words, "hello").stdout.split()))
    assert "hermitctl run --dry-run APP" in section("Windows")


@pytest.mark.requirement("M-25", "M-30")
def test_taps_and_further_reading() -> None:
    """The page has its subjects."""
    for said in ("route add 10.0.5.3 10.0.5.1", "traceroute 10.0.5.3", "vmnet-shared"):
        assert said in section("macOS")
    for subject in ("playground", "tuntaposx", "QEMU: networks"):
        assert re.search(rf"\[.*{subject}.*\]\(https://", section("Further reading"))
