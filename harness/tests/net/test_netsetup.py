# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The scripts of netsetup/, each in a namespace of the test: what they create, and how they undo it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from itertools import product
from pathlib import Path

import pytest

from hermit_harness.matrix.servers import ATTACHMENTS, TAP, ServerGuest
from hermit_harness.net.netns import NETSETUP, NetworkNamespace
from hermit_harness.vm.process import LaunchError

FOUR = """\
ip tuntap add tap10 mode tap
ip addr add 10.0.5.1/24 broadcast 10.0.5.255 dev tap10
ip link set dev tap10 up
echo 1 >/proc/sys/net/ipv4/conf/tap10/proxy_arp
"""
SCRIPTS = ("tap", "bridge", "dhcp", "netns")
LEASE = next(attachment for attachment in ATTACHMENTS if attachment.id == "tap-dhcp")
ROUTER_OPTION = b"\x03\x04"  # RFC 2132, section 3.5: the number and the length of one address


def network(lab: NetworkNamespace) -> str:
    """Return all that a script could change as text, without interface numbers and generated addresses."""
    words = "ip -br link; ip -br addr; ip route; cat /proc/sys/net/ipv4/ip_forward; find /run -type f"
    return lab.run("sh", "-c", words + "; ps -e -o comm= | grep -c dnsmasq || :")


@pytest.mark.requirement("L-37", "R-11", "M-26")
def test_dry_run_prints_the_four_commands(lab: NetworkNamespace) -> None:
    """--dry-run prints the documented commands and changes nothing."""
    before = network(lab)
    assert lab.script("tap", "up", "--dry-run") == FOUR
    assert network(lab) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_dry_run_of_every_script(script: str, lab: NetworkNamespace) -> None:
    """--dry-run prints the actions of `up` and `down` and changes nothing. The printed lines for `down` undo `up`."""
    name = ("blue",) if script == "netns" else ()
    if script == "dhcp":
        lab.script("tap", "up")
    before = network(lab)
    assert lab.script(script, "up", *name, "--dry-run")
    assert network(lab) == before
    lab.script(script, "up", *name)
    made = network(lab) + lab.run("ip", "netns")
    lines = lab.script(script, "down", *name, "--dry-run")
    assert network(lab) + lab.run("ip", "netns") == made
    lab.run("sh", "-ec", lines)
    lab.script(script, "down", *name)
    assert network(lab) == before
    assert lab.run("ip", "netns") == ""


@pytest.mark.parametrize("script", SCRIPTS)
def test_status(script: str, lab: NetworkNamespace) -> None:
    """An existing set-up is shown with status 0, a missing one with another status."""
    lab.script("tap", "up")
    lab.script("tap", "down")
    none = lab.result(str(NETSETUP / script), "status", "blue")
    assert (none.returncode, none.stdout.partition(":")[0]) == (1, "blue")
    if script == "dhcp":
        lab.script("tap", "up", "blue")
    lab.script(script, "up", "blue")
    assert lab.script(script, "status", "blue").startswith("blue: ")


def test_the_four_commands_do_the_same_as_the_script(lab: NetworkNamespace) -> None:
    """The printed lines are shell commands with the effect of `up`."""
    lab.run("sh", "-ec", lab.script("tap", "up", "--dry-run"))
    by_hand = lab.script("tap", "status")
    lab.run("ip", "link", "del", "tap10")
    lab.script("tap", "up")
    assert (
        lab.script("tap", "status")
        == by_hand
        == "tap10: 10.0.5.1/24 broadcast 10.0.5.255, UP, proxy_arp=1, ip_forward=0\n"
    )


@pytest.mark.requirement("L-37", "C-24")
@pytest.mark.parametrize("name", ["tap10", "tap100"])
def test_tap_up_twice_then_down_twice(name: str, lab: NetworkNamespace) -> None:
    """Both can be repeated; `down` restores the network."""
    before = network(lab)
    lab.script("tap", "up", name)
    once = network(lab)
    lab.script("tap", "up", name)
    assert network(lab) == once != before
    assert "10.0.5.1/24" in once
    lab.script("tap", "down", name)
    after = network(lab)
    lab.script("tap", "down", name)
    assert network(lab) == after
    assert after == before


