# SPDX-License-Identifier: Apache-2.0 OR MIT
"""HermitCore's proxy under its own name: its variables work as documented, with current applications."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pytest

from hermit_harness.cli import proxy
from hermit_harness.fixtures import images
from hermit_harness.net import pcap
from hermit_harness.net.netns import NetworkNamespace
from tests.support import cli
from tests.support.cli import hermitctl

PROXY = Path(sys.prefix) / "bin" / "proxy"
QUICKLY = {"HERMIT_KVM": "0", "HERMIT_MEM": "512M"}
BY_NIC = "real-echo-0.11.0-rtl8139"
start = partial(hermitctl, program=(str(PROXY),))


def file_of(name: str) -> str:
    return str(images()[name].path)


def run(*words: str, before: Sequence[str] = (), **variables: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with variables without their prefix HERMIT_."""
    given = {f"HERMIT_{name}": value for name, value in variables.items()}
    return subprocess.run(
        [*before, str(PROXY), *words], capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL, env={**os.environ, **given},
    )  # fmt: skip


def answer(peer: socket.socket, until: bytes) -> bytes:
    """Return the received bytes up to and including these."""
    peer.settimeout(30)
    said = b""
    while until not in said:
        more = peer.recv(4096)
        assert more, said
        said += more
    return said


def echo(client: socket.socket, data: bytes = b"by the proxy") -> None:
    with client:
        client.sendall(data)
        assert answer(client, data) == data


@pytest.mark.requirement("C-16", "C-24", "C-28")
def test_line_of_its_manual(lab: NetworkNamespace) -> None:
    """The manual's line for a tap works verbatim in the directory above bin/; the guest answers ping and its port."""
    lab.script("tap", "up", "tap100")
    line = (
        'HERMIT_ISLE=uhyve HERMIT_IP="10.0.5.3" HERMIT_GATEWAY="10.0.5.1" HERMIT_MASK="255.255.255.0" '
        f"HERMIT_NETIF=tap100 exec bin/proxy {file_of('real-echo-0.11.0')}"
    )
    shell = ("env", "-C", sys.prefix, "sh", "-c", line)
    with hermitctl(before=lab.enter_command, variables={"HERMIT_KVM": "0"}, program=shell) as (_, line_with):
        assert "10.0.5.3:8080" in line_with("the guest listens")
        lab.run("ping", "-c", "1", "-W", "10", "10.0.5.3")


@pytest.mark.requirement("C-29", "C-30", "C-38", "C-40", "C-41", "C-42", "C-43")
def test_nic_and_ports_under_qemu(lab: NetworkNamespace, tmp_path: Path) -> None:
    """HERMIT_ISLE=qemu gives an RTL8139 and the application's port.

    The monitor is at the proxy's port plus one, and the capture is in the current directory. The unused port of the
    former protocol causes no error.
    """
    given = {"HERMIT_ISLE": "qemu", "HERMIT_APP_PORT": "8080", "HERMIT_PORT": "20000"}
    given |= {"HERMIT_MONITOR": "1", "HERMIT_CAPTURE_NET": "1", **QUICKLY}
    shell = ("env", "-C", str(tmp_path), str(PROXY))
    with hermitctl(file_of(BY_NIC), before=lab.enter_command, variables=given, program=shell) as (process, line_with):
        assert line_with("monitor").endswith("telnet 127.0.0.1 20001")
        assert "127.0.0.1:8080" in line_with("the guest listens")
        with lab.socket() as monitor:
            monitor.connect(("127.0.0.1", 20001))
            monitor.sendall(b"info status\ninfo network\ninfo usernet\n")
            said = answer(monitor, b" 20000 ")
        assert b"VM status: running" in said and b"model=rtl8139" in said
        client = lab.socket()
        client.connect(("127.0.0.1", 8080))
        echo(client)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        rest = process.stderr.read()
        assert "20000" not in rest and "step" not in rest, rest
    capture = tmp_path / proxy.CAPTURE
    assert "captured: tcpdump" in rest
    assert pcap.tcpdump(capture, "tcp port 8080") and pcap.tcpdump(capture, "udp port 67")


