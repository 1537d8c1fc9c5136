# SPDX-License-Identifier: Apache-2.0 OR MIT
"""When nobody listens: a guest for each step that can fail, and what the doctor says of it. And what a person sees."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.net.doctor import Finding, Sight, diagnose
from hermit_harness.net.guest import Guest
from hermit_harness.net.plan import Plan
from hermit_harness.net.serve import TAP, WAYS, Served
from hermit_harness.net.wire import Wire

Serve = Callable[..., Served]
NETWORK = "10.0.5.0/24"
LEASE = next(way for way in WAYS if way.id == "tap-dhcp")


def finding(served: Served, port: int = 8080) -> Finding:
    """What the doctor says of a guest, as `hermitctl run` would ask."""
    link = Plan(served.spec.net, lab=served.lab).host_link()
    return diagnose(
        Sight(
            served.wire.seen, served.guest.console, port, served.wire.address, link, NETWORK, served.way.card, "tap10"
        )
    )


def test_no_driver(serve: Serve) -> None:
    """A card that the kernel was not built for."""
    served = serve(replace(TAP, card="rtl8139"), "echo")
    with served.guest as guest:
        guest.finish()
        told = finding(served)
    assert told.step == "driver"
    assert "rtl8139" in str(told)


def test_no_link(serve: Serve) -> None:
    """The host's end of the tap is down: the guest listens, but nobody can reach it."""
    served = serve(TAP, "echo")
    served.lab.run("ip", "link", "set", "tap10", "down")
    with served.guest:
        served.ready(8080)
        told = finding(served)
    assert (told.step, told.cure) == ("link", "netsetup/tap up tap10 brings it up")


def test_no_address(serve: Serve) -> None:
    """The guest asks for a lease and nobody gives one."""
    served = serve(replace(LEASE, lease=False), "echo")
    with served.guest as guest:
        guest.wait(lambda: "discover" in served.wire.seen.dhcp)
        told = finding(served)
    assert told.step == "address"
    assert "nobody offers one" in told.cause


def test_address_of_another_network(serve: Serve) -> None:
    """The guest has an address, but not one that the host's side can reach."""
    served = serve(TAP, "echo", kernel_args="-ip 10.0.6.3 -gateway 10.0.6.1")
    with served.guest:
        served.ready(8080)
        told = finding(served)
    assert (told.step, told.cause) == ("address", "the guest is at 10.0.6.3, which is not in 10.0.5.0/24")


def test_no_answer_to_arp(serve: Serve) -> None:
    """The guest's netmask is so narrow that it hears nobody."""
    served = serve(replace(TAP, mute=True), "echo", ports=("tcp:8080",), kernel_args="-mask 255.255.255.255")
    with served.guest as guest:
        guest.wait_for_text("listening on TCP port 8080")
        asked = served.wire.asked
        guest.wait(lambda: served.wire.asked > asked + 1)
        told = finding(served)
    assert (told.step, told.cause) == ("arp", "nobody answers to ARP requests for 10.0.5.3")
    assert "-mask" in told.cure


def test_closed_port(serve: Serve) -> None:
    """The guest is there, and refuses."""
    served = serve(replace(TAP, mute=True), "echo", ports=("tcp:8081",))
    with served.guest as guest:
        guest.wait(lambda: 8081 in served.wire.seen.tcp_closed)
        told = finding(served, 8081)
    assert (told.step, told.cause) == ("port", "the guest is there, but its port 8081 is closed")


def test_all_is_well(serve: Serve) -> None:
    """With nothing wrong there is no finding."""
    served = serve(replace(TAP, mute=True), "echo", ports=("tcp:8080",))
    with served.guest:
        served.ready(8080)
        assert finding(served).step == ""


def test_listening_is_found_without_a_view_of_the_wire(serve: Serve) -> None:
    """L-44: as it is with vhost=on, where frames pass QEMU by: then the question is a connection."""
    served = serve(TAP, "echo", captured=False)
    spec = replace(served.spec, net=replace(served.spec.net, watched=False))
    wire = Wire(spec.net.mac, "10.0.5.3", (8080,), knock=served.lab.socket)
    with Guest(spec, served.lab, None, wire) as guest:
        guest.wait(lambda: 8080 in wire.seen.tcp_open)
        assert b"listening on TCP port 8080" in guest.console
        assert wire.seen.sent == 0


@contextmanager
def hermitctl(*words: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], Callable[[str], str]]]:
    """`hermitctl run` in the background, and a function that waits for a line of ours that holds a text."""
    argv = [sys.executable, "-m", "hermit_harness", "run", *words]
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **variables},
    )  # fmt: skip
    seen: list[str] = []

    def line_with(text: str) -> str:
        assert process.stderr is not None
        for line in process.stderr:
            seen.append(line)
            if text in line:
                return line.rstrip("\n")
        raise AssertionError("".join(seen))

    with process:
        try:
            yield process, line_with
        finally:
            process.kill()


