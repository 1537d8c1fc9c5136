# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A socket link between two guests of one user: no root, no tap, no namespace.

For one guest the test is the other end.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from hermit_harness.background import BackgroundGuest
from hermit_harness.matrix import specs
from hermit_harness.net import frames, guest_network, pcap, socket_link
from hermit_harness.net.diagnosis import NetworkState, diagnose
from hermit_harness.net.frames import Frame
from hermit_harness.net.guest_network import SECOND_GUEST_ADDRESS
from hermit_harness.net.netns import GUEST_ADDRESS
from hermit_harness.net.socket_link import SocketLink
from hermit_harness.vm.nic import DEFAULT_MAC, SECOND_MAC
from hermit_harness.vm.process import Closeable
from tests.support.cli import hermitctl
from tests.support.processes import background

ECHO, ASK = "real-echo-0.11.0", "real-ask-0.11.0"
UDP = 9975
OURS, OUR_MAC = "10.0.5.77", "52:54:00:00:00:77"
SECONDS = 30.0


class Peer(Closeable):
    """An end of the link in this process. `log` is each frame on it, in order."""

    def __init__(self, place: Path) -> None:
        self.link = SocketLink(place)
        self.log: list[bytes] = []
        self._wire: socket.socket | None = None

    @property
    def wire(self) -> socket.socket:
        """Return the connection once the other end is there."""
        if self._wire is None:
            self.link.socket.settimeout(SECONDS)
            self._wire = self.link.socket.accept()[0] if self.link.listens else self.link.socket
            self._wire.settimeout(SECONDS)
            self._stream = self._wire.makefile("rb")
        return self._wire

    def close(self) -> None:
        self.link.close()
        if self._wire:
            self._stream.close()
            self._wire.close()

    def ask(self, frame: bytes) -> Frame:
        """Send a frame and return the next received one."""
        self.send(frame)
        length = int.from_bytes(self._stream.read(4), "big")
        self.log.append(self._stream.read(length))
        return frames.parse(self.log[-1])

    def send(self, frame: bytes) -> None:
        self.log.append(frame)
        self.wire.sendall(len(frame).to_bytes(4, "big") + frame)

    def converse(self, mac: str, address: str) -> None:
        """Exchange ARP and UDP echoes up to a full frame, then end the guest."""
        reply = self.ask(frames.arp_request(OUR_MAC, OURS, address))
        assert (reply.kind, reply.sender, reply.source) == ("arp-reply", mac, address)
        macs, ends, ports = (OUR_MAC, mac), (OURS, address), (4000, UDP)
        for size in (1, 100, 1472):
            echo = self.ask(frames.udp(macs, ends, ports, bytes(size)))
            assert (echo.kind, echo.source, echo.payload, echo.problems) == ("udp", address, bytes(size), ())
        self.send(frames.udp(macs, ends, ports, b""))


def there(packet: bytes, mac: str) -> bool:
    """Return whether a frame is for this NIC or a broadcast."""
    return packet[:6] in (frames.mac_bytes(mac), frames.mac_bytes(frames.BROADCAST))