@pytest.mark.requirement("C-33")
@pytest.mark.parametrize(("value", "opens"), [("1", True), ("0", False), ("", False)], ids=["on", "off", "empty"])
def test_port_for_gdb(value: str, opens: bool, lab: NetworkNamespace) -> None:
    """HERMIT_DEBUG=1 opens GDB's port, or the next free one; 0 and unset do not."""
    taken = lab.socket()
    taken.bind(("127.0.0.1", 1234))
    taken.listen()
    variables = {"HERMIT_DEBUG": value, "HERMIT_NETIF": "tap10", **QUICKLY}
    lab.script("tap", "up", "tap10")
    with (
        taken,
        start(file_of("real-echo-0.11.0"), before=lab.enter_command, variables=variables) as (process, line_with),
    ):
        if opens:
            assert line_with("GDB may connect").endswith("127.0.0.1:1235")
            gdb = lab.socket()
            gdb.connect(("127.0.0.1", 1235))
            with gdb:
                gdb.sendall(b"$?#3f")
                assert answer(gdb, b"#").startswith(b"+$T")
        else:
            line_with("the guest listens")
            os.killpg(process.pid, signal.SIGINT)
            assert process.stderr is not None
            assert "GDB" not in process.stderr.read()


@pytest.mark.requirement("C-12", "C-21")
def test_arguments_status_and_cpus() -> None:
    done = run(file_of("args"), "one", "two words", KVM="0", NETIF="", ISLE="uhyve")
    assert "two words" in done.stdout and done.returncode == 0, done.stderr
    assert run(file_of("exit"), "7", KVM="0", ISLE="uhyve").returncode == 7
    done = run(file_of("real-hello-0.11.0"), KVM="0", ISLE="uhyve", CPUS="4")
    assert re.search(r"^CPUs: 4,", done.stdout, re.M), done.stdout


@pytest.mark.requirement("C-39")
def test_kernel_log_after_the_application() -> None:
    """HERMIT_VERBOSE=1 shows the kernel's log when the application has ended, also after a panic."""
    for image, status in (("real-hello-0.11.0", 0), ("real-panic-0.11.0", 1)):
        done = cli.ctl("proxy", image, env={"HERMIT_ISLE": "uhyve", "HERMIT_KVM": "0", "HERMIT_VERBOSE": "1"})
        output, heading, log = done.stdout.partition("Dump kernel log:\n")
        assert (done.returncode, heading != "") == (status, True), done.stderr
        assert output and "INFO" not in output and "[LOADER]" not in output
        assert log.startswith("[LOADER][INFO] ") and "Jumping into application" in log


@pytest.mark.requirement("C-22", "C-25", "CX-01", "CX-15")
def test_qemu_options(lab: NetworkNamespace) -> None:
    """--print shows its defaults; uhyve's differ."""

    def line(**variables: str) -> str:
        done = run("--print", file_of("hello"), before=lab.enter_command, **{"KVM": "0", **variables})
        assert ("QEMU runs the guest anyway" in done.stderr) == (variables.get("ISLE") == "uhyve")
        return done.stdout

    own = line()
    for words in (
        "-smp 1",
        "-m 2G",
        f"hostfwd=tcp:127.0.0.1:{proxy.PORT}-:{proxy.PORT}",
        "-device rtl8139",
        "-accel tcg",
    ):
        assert words in own
    uhyves = line(ISLE="uhyve")
    assert "-m 512M" in uhyves and "netdev" not in uhyves
    for size in ("512M", "6G", "1.5G", "64", "512m"):
        assert f"-m {size} " in line(MEM=size)
    several = line(APP_PORT="8080,9975", NIC="virtio")
    assert "8080-:8080" in several and "9975-:9975" in several and "virtio-net-pci" in several