@pytest.mark.requirement("L-39", "R-12")
@pytest.mark.parametrize("old", ["0", "1"])
def test_forwarding_is_restored(old: str, lab: NetworkNamespace) -> None:
    """Forwarding is off by default; `down` restores the value from before `up`."""
    forward = "/proc/sys/net/ipv4/ip_forward"
    lab.run("sh", "-c", f"echo {old} >{forward}")
    lab.script("tap", "up")
    assert lab.run("cat", forward).strip() == old
    lab.script("tap", "up", "--forward")
    assert lab.run("cat", forward).strip() == "1"
    lab.script("tap", "down")
    assert lab.run("cat", forward).strip() == old


@pytest.mark.requirement("M-26")
def test_foreign_tap_is_kept(lab: NetworkNamespace) -> None:
    """`up` completes a tap from another source.

    `down` undoes only its own changes: link, address, route, proxy ARP, forwarding.
    """
    lab.run("ip", "tuntap", "add", "tap10", "mode", "tap")
    lab.run("ip", "addr", "add", "10.0.5.1/24", "broadcast", "10.0.5.255", "dev", "tap10")
    settings = ("tap10/proxy_arp", "all/forwarding")
    show = ("cat", *(f"/proc/sys/net/ipv4/conf/{name}" for name in settings))
    before = network(lab), lab.run(*show)
    lab.script("tap", "up")
    lab.script("tap", "up", "--address", "10.0.6.1/24", "--route", "192.0.2.0/24", "--forward")
    assert "192.0.2.0/24" in network(lab)
    assert lab.run(*show) == "1\n1\n"
    lab.script("tap", "down")
    assert (network(lab), lab.run(*show)) == before
    with pytest.raises(LaunchError, match="tap10 was not created by tap and is kept"):
        lab.script("tap", "down")


@pytest.mark.requirement("M-26")
def test_other_address_and_route(lab: NetworkNamespace) -> None:
    """Another network can be set, and a route to it through the tap."""
    lab.script("tap", "up", "--address", "172.16.3.129/25", "--route", "192.0.2.0/24")
    assert "172.16.3.129/25 broadcast 172.16.3.255" in lab.script("tap", "status")
    assert "192.0.2.0/24 dev tap10" in lab.run("ip", "route")


@pytest.mark.requirement("L-38")
def test_owner(lab: NetworkNamespace) -> None:
    """A tap with an owner needs no rights of its user."""
    lab.script("tap", "up", "--user", "root")
    assert "user root" in lab.run("ip", "-d", "link", "show", "tap10")
    assert lab.script("tap", "status").endswith(", owner root\n")
    lab.script("tap", "up", "other", "--address", "10.0.9.1/24")
    with pytest.raises(LaunchError, match="other exists, its owner is not set"):
        lab.script("tap", "up", "other", "--address", "10.0.9.1/24", "--user", "root")


@pytest.mark.requirement("M-29")
def test_bridge_with_two_taps(lab: NetworkNamespace) -> None:
    """A bridge can have any name. It has taps, more can be added, and `down` removes all."""
    before = network(lab)
    lab.script("bridge", "up", "bridge102", "--tap", "tap10")
    lab.script("bridge", "up", "bridge102", "--tap", "tap11")
    status = lab.script("bridge", "status", "bridge102").splitlines()
    assert status[0].startswith("bridge102: 10.0.5.1/24 broadcast 10.0.5.255, UP")
    assert status[1:] == ["bridge102: has tap10", "bridge102: has tap11"]
    lab.script("bridge", "down", "bridge102")
    assert network(lab) == before


