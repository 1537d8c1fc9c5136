# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`hermitctl run` with a network: options, messages, and what reaches the guest."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.net import guest_network, pcap
from hermit_harness.net.netns import NETSETUP, NetworkNamespace
from hermit_harness.vm.host import namespace_remedy
from tests.support import cli
from tests.support.cli import hermitctl

ECHO, BY_DHCP = "real-echo-0.11.0", "real-echo-0.11.0-dhcp"


@pytest.mark.requirement("L-44", "W-24")
def test_run_reports_when_the_guest_listens() -> None:
    """One line appears when the guest answers. The named namespace is the guest's, and ends with the program."""
    with hermitctl("--net", "tap", "--isolate", ECHO) as (process, line_with):
        enter = re.findall(r"to enter it: (nsenter .*) sh$", line_with("has its own network namespace"))[0].split()
        assert "vhost" in line_with("vhost=")
        assert re.search(r"the guest listens: 10\.0\.5\.3:8080, \d+ ms after its start$", line_with("listens"))
        subprocess.run([*enter, "ping", "-c", "1", "-W", "10", "10.0.5.3"], check=True, capture_output=True, timeout=30)
        holder = enter[enter.index("--target") + 1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert not os.path.exists(f"/proc/{holder}/ns/net")


def test_waiting_for_a_missing_line_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The helper for these tests has a time limit, even if the guest keeps running."""
    monkeypatch.setattr(cli, "MAX_SECONDS", 3.0)
    with hermitctl("--machine", "microvm", "liar-spin") as (_, line_with), pytest.raises(AssertionError):
        line_with("the guest listens")


@pytest.mark.requirement("C-25", "C-27", "C-28", "M-29")
def test_run_by_variables() -> None:
    """HERMIT_NETIF enables the network; HERMIT_IP and similar variables reach the guest."""
    variables = {"HERMIT_NETIF": "tap100", "HERMIT_IP": "10.0.5.9", "HERMIT_GATEWAY": "10.0.5.2"}
    with hermitctl("--isolate", ECHO, variables=variables) as (_, line_with):
        assert "10.0.5.9:8080" in line_with("the guest listens")


@pytest.mark.requirement("C-24", "C-25", "C-28")
@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({"HERMIT_IP": "10.0.5.3", "HERMIT_GATEWAY": "10.0.5.1", "HERMIT_MASK": "255.255.255.0"}, "10.0.5.3"),
        ({}, "10.0.5.2"),
    ],
    ids=["as-written", "default"],
)
def test_variables_of_the_proxy(given: dict[str, str], address: str, lab: NetworkNamespace) -> None:
    """The guest answers ping on an existing tap at the given address, or at uhyve's with HERMIT_ISLE=uhyve."""
    lab.script("tap", "up", "tap100")
    variables = {"HERMIT_ISLE": "uhyve", "HERMIT_NETIF": "tap100", **given}
    with hermitctl(ECHO, before=lab.enter_command, variables=variables) as (_, line_with):
        assert "QEMU runs the guest anyway" in line_with("HERMIT_ISLE=uhyve")
        assert f"{address}:8080" in line_with("the guest listens")
        lab.run("ping", "-c", "1", "-W", "10", address)


@pytest.mark.requirement("L-42", "N-18", "W-13")
def test_every_kernel_variable_reaches_the_kernel() -> None:
    """The guest gets the kernel's variables and those that are unknown, but none of hermitctl."""
    given = {f"HERMIT_{name}": "10.0.5.9" for name in guest_network.ADDRESS_VARIABLES}
    given |= {
        f"HERMIT_{name}": f"a 'b' {name}"
        for name in guest_network.KERNEL_VARIABLES
        if name not in guest_network.ADDRESS_VARIABLES
    }
    given |= {"UHYVE_MOUNT": "/here", "HERMIT_SOMETHING": "else"}
    own = {"HERMIT_MEM": "96M", "HERMIT_SMP": "1"}
    argv = [sys.executable, "-m", "hermit_harness", "run", "real-env-0.11.0"]
    here = {name: value for name, value in os.environ.items() if not name.startswith("HERMIT_")}
    here |= given | own
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120, env=here)
    seen = dict(re.findall(r"env\[\d+\]=((?:HERMIT|UHYVE)_\w+)=(.*)", done.stdout))
    assert {name: value.replace("\\'", "'") for name, value in seen.items()} == given