@pytest.mark.requirement("C-40")
def test_variables_of_hermitctl_run(lab: NetworkNamespace) -> None:
    """Variables of `hermitctl run` override the proxy's defaults; a tap is captured as well."""
    lab.script("tap", "up", "tap10")
    for given, shown, hidden in (
        ({"NETIF": "tap10", "CAPTURE_NET": "1"}, ("ifname=tap10", f"/{proxy.CAPTURE} "), "hostfwd"),
        ({"NET": "none"}, ("-m 2G",), "netdev"),
        ({"FORWARD": "8081:8081"}, ("8081-:8081", f"{proxy.PORT}-:{proxy.PORT}"), "virtio"),
        ({"ACCEL": "tcg", "KVM": ""}, ("-accel tcg",), "kvm"),
        ({"MEMORY_SIZE": "64M"}, ("-m 64M ",), "2G"),
        ({"MONITOR": "no"}, ("-m 2G",), "telnet"),
        ({"TARGET": "riscv64-sbi", "KVM": ""}, ("-accel tcg", "riscv64"), "kvm"),
    ):
        line = run("--print", "hello", before=lab.enter_command, **{"KVM": "0", **given}).stdout
        assert all(words in line for words in shown) and hidden not in line, line


@pytest.mark.requirement("C-02", "C-21", "C-22", "C-27", "C-30")
@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ISLE", "3", "need a patched Linux kernel; known: qemu, uhyve"),
        ("ISLE", "xen", "known: qemu, uhyve"),
        ("MEM", "0", "a size is a number with M or G, such as 512M"),
        ("MEM", "12Q", "a size is a number with M or G"),
        ("CPUS", "3-5", "wants a number, not '3-5'"),
        ("CPUS", "0", "1 is the least"),
        ("PORT", "0", "a port is a number from 1 to 65534"),
        ("PORT", "65535", "a port is a number from 1 to 65534"),
        ("PORT", "eighty", "a port is a number from 1 to 65534"),
        ("APP_PORT", "80,x", "a port is a number from 1 to 65534"),
        ("NETIF", "no-such-tap", "netsetup/tap up no-such-tap"),
    ],
)
def test_invalid_values(name: str, value: str, sentence: str) -> None:
    """Each is one sentence, with exit status 125."""
    done = run("--print", file_of("hello"), KVM="0", **{name: value})
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert sentence in done.stderr and value.split(",")[-1] in done.stderr


@pytest.mark.requirement("C-43")
def test_port_of_the_monitor_is_taken() -> None:
    """One line reports the conflict."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--print", file_of("hello"), KVM="0", MONITOR="1", PORT=str(port - 1))
    assert done.stderr == f"hermitctl: HERMIT_MONITOR: port {port} of 127.0.0.1: Address already in use\n"
    assert done.returncode == 125


@pytest.mark.requirement("C-18", "C-37")
@pytest.mark.parametrize(
    ("environment", "arch", "problem", "accel", "said"),
    [
        ({}, os.uname().machine, "", "kvm", ""),
        ({}, os.uname().machine, "no such device", "tcg", "hermitctl: without KVM: no such device\n"),
        ({"HERMIT_KVM": "0"}, os.uname().machine, "", "tcg", ""),
        ({}, "riscv64", "", "tcg", "hermitctl: without KVM: riscv64 is not this machine's processor"),
    ],
    ids=["there", "missing", "forbidden", "other-cpu"],
)
def test_kvm_if_available(
    environment: Mapping[str, str], arch: str, problem: str, accel: str, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """KVM is used if it opens, otherwise a line gives the reason; HERMIT_KVM=0 disables it."""
    monkeypatch.setattr(proxy, "kvm_problem", lambda: problem)
    assert proxy.accelerator(environment, arch) == ["--accel", accel]
    err = capsys.readouterr().err
    assert err.startswith(said) and bool(err) == bool(said)


@pytest.mark.requirement("C-37")
@pytest.mark.parametrize("feature", ["fsgsbase", "rdtscp", "xsave", "fxsr"])
def test_cpu_without_kvm(feature: str) -> None:
    """With HERMIT_KVM=0 the CPU model has what kernels need: an application executes its instructions."""
    done = run(file_of("fault"), feature, KVM="0", NET="none")
    assert done.returncode == 0, done.stderr
    assert f"fault: {feature}" in done.stdout
    assert "without KVM" not in done.stderr