def test_dhcp_server_serves_its_interface_only(lab: NetworkNamespace) -> None:
    """The server is bound to the tap, and nothing of it remains."""
    lab.script("tap", "up")
    lab.script("tap", "up", "tap100", "--address", "10.0.6.1/24")
    before = network(lab)
    lab.script("dhcp", "up")
    lab.script("dhcp", "up")
    sockets = [line.split()[3] for line in lab.run("ss", "-ulnH").splitlines()]
    assert sockets == ["0.0.0.0%tap10:67"]
    lab.script("dhcp", "down")
    assert network(lab) == before


@pytest.mark.requirement("M-21", "W-07")
@pytest.mark.parametrize(
    "host",
    ["10.0.5.1/24", "10.1.2.1/30", "10.1.2.129/25", "10.1.2.1/31", "10.7.1.1/16"],
    ids=lambda host: "prefix-" + host.partition("/")[2],
)
def test_lease_in_any_network(host: str, serve: Callable[..., ServerGuest], lab: NetworkNamespace) -> None:
    """A guest gets an address of the interface's network, and the host as its router, whatever the prefix is.

    Its console and the server's answer on the wire agree, and clients reach it.
    """
    served = serve(replace(LEASE, uses_dhcp=False), "echo")
    lab.script("tap", "down")
    lab.script("tap", "up", "--address", host)
    lab.script("dhcp", "up")
    interface = IPv4Interface(host)
    with served.guest as guest:
        guest.wait(lambda: served.monitor.traffic.has_lease)
        served.wait_until_listening(8080)
        address = IPv4Address(served.monitor.address)
        assert address in interface.network
        assert address != interface.ip
        with served.connect(8080) as client:
            client.sendall(b"here")
            assert client.recv(100) == b"here"
        assert f"Default gateway: {interface.ip}\n".encode() in guest.console
    (answer,) = [frame for frame in served.frames() if frame.dhcp_message == "ack"]
    assert answer.dhcp_address == str(address)
    assert ROUTER_OPTION + interface.ip.packed in answer.payload


@pytest.mark.requirement("W-15", "L-37")
def test_tap_outlives_qemu(serve: Callable[..., ServerGuest], lab: NetworkNamespace) -> None:
    """When QEMU has exited, the tap still has its address, and the next guest uses it."""
    for _ in range(2):
        served = serve(TAP, "echo", args="1")
        with served.guest as guest:
            served.wait_until_listening(8080)
            served.connect(8080).close()
            assert guest.finish().matches("exit 0"), str(guest.outcome)
        assert lab.script("tap", "status").startswith("tap10: 10.0.5.1/24 broadcast 10.0.5.255, UP, proxy_arp=1")


@pytest.mark.requirement("N-21")
def test_scripts_for_qemu(lab: NetworkNamespace) -> None:
    """QEMU's options script= and downscript= work; with HERMIT_BRIDGE the tap joins that bridge."""
    lab.run("ip", "tuntap", "add", "qtap", "mode", "tap")
    lab.script("hermit-ifup", "qtap")
    assert "10.0.5.1/24" in lab.script("tap", "status", "qtap")
    lab.script("hermit-ifdown", "qtap")
    assert "10.0.5.1/24" not in lab.script("tap", "status", "qtap")
    lab.script("bridge", "up", "br7")
    lab.result(str(NETSETUP / "hermit-ifup"), "qtap", env={"HERMIT_BRIDGE": "br7"}).check_returncode()
    assert "br7: has qtap" in lab.script("bridge", "status", "br7")