@pytest.mark.requirement("N-18", "M-20")
def test_mtu_variable() -> None:
    """The kernel uses HERMIT_MTU as its NIC's largest frame."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--net", "tap", "--isolate", "--timeout", "3", ECHO]
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, "HERMIT_MTU": "1400"}
    )
    assert "MTU: 1400 bytes" in done.stdout, done.stderr


def test_deadline_of_a_server() -> None:
    """A server that runs at its deadline did not hang.

    There are no registers, but a hint how to disable the deadline.
    """
    with hermitctl("--net", "tap", "--isolate", "--timeout", "5", ECHO) as (process, line_with):
        line_with("the guest listens")
        assert re.search(r"still serving after \d+\.\d s .*: TCP port 8080 is open$", line_with("hermitctl: still"))
        line_with("hint: without --timeout it runs until Ctrl-C")
        assert process.stderr is not None
        rest = process.stderr.read()
        assert "CPU 0" not in rest and rest.splitlines()[-1].startswith("timeout after "), rest
        assert process.wait(60) == 124


def test_run_reports_the_failed_step() -> None:
    """The doctor's finding appears if the application ended without listening."""
    words = ("--net", "tap", "--nic", "virtio-transitional", "--isolate", ECHO)
    with hermitctl(*words) as (process, line_with):
        assert "has no driver for this NIC" in line_with("network, step driver")
        assert process.wait(60) == 1


