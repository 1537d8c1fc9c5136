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
# With the default mask the first would not be a neighbour.
NEIGHBOUR, STRANGER = "10.0.77.1", "192.168.77.1"
MINE = replace(TAP, address=ADDRESS)
WORDS = {"ip": ADDRESS, "gateway": GATEWAY, "mask": MASK}


@pytest.mark.requirement("L-41", "L-42", "R-14", "W-17", "M-29")
@pytest.mark.parametrize(
    ("attachment", "given"),
    [
        (replace(MINE, variant="-configured"), ""),
        (MINE, " ".join(f"-{name} {value}" for name, value in WORDS.items())),
        (MINE, " ".join(f"env=HERMIT_{name.upper()}={value}" for name, value in WORDS.items())),
    ],
    ids=["built-in", "by-argument", "by-variable"],
)
def test_address_gateway_and_mask(attachment: Attachment, given: str, serve: Serve) -> None:
    """The guest answers at its address and not at the default one.

    It sends ARP requests for neighbours, and uses its gateway for others.
    """
    served = serve(attachment, "echo", kernel_args=given)
    for address in (GATEWAY, NEIGHBOUR, STRANGER):
        served.namespace.run("ip", "address", "add", f"{address}/32", "dev", "tap10")
    # It does not answer an ARP request from a foreign address.
    served.namespace.run("ip", "neighbour", "add", ADDRESS, "lladdr", DEFAULT_MAC, "nud", "permanent", "dev", "tap10")
    with served.guest:
        served.wait_until_listening(ECHO)
        for client_address in (NEIGHBOUR, STRANGER):
            with served.namespace.socket() as client:
                client.settimeout(CLIENT_SECONDS)
                client.bind((client_address, 0))
                client.connect((ADDRESS, ECHO))
                client.sendall(b"from far away")
                assert client.recv(100) == b"from far away"
        assert served.namespace.result("ping", "-c", "1", "-W", "1", GUEST_ADDRESS).returncode == 1
    asked = {frame.target for frame in served.frames() if frame.sender == DEFAULT_MAC and frame.kind == "arp-request"}
    assert {GATEWAY, NEIGHBOUR} <= asked
    assert STRANGER not in asked