def test_run_tells_when_and_where_the_guest_listens() -> None:
    """L-44, W-24: one line when the guest really answers on the wire; the namespace that is named is the guest's, and
    goes with the program."""
    with hermitctl("--net", "tap", "--isolate", "real-echo-0.11.0") as (process, line_with):
        enter = re.findall(r"into it: (nsenter .*) sh$", line_with("namespace of its own"))[0].split()
        assert "vhost" in line_with("vhost=")
        assert re.search(r"the guest listens: 10\.0\.5\.3:8080, \d+ ms after its start$", line_with("listens"))
        subprocess.run([*enter, "ping", "-c", "1", "-W", "10", "10.0.5.3"], check=True, capture_output=True, timeout=30)
        holder = enter[enter.index("--target") + 1]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    assert not os.path.exists(f"/proc/{holder}/ns/net")


def test_run_by_variables() -> None:
    """C-25, C-27, C-28, M-29: HERMIT_NETIF turns the network on, HERMIT_IP and its like reach the guest."""
    variables = {"HERMIT_NETIF": "tap100", "HERMIT_IP": "10.0.5.9", "HERMIT_GATEWAY": "10.0.5.2"}
    with hermitctl("--isolate", "real-echo-0.11.0", **variables) as (_, line_with):
        assert "10.0.5.9:8080" in line_with("the guest listens")


def test_run_says_which_step_failed() -> None:
    """The doctor speaks by itself when the application has ended without listening."""
    words = ("--net", "tap", "--nic", "virtio-transitional", "--isolate", "real-echo-0.11.0")
    with hermitctl(*words) as (process, line_with):
        assert "has no driver for this kind of card" in line_with("network, step driver")
        assert process.wait(60) == 1


def test_run_without_the_tap_says_how_to_make_it() -> None:
    """C-27: an absent tap is one line with the command that makes it."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--netif", "no-such-tap", "real-echo-0.11.0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 125
    assert done.stderr == (
        "hermitctl: there is no no-such-tap: sudo netsetup/tap up no-such-tap --user $USER makes it; "
        "--isolate needs neither\n"
    )


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
def test_dry_run_shows_the_card(words: list[str], text: str) -> None:
    """W-26: what is asked for stands on QEMU's command line; 512 MB with a network unless told otherwise (M-28)."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", *words, "real-echo-0.11.0"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert text in done.stdout
    assert "-m 512M" in done.stdout


def test_bare_name_in_a_cargo_project(tmp_path: Path) -> None:
    """W-39: the application that cargo built for Hermit, the newer one of debug and release."""
    for profile, age in (("debug", 100), ("release", 200)):
        file = tmp_path / "target" / "x86_64-unknown-hermit" / profile / "mine"
        file.parent.mkdir(parents=True)
        file.write_bytes(images()["hello"].path.read_bytes())
        os.utime(file, (age, age))
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "mine"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path)
    assert "-initrd target/x86_64-unknown-hermit/release/mine" in done.stdout


def test_demo_and_measurement() -> None:
    """M-17: what is typed comes back. And the measurement ends with figures for both networks."""
    ctl = [sys.executable, "-m", "hermit_harness"]
    typed = "hello hermit\nGrüße\n"
    done = subprocess.run([*ctl, "demo"], input=typed, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == typed
    argv = [*ctl, "bench-net", "--runs", "1", "--seconds", "0.2"]
    figures = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=120).stdout.splitlines()
    assert [line.split()[1] for line in figures] == ["tap", "user-virtio"]
    assert all(re.search(r"median \d+ ms of 1; \d+ requests/s", line) for line in figures)


@pytest.mark.parametrize(
    ("image", "more", "card"),
    [
        ("real-echo-0.11.0-rtl8139", (), "rtl8139,netdev=net0"),
        ("real-echo-0.11.0-riscv64", ("--target", "riscv64-sbi"), "virtio-net-device,netdev=net0"),
        ("real-echo-0.11.0", (), "virtio-net-pci,disable-legacy=on,netdev=net0"),
    ],
)
def test_card_by_the_driver_that_the_image_has(image: str, more: tuple[str, ...], card: str) -> None:
    """W-23: nobody has to know which card a build needs."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "--net", "user", *more, image]
    assert card in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def test_machine_without_a_list_of_cards() -> None:
    """microvm as the README has it tells a kernel of no card: one sentence names the machine that does."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--net", "user", "--machine", "microvm"]
    done = subprocess.run([*argv, "real-echo-0.11.0-microvm"], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1)
    assert "microvm-mmio does" in done.stderr


def test_without_a_word_there_is_no_network() -> None:
    """C-27: unset, no device."""
    argv = [sys.executable, "-m", "hermit_harness", "run", "--dry-run", "real-echo-0.11.0"]
    assert "netdev" not in subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout
