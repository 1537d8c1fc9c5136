# SPDX-License-Identifier: Apache-2.0 OR MIT
"""QEMU lines with a network from upstream's documents, run verbatim without the harness, in the test's namespace."""

from __future__ import annotations

import re
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.net import pcap
from hermit_harness.net.guest_network import VHOST_DEVICE
from hermit_harness.net.netns import GUEST_ADDRESS, NETSETUP, NetworkNamespace
from hermit_harness.paths import loader_file
from hermit_harness.vm.host import device_problem, kvm_problem
from hermit_harness.vm.machines import firmware_file
from hermit_harness.vm.targets import TARGETS
from tests.support.errata import skip_known

SECONDS = 30.0
HTTP = 9975  # the documented port, also for UDP
OLDER = "qemu64,apic,fsgsbase,rdtscp,xsave,fxsr"
# On a CPU without any of XSAVE's extensions QEMU 7.2 treats OSXSAVE as reserved, and hangs (harness/errata.toml).
OLDER_THAT_WORKS = f"{OLDER},xsaveopt,rdrand"
WEB = r"""
qemu-system-x86_64 -smp 1 -m 256M -display none -serial stdio -cpu <CPU>
    -kernel <LOADER> -initrd <APP>
    -netdev user,id=u1,hostfwd=tcp::<HTTP>-:<HTTP> -device rtl8139,netdev=u1
    -object filter-dump,id=f1,netdev=u1,file=dump.dat
"""
ECHO = r"""
qemu-system-x86_64 -device rtl8139,netdev=net0 -netdev 'user,id=net0,hostfwd=tcp::<ECHO>-:<ECHO>'
    -cpu <CPU> -display none -smp 1 -m 64M -serial stdio -kernel <LOADER> -initrd <APP>
"""
TAP = r"""
qemu-system-x86_64 -cpu <CPU> -display none -smp 1 -m 1G -serial stdio -kernel <LOADER> -initrd <APP>
    -netdev tap,id=net0,ifname=tap10,script=no,downscript=no,<VHOST>
    -device virtio-net-pci,netdev=net0,disable-legacy=on
"""
CI = r"""
qemu-system-x86_64 -cpu <CPU> -display none -smp 1 -m 512M -serial stdio -kernel <LOADER> -initrd <APP>
    -netdev user,id=u1,<FORWARDS>,net=192.168.76.0/24,dhcpstart=192.168.76.9
    -device virtio-net-pci,netdev=u1,disable-legacy=on,packed=on,mq=on
"""
SCRIPTS = r"""
qemu-system-x86_64 -cpu <CPU> -display none -smp 1 -m 512M -serial stdio -kernel <LOADER> -initrd <APP>
    -netdev tap,id=net0,script=<IFUP>,downscript=<IFDOWN>,vnet_hdr=off
    -device virtio-net-pci,netdev=net0,disable-legacy=on
"""
GEM = r"""
qemu-system-riscv64 -M sifive_u -smp 2 -m 512M -display none -serial stdio -bios <BIOS> -kernel <LOADER> -initrd <APP>
    -nic user,net=10.0.5.0/24,host=10.0.5.1,dns=10.0.5.2,dhcpstart=10.0.5.3,hostfwd=tcp::<ECHO>-:<ECHO>
"""
KVM_FAILED = b"KVM internal error"  # QEMU pauses then
Typed = Callable[[], bytes]


@contextmanager
def typed(
    lab: NetworkNamespace, line: str, app: str, directory: Path, target: str = "x86_64-multiboot", **names: str
) -> Iterator[Typed]:
    """Run the line up to the application's line that it listens.

    The yielded function sends QEMU SIGINT and returns all output.
    """
    image = images(TARGETS[target].arch)[app]
    # The documented ports, which are free in a new namespace.
    both = ",".join(f"hostfwd={protocol}::{HTTP}-:{HTTP}" for protocol in ("tcp", "udp"))
    here = {
        "FORWARDS": both,
        "CPU": OLDER_THAT_WORKS,
        "HTTP": str(HTTP),
        "ECHO": "8080",
        "LOADER": str(loader_file(target)),
        "APP": str(image.path),
        **names,
    }
    words = shlex.split(re.sub("<([A-Z]+)>", lambda name: here[name[1]], line.replace("\n", " ")))
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with lab.popen("sh", "-c", 'cd "$0"; echo $$; exec "$@"', str(directory), *words, **options) as qemu:
        assert qemu.stdout is not None
        number, printed = qemu.stdout.readline().decode().strip(), b""

        def end() -> bytes:
            lab.run("sh", "-c", f"kill {number}")
            return printed + qemu.communicate(timeout=SECONDS)[0]

        try:
            while image.greeting.encode() not in printed:
                part = qemu.stdout.readline()
                printed += part
                assert part and KVM_FAILED not in part, printed.decode("utf-8", "backslashreplace")[-2000:]
            yield end
        finally:
            lab.result(
                "sh", "-c", f"kill -KILL {number}"
            )  # a paused QEMU does not end with the process that entered the namespace
            qemu.kill()


def asked(
    lab: NetworkNamespace,
    port: int,
    text: bytes,
    address: str = "127.0.0.1",
    kind: int = socket.SOCK_STREAM,
    seconds: float = SECONDS,
) -> bytes:
    """Return the answer to a text: until the connection ends, or, for an echo, as many bytes as were sent."""
    with lab.socket(socket.AF_INET, kind) as client:
        client.settimeout(seconds)
        client.connect((address, port))
        client.sendall(text)
        got = client.recv(65536)
        while text.startswith(b"GET") and (more := client.recv(65536)):
            got += more
    return got


@pytest.mark.requirement("W-22", "W-24", "W-26", "W-27")
def test_web_server_line(lab: NetworkNamespace, tmp_path: Path) -> None:
    """The page arrives by the forwarded port at each host address. dump.dat has lease, ARP and handshake in order."""
    lab.run("ip", "addr", "add", "192.0.2.7/32", "dev", "lo")
    with typed(lab, WEB, "real-http-0.11.0-rtl8139", tmp_path) as end:
        for address in ("127.0.0.1", "192.0.2.7"):
            page = asked(lab, HTTP, b"GET / HTTP/1.0\r\n\r\n", address)
            assert page.endswith("Hello from Hermit! 🦀\n".encode()), page
        end()
    printed = pcap.tcpdump(tmp_path / "dump.dat")
    frames = pcap.frames(tmp_path / "dump.dat")
    assert len(printed) == len(frames)
    assert [frame.dhcp_message for frame in frames if frame.dhcp_message] == ["discover", "offer", "request", "ack"]
    lease = max(at for at, frame in enumerate(frames) if frame.dhcp_message)
    handshake = [at for at, line in enumerate(printed) if "Flags [S]" in line or "Flags [S.]" in line]
    assert any("ARP, Reply 10.0.2.15" in line or "ARP, Request" in line for line in printed)
    assert handshake and lease < handshake[0]


@pytest.mark.requirement("M-18", "M-20", "M-22")
def test_echo_line(lab: NetworkNamespace, tmp_path: Path) -> None:
    """The echo server's line has the device before its netdev and 64 MB.

    It needs one feature more, because of QEMU 7.2 and XSAVE; see test_features.py.
    """
    with typed(lab, ECHO, "real-echo-0.11.0-rtl8139", tmp_path) as end:
        assert asked(lab, 8080, b"hello hermit") == b"hello hermit"
        assert b"MAC address 52-54-00-12-34-56" in end()


@pytest.mark.requirement("L-44", "R-16", "W-19", "M-27")
def test_tap_line(lab: NetworkNamespace, tmp_path: Path) -> None:
    """The line with a tap and 1 GB works; vhost=on only if the device exists, otherwise QEMU refuses the line."""
    lab.script("tap", "up")
    problem = device_problem(VHOST_DEVICE)
    on, off = "vhost=on,vnet_hdr=off", "vhost=off,vnet_hdr=off"
    if problem:
        words = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-S", "-netdev"]
        refused = lab.result(*words, f"tap,id=net0,ifname=tap10,script=no,downscript=no,{on}")
        assert refused.returncode != 0
        assert "vhost" in refused.stderr, refused.stderr
    with typed(lab, TAP, "real-echo-0.11.0", tmp_path, VHOST=off if problem else on):
        assert asked(lab, 8080, b"hello hermit", GUEST_ADDRESS) == b"hello hermit"


