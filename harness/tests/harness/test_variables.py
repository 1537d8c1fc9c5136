# SPDX-License-Identifier: Apache-2.0 OR MIT
"""HERMIT_* variables: each is used, or one sentence says that it is not."""

from __future__ import annotations

import re
import subprocess

import pytest

from hermit_harness.cli.variables import BUILD_VARIABLES, IGNORED, PROXY_VARIABLES, REFUSED, is_one_edit, rest
from hermit_harness.fixtures import images
from hermit_harness.net.guest_network import KERNEL_VARIABLES
from hermit_harness.options import DEBUG_OPTIONS, OPTIONS
from hermit_harness.paths import ROOT
from tests.support.cli import ctl


@pytest.mark.requirement("C-26", "C-44")
@pytest.mark.parametrize(
    ("name", "meant"), [("MACHIN", "MACHINE"), ("FORWRAD", "FORWARD"), ("GATEWY", "GATEWAY"), ("MASk", "MASK")]
)
def test_mistyped_names(name: str, meant: str) -> None:
    said = f"HERMIT_{name} is passed to the kernel; did you mean HERMIT_{meant}?"
    assert rest({f"HERMIT_{name}": "1"}, "run") == ([said], [f"env=HERMIT_{name}=1"])


@pytest.mark.requirement("C-44", "N-18")
def test_other_names_reach_the_kernel() -> None:
    """A variable that is not used here is in the application's environment, and a line names it."""
    given = {"HERMIT_UNHEARD": "two words", "OTHER": "1", "HERMIT_EMPTY": ""}
    assert rest(given, "run") == (["HERMIT_UNHEARD is passed to the kernel"], ["'env=HERMIT_UNHEARD=two words'"])
    done = ctl("run", "real-env-0.11.0", env=given)
    assert "=HERMIT_UNHEARD=two words" in done.stdout and "OTHER" not in done.stdout, done.stderr
    assert "hermitctl: HERMIT_UNHEARD is passed to the kernel\n" in done.stderr


def test_one_edit() -> None:
    """One character more, fewer, other or exchanged; no further ones."""
    for text in ("MACHIN", "MACHINES", "MACHIME", "MACHNIE", "ACHINE", "MACHINE"):
        assert is_one_edit(text, "MACHINE") and is_one_edit("MACHINE", text), text
    for text in ("MACHI", "MACHINEXY", "NACHIME", "CAMHINE", "MNCHIAE", ""):
        assert not is_one_edit(text, "MACHINE"), text


def test_used_names_are_not_reported() -> None:
    """Options, the kernel's variables, and those that make passes on need no sentence."""
    used = [*(name for row in OPTIONS for name in (row.name, *row.aliases)), *KERNEL_VARIABLES, *BUILD_VARIABLES]
    assert rest({f"HERMIT_{name}": "1" for name in used}, "run") == ([], [])
    assert rest({f"HERMIT_{name}": "1" for name in (*used, *PROXY_VARIABLES)}, "proxy") == ([], [])
    assert rest({f"HERMIT_{row.name}": "1" for row in DEBUG_OPTIONS}, "debug") == ([], [])


def test_variables_of_makefiles() -> None:
    """Each variable that a Makefile lets its caller set is in the list."""
    settable = set()
    for file in (ROOT / "Makefile", ROOT / "loader/loader.mk", *(ROOT / "fixtures").rglob("*.mk")):
        settable |= set(re.findall(r"^([A-Z_]+) *\?=", file.read_text(encoding="utf-8"), re.M))
    assert settable
    assert rest({f"HERMIT_{name}": "1" for name in settable}, "run") == ([], [])


@pytest.mark.requirement("C-44")
def test_variables_of_another_command() -> None:
    """A variable of `debug` or `proxy` does nothing in `run`, which says so; one that is off needs no sentence."""
    assert rest({"HERMIT_MONITOR": "1"}, "run") == (["HERMIT_MONITOR is ignored: only `hermitctl proxy` reads it"], [])
    assert rest({"HERMIT_BREAK": "main"}, "run") == (["HERMIT_BREAK is ignored: only `hermitctl debug` reads it"], [])
    assert rest({"HERMIT_MONITOR": "0"}, "run") == ([], [])


@pytest.mark.requirement("N-24")
def test_conflicting_names() -> None:
    """If two runners' names for one option differ, a sentence says which counts."""
    given = {"HERMIT_SMP": "4", "HERMIT_CPUS": "2", "HERMIT_CPU_COUNT": "4"}
    assert rest(given, "run") == (["HERMIT_CPUS=2 is ignored: HERMIT_SMP=4 takes precedence"], [])
    assert "-smp 4" in ctl("run", "--dry-run", "hello", env=given).stdout


@pytest.mark.requirement("CX-18", "N-24")
@pytest.mark.parametrize("name", [*REFUSED, *IGNORED])
def test_variables_of_other_vmms(name: str) -> None:
    """What other VMMs can do and this one cannot is refused by name; what changes nothing is named."""
    done = ctl("run", "--dry-run", "hello", env={f"HERMIT_{name}": "1"})
    assert done.returncode == (125 if name in REFUSED else 0)
    (line,) = done.stderr.splitlines()
    assert f"HERMIT_{name}" in line and (REFUSED | IGNORED)[name] in line


def test_mac_address_by_variable() -> None:
    """HERMIT_NETIF_MAC is the NIC's address."""
    done = ctl("run", "--dry-run", "--net=user", "hello", env={"HERMIT_NETIF_MAC": "52:54:00:00:00:07"})
    assert "mac=52:54:00:00:00:07" in done.stdout
    done = ctl("run", "--dry-run", "--net=user", "hello", env={"HERMIT_NETIF_MAC": "52:54"})
    assert (done.returncode, "'52:54' is not a MAC address" in done.stderr) == (125, True)


@pytest.mark.requirement("W-11", "CX-08")
@pytest.mark.parametrize("words", [("-v",), ("--verbose",), ()])
def test_verbose(words: tuple[str, ...]) -> None:
    """-v and HERMIT_VERBOSE=1 print the QEMU command line, which boots when it is pasted, before the run."""
    env = {} if words else {"HERMIT_VERBOSE": "1"}
    done = ctl("run", *words, "exit", "--", 7, env=env)
    assert done.returncode == 7
    command, _, rest = done.stderr.partition("\nhermitctl: artifacts: ")
    assert rest.startswith(f"{ROOT}/build/report/runs/2")
    pasted = subprocess.run(["sh", "-c", command], capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert b"exit status 7" in pasted.stdout
    quiet = ctl("run", "exit", "--", 7)
    assert "-kernel" not in quiet.stderr
    assert "[LOADER]" in quiet.stdout and "exit status 7" in quiet.stdout


@pytest.mark.requirement("N-24")
def test_port_for_gdb() -> None:
    """HERMIT_GDB_PORT opens a port for GDB, as with uhyve; a wrong number is one sentence."""
    done = ctl("run", "hello", env={"HERMIT_GDB_PORT": "46677"})
    assert re.search(r"^hermitctl: GDB may connect to 127\.0\.0\.1:466\d\d$", done.stderr, re.M)
    assert images()["hello"].greeting in done.stdout
    wrong = ctl("run", "hello", env={"HERMIT_GDB_PORT": "many"})
    assert (wrong.returncode, wrong.stderr.count("\n")) == (125, 1)
    assert "--gdb-port wants a number from 1 to 65535" in wrong.stderr
