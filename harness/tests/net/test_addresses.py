# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The guest's address, netmask and gateway, given at the kernel's build and at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from hermit_harness.matrix.servers import CLIENT_SECONDS, TAP, Attachment, ServerGuest
from hermit_harness.net.netns import GUEST_ADDRESS
from hermit_harness.vm.nic import DEFAULT_MAC

Serve = Callable[..., ServerGuest]
ECHO = 8080
ADDRESS, GATEWAY, MASK = "10.0.5.100", "10.0.5.2", "255.255.0.0"
# With the default mask the first is not a neighbour.
NEIGHBOUR, STRANGER = "10.0.77.1", "192.168.77.1"
MINE = replace(TAP, address=ADDRESS)
BUILT_IN = {"ip": ADDRESS, "gateway": GATEWAY, "mask": MASK}
# None of these is in the kernel, and with this mask NEIGHBOUR is a stranger, too.
OTHERS = {"ip": "10.0.5.101", "gateway": "10.0.5.9", "mask": "255.255.255.0"}


def by_argument(settings: dict[str, str]) -> str:
    return " ".join(f"-{name} {value}" for name, value in settings.items())


def by_variable(settings: dict[str, str]) -> str:
    return " ".join(f"env=HERMIT_{name.upper()}={value}" for name, value in settings.items())


@pytest.mark.requirement("L-41", "L-42", "R-14", "W-17", "M-29")
@pytest.mark.parametrize(
    ("attachment", "given", "settings"),
    [
        (replace(MINE, variant="-configured"), "", BUILT_IN),
        (MINE, by_argument(BUILT_IN), BUILT_IN),
        (MINE, by_variable(BUILT_IN), BUILT_IN),
        (replace(TAP, variant="-configured", address=OTHERS["ip"]), by_argument(OTHERS), OTHERS),
        (replace(TAP, variant="-configured", address=OTHERS["ip"]), by_variable(OTHERS), OTHERS),
    ],
    ids=["built-in", "by-argument", "by-variable", "argument-wins", "variable-wins"],
)
def test_address_gateway_and_mask(attachment: Attachment, given: str, settings: dict[str, str], serve: Serve) -> None:
    """The guest answers at its address and not at another one.

    It sends ARP requests for neighbours, and uses its gateway for others. What is given at its start replaces what is
    in its kernel.
    """
    served = serve(attachment, "echo", kernel_args=given)
    address, gateway = settings["ip"], settings["gateway"]
    for host_address in (gateway, NEIGHBOUR, STRANGER):
        served.namespace.run("ip", "address", "add", f"{host_address}/32", "dev", "tap10")
    # It does not answer an ARP request from a foreign address.
    served.namespace.run("ip", "neighbour", "add", address, "lladdr", DEFAULT_MAC, "nud", "permanent", "dev", "tap10")
    with served.guest:
        served.wait_until_listening(ECHO)
        for client_address in (NEIGHBOUR, STRANGER):
            # The kernel sends one ARP request per second. Until then it cannot answer a SYN, and it can reset the
            # connection when the client repeats its SYN. A ping makes the kernel ask.
            served.namespace.run("ping", "-I", client_address, "-c", "1", "-w", f"{CLIENT_SECONDS:.0f}", address)
            with served.namespace.socket() as client:
                client.settimeout(CLIENT_SECONDS)
                client.bind((client_address, 0))
                client.connect((address, ECHO))
                client.sendall(b"from far away")
                assert client.recv(100) == b"from far away"
        for other in {GUEST_ADDRESS, ADDRESS} - {address}:
            assert served.namespace.result("ping", "-c", "1", "-W", "1", other).returncode == 1
    asked = {frame.target for frame in served.frames() if frame.sender == DEFAULT_MAC and frame.kind == "arp-request"}
    neighbours = {NEIGHBOUR} if settings["mask"] == MASK else set()
    assert asked & {GATEWAY, OTHERS["gateway"], NEIGHBOUR, STRANGER} == {gateway} | neighbours