@pytest.mark.requirement("C-27")
def test_missing_tap_names_the_command() -> None:
    """One line names the command that creates the tap."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--netif", "no-such-tap", ECHO]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 125
    assert done.stderr == (
        "hermitctl: no interface no-such-tap: sudo netsetup/tap up no-such-tap --user $USER creates it; "
        "--isolate needs neither\n"
    )


@pytest.mark.requirement("C-27")
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a b", "not an interface name: 1 to 15 letters, digits, . _ -"),
        ("sixteen-letters-", "not an interface name: 1 to 15 letters, digits, . _ -"),
    ],
)
@pytest.mark.parametrize("isolate", [(), ("--isolate",)], ids=["existing", "isolated"])
def test_name_that_no_interface_has(name: str, sentence: str, isolate: tuple[str, ...]) -> None:
    """The sentence says what is wrong with the name; a command that would refuse the same name is no remedy."""
    argv = [sys.executable, "-m", "hermit_harness", "run", *isolate, ECHO]
    here = {**os.environ, "HERMIT_NETIF": name}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=here)
    assert (done.returncode, done.stderr) == (125, f"hermitctl: NETIF={name}: {sentence}\n")


# Opens tap10 and runs a command with it as descriptor 9.
WITH_TAP = """
import fcntl, os, struct, sys
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454CA, struct.pack("16sH22x", b"tap10", 0x1002 | int(sys.argv[1], 16)))
os.dup2(tap, 9)
os.execvp(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.requirement("CX-17")
def test_tap_by_descriptor(lab: NetworkNamespace) -> None:
    """HERMIT_NETIF=@9 is the tap that descriptor 9 has open; the guest has the MAC address of HERMIT_NETIF_MAC."""
    lab.script("tap", "up")
    opened = (*lab.enter_command, sys.executable, "-c", WITH_TAP)
    variables = {"HERMIT_NETIF": "@9", "HERMIT_NETIF_MAC": "52:54:00:00:00:09"}
    # IFF_VNET_HDR: QEMU would let the kernel request checksum offload
    done = cli.ctl("run", ECHO, before=(*opened, "4000"), env=variables)
    assert (done.returncode, done.stderr) == (
        125, "hermitctl: NETIF=@9: a tap needs the flags IFF_TAP and IFF_NO_PI, without IFF_VNET_HDR\n"
    )  # fmt: skip
    with hermitctl(ECHO, before=(*opened, "0"), variables=variables) as (_, line_with):
        assert "10.0.5.3:8080" in line_with("hermitctl: the guest")
        assert lab.run("ping", "-c", "1", "-W", "10", "10.0.5.3")
        assert "52:54:00:00:00:09" in lab.run("ip", "neigh", "show", "10.0.5.3")


@pytest.mark.requirement("CX-17")
@pytest.mark.parametrize(
    ("name", "words", "sentence"),
    [
        ("@0", (), "descriptor 0 is not an open tap: Inappropriate ioctl for device"),
        ("@77", (), "descriptor 77 is not an open tap: Bad file descriptor"),
        ("@3", ("--isolate",), "a descriptor is a tap's, and excludes --net bridge and --isolate"),
    ],
)
def test_descriptor_that_is_no_tap(name: str, words: tuple[str, ...], sentence: str) -> None:
    """The sentence says what the descriptor is not."""
    done = cli.ctl("run", *words, ECHO, env={"HERMIT_NETIF": name})
    assert (done.returncode, done.stderr) == (125, f"hermitctl: NETIF={name}: {sentence}\n")


@pytest.mark.requirement("W-26", "M-28")
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--forward", "8080:8080"], "user,id=net0,hostfwd=tcp:127.0.0.1:"),
        (["--net", "user"], "net=10.0.5.0/24,host=10.0.5.1"),
        (["--net", "user", "--capture", "x,y.pcap"], "filter-dump,id=dump0,netdev=net0,file="),
        (["--net", "user", "--machine", "microvm-mmio"], "virtio-net-device,netdev=net0"),
        (["--net", "user", "--nic", "virtio-packed-mq"], "packed=on,mq=on"),
    ],
)
def test_dry_run_shows_the_nic(words: list[str], text: str) -> None:
    """The options appear on QEMU's command line; the default memory with a network is 512 MB."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", *words, ECHO]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert text in done.stdout
    assert "-m 512M" in done.stdout


@pytest.mark.requirement("W-26")
def test_dry_run_reports_no_capture(tmp_path: Path) -> None:
    """A dry run captures nothing, even if an earlier run left a file."""
    file = tmp_path / "earlier.pcap"
    file.write_bytes(b"")
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "--net", "user", "--capture", str(file), ECHO]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert str(file) in done.stdout and "captured" not in done.stderr


@pytest.mark.requirement("W-39")
def test_bare_name_in_a_cargo_project(tmp_path: Path) -> None:
    """The name means Cargo's build for Hermit, the newer one of debug and release."""
    for profile, age in (("debug", 100), ("release", 200)):
        file = tmp_path / "target" / "x86_64-unknown-hermit" / profile / "mine"
        file.parent.mkdir(parents=True)
        file.write_bytes(images()["hello"].path.read_bytes())
        os.utime(file, (age, age))
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "mine"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert "-initrd target/x86_64-unknown-hermit/release/mine" in done.stdout


