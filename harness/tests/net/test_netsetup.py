# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The scripts of netsetup/, each run in a namespace of the test's own: what they make, and that it can be undone."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hermit_harness.net.netns import NETSETUP, Lab
from hermit_harness.vm.process import LaunchError

FOUR = """\
ip tuntap add tap10 mode tap
ip addr add 10.0.5.1/24 broadcast 10.0.5.255 dev tap10
ip link set dev tap10 up
echo 1 >/proc/sys/net/ipv4/conf/tap10/proxy_arp
"""
SCRIPTS = ("tap", "bridge", "dhcp", "netns")


def network(lab: Lab) -> str:
    """Everything that a script could change, as one text (without interface numbers and addresses made up by Linux)."""
    words = "ip -br link; ip -br addr; ip route; cat /proc/sys/net/ipv4/ip_forward; find /run -type f"
    return lab.run("sh", "-c", words + "; ps -e -o comm= | grep -c dnsmasq || :")


@pytest.mark.requirement("L-37", "R-11", "W-15", "M-26")
def test_dry_run_prints_the_four_commands(lab: Lab) -> None:
    """What is done is shown with --dry-run, and is what the manuals say; nothing is changed."""
    before = network(lab)
    assert lab.script("tap", "up", "--dry-run") == FOUR
    assert network(lab) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_dry_run_of_every_script(script: str, lab: Lab) -> None:
    """--dry-run prints what `up` and `down` would do, which is something, and nothing is changed; the printed lines,
    run by hand, undo what `up` made."""
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
def test_status(script: str, lab: Lab) -> None:
    """What is there is told with status 0, what is not with another one."""
    lab.script("tap", "up")
    lab.script("tap", "down")
    none = lab.result(str(NETSETUP / script), "status", "blue")
    assert (none.returncode, none.stdout.partition(":")[0]) == (1, "blue")
    if script == "dhcp":
        lab.script("tap", "up", "blue")
    lab.script(script, "up", "blue")
    assert lab.script(script, "status", "blue").startswith("blue: ")


def test_the_four_commands_do_the_same_as_the_script(lab: Lab) -> None:
    """The printed lines are shell: run by hand they make what `up` makes."""
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
def test_tap_up_twice_then_down_twice(name: str, lab: Lab) -> None:
    """Both may be repeated; `down` leaves the network as it was."""
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
def test_forwarding_comes_back_as_it_was(old: str, lab: Lab) -> None:
    """Off unless asked for; `down` restores what `up` found."""
    forward = "/proc/sys/net/ipv4/ip_forward"
    lab.run("sh", "-c", f"echo {old} >{forward}")
    lab.script("tap", "up")
    assert lab.run("cat", forward).strip() == old
    lab.script("tap", "up", "--forward")
    assert lab.run("cat", forward).strip() == "1"
    lab.script("tap", "down")
    assert lab.run("cat", forward).strip() == old


@pytest.mark.requirement("M-26")
def test_what_was_there_stays(lab: Lab) -> None:
    """A tap that somebody else made is completed by `up`, and `down` takes back only what `up` did: link, further
    address, route, proxy ARP and forwarding."""
    lab.run("ip", "tuntap", "add", "tap10", "mode", "tap")
    lab.run("ip", "addr", "add", "10.0.5.1/24", "broadcast", "10.0.5.255", "dev", "tap10")
    settings = ("tap10/proxy_arp", "all/forwarding")
    told = ("cat", *(f"/proc/sys/net/ipv4/conf/{name}" for name in settings))
    before = network(lab), lab.run(*told)
    lab.script("tap", "up")
    lab.script("tap", "up", "--address", "10.0.6.1/24", "--route", "192.0.2.0/24", "--forward")
    assert "192.0.2.0/24" in network(lab)
    assert lab.run(*told) == "1\n1\n"
    lab.script("tap", "down")
    assert (network(lab), lab.run(*told)) == before
    with pytest.raises(LaunchError, match="tap10 was not made by tap, so it stays"):
        lab.script("tap", "down")


@pytest.mark.requirement("M-26")
def test_other_address_and_route(lab: Lab) -> None:
    """Another network, and a route to one behind the tap."""
    lab.script("tap", "up", "--address", "172.16.3.129/25", "--route", "192.0.2.0/24")
    assert "172.16.3.129/25 broadcast 172.16.3.255" in lab.script("tap", "status")
    assert "192.0.2.0/24 dev tap10" in lab.run("ip", "route")


@pytest.mark.requirement("L-38")
def test_owner(lab: Lab) -> None:
    """The tap may belong to a user, who then needs no rights to use it."""
    lab.script("tap", "up", "--user", "root")
    assert "user root" in lab.run("ip", "-d", "link", "show", "tap10")
    assert lab.script("tap", "status").endswith(", owner root\n")
    lab.script("tap", "up", "other", "--address", "10.0.9.1/24")
    with pytest.raises(LaunchError, match="other is there and belongs to nobody"):
        lab.script("tap", "up", "other", "--address", "10.0.9.1/24", "--user", "root")


