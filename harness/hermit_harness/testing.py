# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A plugin for pytest: tests of your own applications. In a conftest.py:

    pytest_plugins = ["hermit_harness.testing"]

Then a test takes the fixture `hermit`; docs/pytest.md has examples.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hermit_harness import options
from hermit_harness.background import BackgroundGuest
from hermit_harness.boot import boot
from hermit_harness.cli.main import build_parser
from hermit_harness.cli.run import make_spec
from hermit_harness.cli.run_network import RunNetwork
from hermit_harness.verdict.outcome import Outcome

SECONDS = 60  # a test's guest may run, unless it says timeout=


class Server:
    """A guest that runs while the test talks with it."""

    def __init__(self, guest: BackgroundGuest, network: RunNetwork) -> None:
        self._guest, self._network = guest, network

    @property
    def console(self) -> bytes:
        """What it has printed so far."""
        return self._guest.console

    def wait_for_text(self, text: str, seconds: float = SECONDS) -> None:
        """Until it has printed `text`; AssertionError with the console's end when it has not by then."""
        self._guest.wait_for_text(text, seconds)

    def wait_for_port(self, port: int, seconds: float = SECONDS) -> tuple[str, int]:
        """Until it answers at this TCP port; the address and port at which a client reaches it. AssertionError with
        the step of the network that keeps clients away."""
        self._guest.wait(lambda: port in self._network.monitor.traffic.tcp_open, seconds)
        # The guest answers on its wire; whether the network carries others there is another question.
        finding = self._network.diagnose_port(port)
        assert not finding.step, str(finding)
        forwards = self._network.network.nic.forwards
        reach = ((row.address, row.port) for row in forwards if (row.protocol, row.guest_port) == ("tcp", port))
        return next(reach, (self._network.monitor.address, port))

    def connect(self, port: int, seconds: float = SECONDS) -> socket.socket:
        """A connection to this TCP port of the guest, with isolate=True, too: then only this one reaches it."""
        address, namespace = self.wait_for_port(port, seconds), self._network.network.namespace
        client = namespace.socket() if namespace else socket.socket()
        client.settimeout(seconds)
        client.connect(address)
        return client

    def stop(self) -> Outcome:
        """End it where it still runs; how it ended."""
        return self._guest.stop()


class Hermit:
    """What the fixture `hermit` gives: call it to boot an application to its end."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0

    def __call__(self, app: str | Path, *args: object, expect: str = "exit 0", **named: object) -> Outcome:
        """Boot `app` as `hermitctl run APP -- ARGS` does, and insist on its end: "exit 3", "panic", "refused 73",
        "timeout", "hang" …; "" takes any.

        `named` are hermitctl's options with _ for -: machine="microvm", mem="64M", kernel_args="env=A=b",
        forward=["8080:8080"], isolate=True.
        """
        arguments = parse(app, args, named)
        spec, image, _ = make_spec(arguments)
        with RunNetwork(arguments, spec, image) as network:
            outcome = boot(
                network.spec,
                self._next_folder(),
                namespace_command=network.network.namespace_command,
                watchers=network.watchers,
            )
        if expect and not outcome.matches(expect):
            pytest.fail(failure_text(outcome, expect), pytrace=False)
        return outcome

    @contextmanager
    def start(self, app: str | Path, *args: object, **named: object) -> Iterator[Server]:
        """The same in the background, for as long as the `with` lasts."""
        arguments = parse(app, args, named)
        spec, image, _ = make_spec(arguments)
        with (
            RunNetwork(arguments, spec, image) as network,
            BackgroundGuest(network.spec, network.network.namespace, self._next_folder(), network.monitor) as guest,
        ):
            yield Server(guest, network)

    def _next_folder(self) -> Path:
        self._count += 1
        return self._folder / str(self._count)


def parse(app: str | Path, args: tuple[object, ...], named: dict[str, object]) -> argparse.Namespace:
    """The call as hermitctl's parser would have it. TypeError for an option that it does not have."""
    rows = {option.dest: option for option in options.OPTIONS}
    words = ["run"]
    for name, value in ({"timeout": SECONDS} | named).items():
        if name not in rows:
            similar = difflib.get_close_matches(name, rows, 1)
            raise TypeError(f"hermit has no option {name}" + (f"; did you mean {similar[0]}?" if similar else ""))
        flag = f"--{rows[name].flag}"
        if rows[name].kind == "yes":
            words += [flag] if value else []
        else:
            words += [f"{flag}={one}" for one in (value if isinstance(value, list | tuple) else (value,))]
    parsed = build_parser(words).parse_args(words)
    parsed.app, parsed.app_words = str(app), [str(word) for word in args]
    return parsed


def failure_text(outcome: Outcome, expected: str) -> str:
    """Describe a failed boot: verdict, cause, blame, the end of the console, the artifacts folder."""
    rows = {
        "cause": outcome.cause,
        "hint": outcome.hint,
        "who should act": outcome.blame,
        "files": str(outcome.artifacts or ""),
        "console ends with": "\n" + outcome.console[-800:].decode("utf-8", "backslashreplace"),
    }
    lines = [f"{name}: {text}" for name, text in rows.items() if text.strip()]
    return "\n".join((f"{outcome}; expected {expected}", *lines))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's own option to pytest."""
    parser.getgroup("hermit").addoption(
        "--hermit-artifacts",
        metavar="DIR",
        default="",
        help="keep what each guest leaves in DIR/TEST/NUMBER; default: in the test's temporary folder",
    )


@pytest.fixture
def hermit(request: pytest.FixtureRequest) -> Hermit:
    """Boots applications: `hermit("my-app", "argument", machine="microvm")`."""
    kept = request.config.getoption("--hermit-artifacts")
    if not kept:
        return Hermit(request.getfixturevalue("tmp_path") / "hermit")
    here = request.config.invocation_params.dir
    name = f"{os.path.relpath(request.path, here)}::{request.node.nodeid.partition('::')[2]}"
    return Hermit(here / kept / re.sub(r"[^\w.\[\]-]+", "-", name, flags=re.ASCII)[-150:])