@pytest.mark.requirement("M-17")
def test_demo_and_network_benchmark() -> None:
    """The demo echoes a typed line; the benchmark prints figures for both networks, in the units that it names.

    An emulated guest needs more than 50 ms to its first answer, and both guests less than the whole command.
    """
    ctl = [sys.executable, "-m", "hermit_harness"]
    typed = "hello hermit\nGrüße\n"
    done = subprocess.run([*ctl, "demo"], input=typed, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == typed
    argv = [*ctl, "bench-net", "--runs", "1", "--seconds", "0.2"]
    start = time.monotonic()
    figures = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    took = 1000 * (time.monotonic() - start)
    assert [line.split()[1] for line in figures] == ["tap", "user-virtio"]
    form = r"first answer best (\d+) ms, median (\d+) ms of 1; (\d+) requests/s one after another, (\d+) with 8 clients"
    rows = [[int(figure) for figure in re.search(form, line).groups()] for line in figures]  # type: ignore[union-attr]
    assert [best for best, *_ in rows] == [median for _, median, *_ in rows]
    assert all(median > 50 for _, median, *_ in rows), figures
    assert sum(median for _, median, *_ in rows) < took, figures
    assert all(rate > 0 for row in rows for rate in row[2:]), figures


@pytest.mark.requirement("W-23")
@pytest.mark.parametrize(
    ("image", "more", "nic"),
    [
        ("real-echo-0.11.0-rtl8139", (), "rtl8139,netdev=net0"),
        ("real-echo-0.11.0-riscv64", ("--target", "riscv64-sbi"), "virtio-net-device,netdev=net0"),
        ("real-echo-0.11.0", (), "virtio-net-pci,disable-legacy=on,netdev=net0"),
        ("net", (), "virtio-net-pci,netdev=net0"),
        ("net", ("--target", "aarch64_be-elf"), "virtio-net-device,netdev=net0"),
    ],
)
def test_nic_follows_the_images_driver(image: str, more: tuple[str, ...], nic: str) -> None:
    """The image's driver selects the NIC by default."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "--net", "user", *more, image]
    assert nic in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def test_machine_without_a_list_of_nics() -> None:
    """The README's microvm does not describe NICs to a kernel: one sentence names the machine that does."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--net", "user", "--machine", "microvm"]
    done = subprocess.run([*argv, "real-echo-0.11.0-microvm"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "use microvm-mmio" in done.stderr


@pytest.mark.requirement("C-27")
def test_no_network_by_default() -> None:
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", ECHO]
    assert "netdev" not in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.requirement("M-29", "W-07")
def test_bridge_with_several_guests(lab: NetworkNamespace) -> None:
    """Each guest has a tap, a MAC address and a lease of its own, and both are reachable at once.

    A third one finds no free tap.
    """

    lab.script("bridge", "up", "--tap", "tap10", "--tap", "tap11")
    lab.script("dhcp", "up", "hermitbr0")
    words = ("--net", "bridge", BY_DHCP)
    addresses = set()
    with ExitStack() as guests:
        for _ in range(2):
            _, line_with = guests.enter_context(hermitctl(*words, before=lab.enter_command))
            addresses |= set(re.findall(r"the guest listens: ([0-9.]+):8080, ", line_with("the guest listens")))
        assert len(addresses) == 2
        for address in addresses:
            with lab.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.settimeout(30)
                client.connect((address, 8080))
                client.sendall(b"here")
                assert client.recv(100) == b"here"
        third = lab.result(sys.executable, "-m", "hermit_harness", "run", *words)
    assert third.stderr == "hermitctl: tap10 is in use by another guest; tap11 is in use by another guest\n"


@pytest.mark.requirement("L-44")
def test_small_network(lab: NetworkNamespace, tmp_path: Path) -> None:
    """The guest's answer is seen in a network of four addresses, too, of which guest and host have two."""
    lab.script("tap", "up", "--address", "10.1.2.1/30")
    address = ("-ip", "10.1.2.2", "-gateway", "10.1.2.1", "-mask", "255.255.255.252")
    words = ("--net", "tap", "--capture", str(tmp_path / "wire.pcap"), ECHO, *address)
    with hermitctl(*words, before=lab.enter_command) as (_, line_with):
        assert "10.1.2.2:8080" in line_with("hermitctl: the guest")


@pytest.mark.requirement("M-29")
def test_variable_names_a_bridge(lab: NetworkNamespace) -> None:
    """HERMIT_NETIF may be a bridge, with another gateway than the host."""
    lab.script("bridge", "up", "bridge102", "--tap", "tap10")
    variables = {"HERMIT_NETIF": "bridge102", "HERMIT_IP": "10.0.5.9", "HERMIT_GATEWAY": "10.0.5.2"}
    with hermitctl(ECHO, before=lab.enter_command, variables=variables) as (_, line_with):
        assert "10.0.5.9:8080" in line_with("the guest listens")


@pytest.mark.requirement("M-20", "W-26", "W-27")
def test_mac_address_and_capture(tmp_path: Path) -> None:
    """--mac sets the guest's MAC address.

    The capture is reported with the commands that read it. The port check closes its connection without a reset, at
    which the kernel can panic.
    """
    file = tmp_path / "frames.pcap"
    words = ("--net", "tap", "--isolate", "--mac", "52:54:00:AB:CD:EF", "--capture", str(file), ECHO)
    with hermitctl(*words) as (process, line_with):
        line_with("the guest listens")
        process.send_signal(signal.SIGINT)
        assert line_with("captured") == f"hermitctl: captured: tcpdump -n -r {file} (or tshark -r {file})"
    assert pcap.tcpdump(file, "arp and ether src 52:54:00:ab:cd:ef")
    assert not pcap.tcpdump(file, "ether src 52:54:00:12:34:56")
    assert pcap.tcpdump(file, "ether dst 52:54:00:ab:cd:ef and tcp[tcpflags] & tcp-fin != 0")
    assert not pcap.tcpdump(file, "tcp[tcpflags] & tcp-rst != 0")


@pytest.mark.requirement("M-20")
def test_invalid_mac_address() -> None:
    """The error is one sentence."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--net", "user", "--mac", "01:00:00:00:00:01", ECHO]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "'01:00:00:00:00:01' is not a MAC address" in done.stderr


@pytest.mark.requirement("L-40", "R-13")
@pytest.mark.parametrize(
    ("step", "setup", "words", "cause"),
    [
        ("link", '"$0/tap" up; ip link set tap10 down', ("--net", "tap", ECHO), "the host interface tap10 is down"),
        ("address", '"$0/tap" up', ("--net", "tap", BY_DHCP), "requests an address by DHCP and no server offers one"),
        (
            "arp", '"$0/tap" up', ("--net", "tap", ECHO, "-mask", "255.255.255.255"),
            "no answer to ARP requests for 10.0.5.3",
        ),
        ("port", "true", ("--forward", "0:8081", "--forward", "0:8080", ECHO), "its port 8081 is closed"),
    ],
    ids=["link", "address", "arp", "port"],
)  # fmt: skip
def test_failed_step_is_reported_during_the_run(
    step: str, setup: str, words: tuple[str, ...], cause: str, lab: NetworkNamespace
) -> None:
    """After some seconds without an answer one line names the first step that failed; the guest continues."""
    lab.run("sh", "-ec", setup, str(NETSETUP))
    with hermitctl(*words, before=lab.enter_command) as (process, line_with):
        assert cause in line_with(f"network, step {step}: ")
        assert process.poll() is None


@pytest.mark.requirement("L-38")
def test_permitted_namespaces() -> None:
    """Later errors inside are not blamed on the system's settings."""
    said = "sh: 1: exec: /home/other/python: Permission denied"
    assert namespace_remedy(f"{said}\n") == f"namespaces are permitted, but setting them up failed: {said}"


@pytest.mark.requirement("L-38")
def test_forbidden_namespaces(lab: NetworkNamespace) -> None:
    """With --isolate one sentence names the setting that permits namespaces."""
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    words = (sys.executable, "-m", "hermit_harness", "run", "--net", "tap", "--isolate", ECHO)
    done = lab.result("sh", "-ec", forbid, "sh", *words)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert done.stderr.startswith("hermitctl: this system does not permit user, network and PID namespaces")
    assert done.stderr.endswith("sudo sysctl user.max_user_namespaces=10000\n")