@pytest.mark.requirement("M-29")
def test_bridge_with_two_taps(lab: Lab) -> None:
    """A bridge of any name; taps in it; a further one may come later; all of it goes."""
    before = network(lab)
    lab.script("bridge", "up", "bridge102", "--tap", "tap10")
    lab.script("bridge", "up", "bridge102", "--tap", "tap11")
    status = lab.script("bridge", "status", "bridge102").splitlines()
    assert status[0].startswith("bridge102: 10.0.5.1/24 broadcast 10.0.5.255, UP")
    assert status[1:] == ["bridge102: has tap10", "bridge102: has tap11"]
    lab.script("bridge", "down", "bridge102")
    assert network(lab) == before


def test_dhcp_server_hears_its_interface_only(lab: Lab) -> None:
    """The server is bound to the tap; nothing of it is left afterwards."""
    lab.script("tap", "up")
    lab.script("tap", "up", "tap100", "--address", "10.0.6.1/24")
    before = network(lab)
    lab.script("dhcp", "up")
    lab.script("dhcp", "up")
    sockets = [line.split()[3] for line in lab.run("ss", "-ulnH").splitlines()]
    assert sockets == ["0.0.0.0%tap10:67"]
    lab.script("dhcp", "down")
    assert network(lab) == before


@pytest.mark.requirement("N-21")
def test_qemu_calls_the_pair(lab: Lab) -> None:
    """Script= and downscript= of QEMU's tap; with HERMIT_BRIDGE the tap goes into that bridge."""
    lab.run("ip", "tuntap", "add", "qtap", "mode", "tap")
    lab.script("hermit-ifup", "qtap")
    assert "10.0.5.1/24" in lab.script("tap", "status", "qtap")
    lab.script("hermit-ifdown", "qtap")
    assert "10.0.5.1/24" not in lab.script("tap", "status", "qtap")
    lab.script("bridge", "up", "br7")
    lab.result(str(NETSETUP / "hermit-ifup"), "qtap", env={"HERMIT_BRIDGE": "br7"}).check_returncode()
    assert "br7: has qtap" in lab.script("bridge", "status", "br7")


def test_named_namespace(lab: Lab) -> None:
    """--netns: the work is done in there, by the same commands, and is undone in there."""
    shown = lab.script("tap", "up", "--netns", "blue", "--dry-run")
    assert shown.startswith("ip netns exec blue ip tuntap add tap10 mode tap\n")
    with pytest.raises(LaunchError, match=r"there is no namespace blue: .*/netns up blue makes it"):
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
def test_missing_right_is_one_sentence(script: str, lab: Lab) -> None:
    """Without the right, one sentence says which one is missing and what to do."""
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
def test_missing_tun_device(device: str, sentence: str, lab: Lab) -> None:
    """In a container without the device one sentence says so; with it (any will do for `up`) the tap is made."""
    done = lab.result(str(NETSETUP / "tap"), "up", env={"HERMIT_TUN": device})
    assert (done.returncode == 0) == (device == "/dev/full")
    assert sentence in done.stderr + lab.run("ip", "-br", "link")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["tap", "up", "lo"], "lo is there already, and is not a tap"),
        (["bridge", "up", "lo"], "lo is there already, and is not a bridge"),
        (["tap", "up", "--address", "10.0.5.300/24"], "no IPv4 address with a prefix"),
        (["tap", "up", "--address", "10.0.5.1"], "no IPv4 address with a prefix"),
        (["tap", "up", "a/../../b"], "no name of an interface"),
        (["tap", "up", "sixteen-letters-"], "no name of an interface"),
        (["tap", "--user"], "--user wants a value"),
        (["tap"], "tap up, tap down or tap status"),
        (["tap", "up", "--frobnicate"], "unknown option --frobnicate"),
        (["dhcp", "up"], "tap10 has no address yet"),
    ],
)
def test_wrong_calls_are_refused(words: list[str], sentence: str, lab: Lab) -> None:
    """One sentence each, and nothing is changed."""
    before = network(lab)
    with pytest.raises(LaunchError, match=sentence):
        lab.script(*words)
    assert network(lab) == before


@pytest.mark.parametrize("script", SCRIPTS)
def test_help(script: str) -> None:
    """Each script says what it is for, without rights and without a network."""
    done = subprocess.run([NETSETUP / script, "--help"], capture_output=True, text=True, check=True, timeout=20)
    assert f"usage: {script} up|down|status" in done.stdout
    assert "--dry-run" in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_hermitctl_net_calls_them(script: str) -> None:
    """`hermitctl net tap up` is the script of that name."""
    words = [script, "up", "--dry-run"]
    ours, theirs = (
        subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
        for argv in ([sys.executable, "-m", "hermit_harness", "net", *words], [str(NETSETUP / script), *words[1:]])
    )
    assert ours == theirs
    assert script != "tap" or ours == FOUR


def test_everything_in_a_named_namespace(lab: Lab) -> None:
    """--netns: bridge and DHCP server, too, are made in there and undone in there."""
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


def test_bridge_that_was_there_stays(lab: Lab) -> None:
    """A bridge and a tap that somebody else made are as they were when `down` is done, and forwarding, too."""
    lab.run("ip", "link", "add", "br7", "address", "52:54:00:00:00:07", "type", "bridge")
    lab.run("ip", "tuntap", "add", "tap10", "mode", "tap")
    before = network(lab)
    lab.script("bridge", "up", "br7", "--tap", "tap10", "--forward")
    assert "br7: has tap10" in lab.script("bridge", "status", "br7")
    assert lab.run("cat", "/proc/sys/net/ipv4/ip_forward") == "1\n"
    lab.script("bridge", "down", "br7")
    assert network(lab) == before