def test_named_namespace(lab: NetworkNamespace) -> None:
    """With --netns the same commands work, and are undone, in that namespace."""
    shown = lab.script("tap", "up", "--netns", "blue", "--dry-run")
    assert shown.startswith("ip netns exec blue ip tuntap add tap10 mode tap\n")
    with pytest.raises(LaunchError, match=r"namespace blue does not exist: .*/netns up blue creates it"):
        lab.script("tap", "up", "--netns", "blue")
    lab.script("netns", "up", "blue")
    lab.script("tap", "up", "--netns", "blue")
    assert "10.0.5.1/24" in lab.script("tap", "status", "--netns", "blue")
    assert "tap10" not in lab.run("ip", "link")
    lab.script("tap", "down", "--netns", "blue")
    assert "tap10" not in lab.run("ip", "-n", "blue", "link")
    lab.script("netns", "down", "blue")
    assert "blue" not in lab.run("ip", "netns")


@pytest.mark.requirement("L-38")
@pytest.mark.parametrize("script", ["tap", "bridge", "dhcp"])
def test_missing_right_is_one_sentence(script: str, lab: NetworkNamespace) -> None:
    """Without the right, one sentence names it and the remedy."""
    lab.script("tap", "up", "other", "--address", "10.0.9.1/24")
    done = lab.result(
        "setpriv", "--bounding-set=-net_admin", str(NETSETUP / script), "up", "other", env={"LC_ALL": "C"}
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "CAP_NET_ADMIN" in done.stderr
    assert "sudo" in done.stderr
    assert "unshare -rn" in done.stderr


@pytest.mark.requirement("L-38")
@pytest.mark.parametrize(("device", "sentence"), [("/dev/nothing", "modprobe tun"), ("/dev/full", "tap10")])
def test_missing_tun_device(device: str, sentence: str, lab: NetworkNamespace) -> None:
    """In a container without the device one sentence reports it; with a device node `up` creates the tap."""
    done = lab.result(str(NETSETUP / "tap"), "up", env={"HERMIT_TUN": device})
    assert (done.returncode == 0) == (device == "/dev/full")
    assert sentence in done.stderr + lab.run("ip", "-br", "link")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tap", "up", "lo"], "lo exists and is not a tap"),
        (["bridge", "up", "lo"], "lo exists and is not a bridge"),
        (["tap", "up", "--address", "10.0.5.300/24"], "not an IPv4 address with prefix"),
        (["tap", "up", "--address", "10.0.5.1"], "not an IPv4 address with prefix"),
        (["tap", "up", "a/../../b"], "not an interface name"),
        (["tap", "up", "sixteen-letters-"], "not an interface name"),
        (["tap", "--user"], "--user needs a value"),
        (["tap"], "tap up, tap down or tap status"),
        (["tap", "up", "--frobnicate"], "unknown option --frobnicate"),
        (["tap", "up", "--address", "10.1.2.3/30"], "10.1.2.3/30: the network itself or its broadcast address"),
        (["dhcp", "up"], "tap10 has no address"),
    ],
)
def test_wrong_calls_are_refused(words: list[str], sentence: str, lab: NetworkNamespace) -> None:
    """Each is one sentence, and nothing changes."""
    before = network(lab)
    with pytest.raises(LaunchError, match=sentence):
        lab.script(*words)
    assert network(lab) == before


OPTIONS = {
    "tap": ("--address", "--route", "--user", "--netns", ""),
    "bridge": ("--tap",),
    "dhcp": ("--range",),
}


def test_no_word_reaches_a_shell(lab: NetworkNamespace, tmp_path: Path) -> None:
    """Whatever an option contains, nothing of it is executed, neither at once nor by `down`."""
    target = tmp_path / "target"
    quoted = f'10.0.5.2");system("touch {target}")#,10.0.5.9'  # for the script of awk
    words = [f"$(touch {target})", f"`touch {target}`", f";touch {target};", quoted]
    before = network(lab)
    for script, options in OPTIONS.items():
        for option, word in product(options, words):
            with suppress(LaunchError):
                lab.script(script, "up", *([option] if option else []), word)
        with suppress(LaunchError):
            lab.script(script, "down")
    assert not target.exists()
    assert network(lab) == before


@pytest.mark.parametrize("option", ["--address", "--route"])
def test_second_line_is_not_recorded(option: str, lab: NetworkNamespace, tmp_path: Path) -> None:
    """A line of the state file that the user wrote would let `down` write to any file."""
    target = tmp_path / "target"
    target.write_text("old")
    with pytest.raises(LaunchError, match="not an IPv4 address with prefix"):
        lab.script("tap", "up", option, f"10.0.5.1/24\nsetting new {target}")
    lab.script("tap", "down")
    assert target.read_text() == "old"


@pytest.mark.parametrize(
    ("host", "words", "sentence"),
    [
        ("10.1.2.1/32", [], "10.1.2.1/32 of tap10: its network has no address for a guest"),
        ("10.0.5.1/24", ["--range", "10.0.6.1,10.0.6.9"], "not FIRST,LAST in the network 10.0.5.1/24 of tap10"),
        ("10.0.5.1/24", ["--range", "10.0.5.9,10.0.5.2"], "--range 10.0.5.9,10.0.5.2: not FIRST,LAST"),
        ("10.0.5.1/24", ["--range", "few"], "--range few: not FIRST,LAST"),
    ],
)
def test_dhcp_without_a_possible_lease(host: str, words: list[str], sentence: str, lab: NetworkNamespace) -> None:
    """A server that could give no address to a guest is refused in one sentence."""
    lab.script("tap", "up", "--address", host)
    before = network(lab)
    with pytest.raises(LaunchError, match=sentence):
        lab.script("dhcp", "up", *words)
    assert network(lab) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script: str) -> None:
    """Each script explains itself, without rights and without a network."""
    done = subprocess.run([NETSETUP / script, "--help"], capture_output=True, text=True, check=True, timeout=20)
    assert f"usage: {script} up|down|status" in done.stdout
    assert "--dry-run" in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_hermitctl_net_runs_the_scripts(script: str) -> None:
    """`hermitctl net tap up` runs the script of that name."""
    words = [script, "up", "--dry-run"]
    ours, theirs = (
        subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
        for argv in ([sys.executable, "-m", "hermit_harness", "net", *words], [str(NETSETUP / script), *words[1:]])
    )
    assert ours == theirs
    assert script != "tap" or ours == FOUR


def test_bridge_and_dhcp_in_a_named_namespace(lab: NetworkNamespace) -> None:
    """With --netns bridge and DHCP server are created and undone in that namespace."""
    lab.script("netns", "up", "blue")
    lab.script("netns", "up", "blue")
    before = network(lab), lab.run("ip", "-n", "blue", "-br", "addr")
    lab.script("bridge", "up", "--tap", "tap10", "--netns", "blue")
    lab.script("dhcp", "up", "hermitbr0", "--netns", "blue")
    assert "hermitbr0: has tap10" in lab.script("bridge", "status", "--netns", "blue")
    assert "DHCP server" in lab.script("dhcp", "status", "hermitbr0", "--netns", "blue")
    assert lab.run("ss", "-ulnH") == ""
    assert "hermitbr0:67" in lab.run("ip", "netns", "exec", "blue", "ss", "-ulnH")
    lab.script("dhcp", "down", "hermitbr0", "--netns", "blue")
    lab.script("bridge", "down", "--netns", "blue")
    assert (network(lab), lab.run("ip", "-n", "blue", "-br", "addr")) == before


def test_foreign_bridge_is_kept(lab: NetworkNamespace) -> None:
    """After `down` a bridge, a tap and the forwarding from another source are unchanged."""
    lab.run("ip", "link", "add", "br7", "address", "52:54:00:00:00:07", "type", "bridge")
    lab.run("ip", "tuntap", "add", "tap10", "mode", "tap")
    before = network(lab)
    lab.script("bridge", "up", "br7", "--tap", "tap10", "--forward")
    assert "br7: has tap10" in lab.script("bridge", "status", "br7")
    assert lab.run("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
    lab.script("bridge", "down", "br7")
    assert network(lab) == before