@pytest.mark.requirement("L-07", "W-19", "W-22")
@pytest.mark.parametrize(
    ("line", "app", "cpu"),
    [(WEB, "http-0.11.0-rtl8139", "host --enable-kvm"), (TAP, "echo-0.11.0", f"{OLDER} -enable-kvm")],
    ids=["web", "tap"],
)
def test_line_with_kvm(line: str, app: str, cpu: str, lab: NetworkNamespace, tmp_path: Path) -> None:
    """The lines work with the CPU and the accelerator that they name. What fails for a known reason is a skip."""
    if problem := kvm_problem():
        pytest.skip(f"no-kvm: {problem}")
    lab.script("tap", "up")
    try:
        with typed(lab, line, f"real-{app}", tmp_path, CPU=cpu, VHOST="vhost=off,vnet_hdr=off"):
            if line == TAP:
                assert asked(lab, 8080, b"hello hermit", GUEST_ADDRESS) == b"hello hermit"
            else:
                assert b"Hello from Hermit" in asked(lab, HTTP, b"GET / HTTP/1.0\r\n\r\n")
    except AssertionError as error:
        said = str(error)
        if "failed to set MSR" in said:
            pytest.skip(f"kvm-host-cpu: {said.splitlines()[0]}")
        if KVM_FAILED.decode() in said:
            skip_known(f"net/kvm/real-{app}", "infra: QEMU stopped the machine (internal-error)")
        raise


@pytest.mark.requirement("N-20")
@pytest.mark.parametrize(("app", "kind"), [("http", socket.SOCK_STREAM), ("udp", socket.SOCK_DGRAM)])
def test_line_of_the_kernels_tests(app: str, kind: int, lab: NetworkNamespace, tmp_path: Path) -> None:
    """A user network with another prefix, TCP and UDP forwarded, packed rings and several queues."""
    with typed(lab, CI, f"real-{app}-0.11.0-dhcp", tmp_path) as end:
        got = asked(lab, HTTP, b"GET / HTTP/1.0\r\n\r\n" if app == "http" else b"datagram", kind=kind)
        assert b"Hello from Hermit" in got if app == "http" else got == b"datagram"
        assert b"192.168.76.9/24" in end()


@pytest.mark.requirement("N-19")
def test_cadence_gem(lab: NetworkNamespace, tmp_path: Path) -> None:
    """The board has this NIC.

    The kernel's driver is incomplete; a bare application drives the NIC (test_bare_nics.py).
    """
    names = {"target": "riscv64-sbi", "BIOS": str(firmware_file("opensbi-1.6-jump"))}
    answer = b""
    with typed(lab, GEM, "real-echo-0.11.0-gem", tmp_path, **names) as end:
        with suppress(TimeoutError, ConnectionError):
            answer = asked(lab, 8080, b"hello hermit", seconds=10)
        printed = end().decode("utf-8", "backslashreplace")
    assert "MAC address 52-54-00-12-34-56" in printed
    skip_known("net/cadence-gem", printed)
    assert answer == b"hello hermit", printed[-2000:]


@pytest.mark.requirement("N-21")
@pytest.mark.parametrize("bridge", ["", "br7"], ids=["tap", "bridge"])
def test_qemu_calls_the_scripts(bridge: str, lab: NetworkNamespace, tmp_path: Path) -> None:
    """QEMU creates a tap and calls both scripts: the guest is reachable, directly or through a bridge.

    Afterwards tap and state are removed.
    """
    before = lab.run("sh", "-c", "ip -br link; find /run -type f | sort | xargs -r cat")
    if bridge:
        lab.script("bridge", "up", bridge)
    line = SCRIPTS if not bridge else f"env HERMIT_BRIDGE={bridge} {SCRIPTS}"
    names = {"IFUP": str(NETSETUP / "hermit-ifup"), "IFDOWN": str(NETSETUP / "hermit-ifdown")}
    with typed(lab, line, "real-echo-0.11.0", tmp_path, **names) as end:
        assert asked(lab, 8080, b"hello hermit", GUEST_ADDRESS) == b"hello hermit"
        if bridge:
            assert f"{bridge}: has tap0" in lab.script("bridge", "status", bridge)
        end()
    if bridge:
        lab.script("bridge", "down", bridge)
    assert lab.run("sh", "-c", "ip -br link; find /run -type f | sort | xargs -r cat") == before
    assert "tap0" not in lab.run("ip", "link")