def refusal(place: object, *words: str) -> str:
    """Return the one sentence of a refused run."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--net", "socket", "--netif", str(place), *words, "net"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (125, "", 1), done.stderr
    return done.stderr.removeprefix("hermitctl: ").rstrip()


@pytest.mark.requirement("W-26")
@pytest.mark.parametrize("guest_first", [True, False], ids=["guest-waits", "guest-connects"])
def test_guest_and_a_program(guest_first: bool, tmp_path: Path) -> None:
    """Frames arrive unchanged in both starting orders, the capture has exactly these, and the socket is removed."""
    place, file = tmp_path / "link", tmp_path / "dump.dat"
    words = ("--net", "socket", "--netif", str(place), "--capture", str(file), "net")
    with ExitStack() as stack:
        peer = None if guest_first else stack.enter_context(Peer(place))
        process, line_with = stack.enter_context(hermitctl(*words))
        line_with("first end of the socket link" if guest_first else "second end of the socket link")
        line_with("the guest says that it listens")
        peer = peer or stack.enter_context(Peer(place))
        peer.converse(*((DEFAULT_MAC, GUEST_ADDRESS) if guest_first else (SECOND_MAC, SECOND_GUEST_ADDRESS)))
        line_with("captured: tcpdump -n -r")
        assert process.wait(SECONDS) == 0
    assert pcap.packets(file) == peer.log
    assert not place.exists()


@pytest.mark.requirement("W-26")
def test_two_guests(tmp_path: Path) -> None:
    """Two kernels exchange TCP, and the second one can restart.

    Both captures have the conversation, the first one's also the port check. A third guest is refused.
    """
    files = [tmp_path / name for name in ("echo.pcap", "ask.pcap", "again.pcap")]
    place = tmp_path / "link"
    socket_words = ("--net", "socket", "--netif", str(place), "--capture")
    with hermitctl(*socket_words, str(files[0]), ECHO) as (process, line_with):
        line = line_with("first end of the socket link")
        assert line.endswith(f"start the other end: hermitctl run --net socket --netif {place} APP")
        assert f"the guest listens: {GUEST_ADDRESS}:8080, from the other end of the socket link" in line_with(
            "the guest listens"
        )
        for file, more in ((files[1], ()), (files[2], ("--mac", "52:54:00:00:00:09", "-ip 10.0.5.9"))):
            argv = [sys.executable, "-m", "hermit_harness", "run", *socket_words, str(file), ASK, *more]
            argv += ["--", f"{GUEST_ADDRESS}:8080", "over the link"]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
            assert done.returncode == 0, done.stderr
            assert "answer: over the link" in done.stdout
            assert ("this guest's address is" in done.stderr) == (not more)
        with Peer(place):
            assert refusal(place).endswith("already has two ends: choose another socket link with NETIF=")
        process.send_signal(signal.SIGINT)
        line_with("captured")
    all_frames, asked, again = map(pcap.packets, files)
    for sender, receiver in ((DEFAULT_MAC, SECOND_MAC), (SECOND_MAC, DEFAULT_MAC)):
        # In the order of their sender; the first guest's last frames may find no receiver.
        sent, came = (
            [packet for packet in packets if packet[6:12] == frames.mac_bytes(sender) and there(packet, receiver)]
            for packets in (all_frames, asked)
        )
        assert came and came == sent[: len(came)]
        assert sender == DEFAULT_MAC or len(came) == len(sent)
    assert {frame.source for frame in map(frames.parse, asked)} == {GUEST_ADDRESS, SECOND_GUEST_ADDRESS}
    assert {frame.source for frame in map(frames.parse, again)} == {GUEST_ADDRESS, "10.0.5.9"}
    assert [frame.problems for frame in map(frames.parse, all_frames) if frame.problems] == []
    assert pcap.tcpdump(files[2], "tcp and src 10.0.5.9 and greater 60"), "tcpdump reads it as well"
    assert not place.exists()


@pytest.mark.requirement("W-26")
def test_line_to_paste(tmp_path: Path) -> None:
    """--dry-run shows the free end.

    The first one's line works verbatim, with a comma in the socket's name, and the dry run leaves nothing.
    """
    place = tmp_path / "a,b"
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "--net", "socket", "--netif", str(place), "net"]
    line = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
    assert f"stream,id=net0,server=on,addr.type=unix,addr.path={tmp_path}/a,,b" in line
    assert list(tmp_path.iterdir()) == []
    with background(["sh", "-c", f"exec {line}"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as qemu:
        assert qemu.stdout is not None
        assert any(b"listening on UDP port" in printed for printed in qemu.stdout)
        second = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
        assert f"stream,id=net0,server=off,addr.type=unix,addr.path={tmp_path}/a,,b" in second
        assert f"mac={SECOND_MAC}" in second
        with Peer(place) as peer:
            peer.converse(DEFAULT_MAC, GUEST_ADDRESS)
            qemu.communicate(timeout=SECONDS)


def test_names_of_socket_links(tmp_path: Path) -> None:
    """NETIF= selects one of several links; their sockets are in a directory that only this user can enter."""
    here = {**os.environ, "TMPDIR": str(tmp_path), "HERMIT_NET": "socket"}
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "net"]
    for name, file in (("", "link.sock"), ("lab1", "lab1.sock")):
        done = subprocess.run(
            argv, capture_output=True, text=True, check=True, timeout=60, env={**here, "HERMIT_NETIF": name}
        )
        assert f"addr.path={tmp_path}/hermit-{os.getuid()}/{file} " in re.sub(r"\s+", " ", done.stdout)
    assert (tmp_path / f"hermit-{os.getuid()}").stat().st_mode & 0o777 == 0o700


@pytest.mark.requirement("C-27")
def test_obstacles_are_reported(tmp_path: Path) -> None:
    """One sentence names the remedy, and existing files stay. Remains of a killed guest are no obstacle."""
    file, left = tmp_path / "file", tmp_path / "left"
    file.write_text("mine")
    assert refusal(file) == f"{file} exists and is not a socket: choose another socket link with NETIF="
    assert file.read_text() == "mine"
    assert (
        refusal(tmp_path / "no/link")
        == f"{tmp_path}/no: No such file or directory: choose another socket link with NETIF="
    )
    long = tmp_path / ("x" * 108)
    assert (
        refusal(long) == f"{long} is longer than the 107 bytes of a socket name: choose another socket link with NETIF="
    )
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(left))
    with Peer(left) as first, Peer(left) as second:
        assert (first.link.listens, second.link.listens) == (True, False)
        assert left.stat().st_mode & 0o777 == 0o600
    assert sorted(tmp_path.iterdir()) == [file]


def test_next_guest_finds_a_free_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second end exits when the first one has noticed, so that a direct successor does not find two ends."""
    monkeypatch.setattr(socket_link, "HANG_UP_SECONDS", SECONDS)
    with SocketLink(tmp_path / "link") as first:
        second = SocketLink(first.path)
        first.socket.settimeout(SECONDS)
        with first.socket.accept()[0] as noticed:
            leaving = Thread(target=second.close)
            leaving.start()
            assert noticed.recv(1) == b""
            leaving.join(0.2)
            assert leaving.is_alive()
        leaving.join(SECONDS)
        with SocketLink(first.path) as third:
            assert not third.listens
            first.socket.accept()[0].close()


@pytest.mark.requirement("L-40")
def test_remedy_for_dhcp_on_a_socket_link(tmp_path: Path) -> None:
    """For a kernel that needs DHCP the doctor suggests a remedy that works on a socket link."""
    with closing(
        guest_network.set_up(guest_network.NetworkRequest("socket", ifname=str(tmp_path / "link"), dhcp=True), {})
    ) as made:
        spec = replace(specs.release(f"{ECHO}-dhcp"), memory="512M", net=made.nic)
        with BackgroundGuest(spec, None, tmp_path / "run") as guest:
            guest.wait(lambda: "discover" in guest.monitor.traffic.dhcp)
            sight = NetworkState(
                guest.monitor.traffic, guest.console, 8080, made.expected_address, made.is_host_link_up(), made.network
            )
            found = diagnose(sight)
    assert found.step == "address"
    assert str(found).endswith("no server offers one; a kernel without dhcpv4 takes its address from HERMIT_IP=")
