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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest
from _pytest.junitxml import xml_key

from hermit_harness import options
from hermit_harness.background import BackgroundGuest
from hermit_harness.boot import boot
from hermit_harness.cli import config
from hermit_harness.cli.libtest import xml_text
from hermit_harness.cli.main import build_parser
from hermit_harness.cli.run import make_spec
from hermit_harness.cli.run_network import RunNetwork
from hermit_harness.cli.summary import properties
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

SECONDS = 60  # a test's guest may run, unless it says timeout=


class Server:
    """A guest that runs while the test talks with it."""

    def __init__(self, guest: BackgroundGuest, network: RunNetwork) -> None:
        self._guest, self._network = guest, network
        self._expected = 0  # bytes of the console up to the end of the last match

    @property
    def console(self) -> bytes:
        """What it has printed so far."""
        return self._guest.console

    def wait_for_text(self, text: str, seconds: float = SECONDS) -> None:
        """Until it has printed `text`; AssertionError with the console's end when it has not by then."""
        self._guest.wait_for_text(text, seconds)

    def expect(self, pattern: str, seconds: float = SECONDS) -> re.Match[str]:
        """Wait until a regular expression matches what follows the last match, and return the match.

        It is tried on what has arrived, so a pattern ends with what follows the part that matters. The console's lines
        end with a newline only, and what is not UTF-8 is escaped. AssertionError as in wait_for_text().
        """
        compiled = re.compile(pattern, re.M)

        def match() -> re.Match[str] | None:
            return compiled.search(as_text(self._guest.console), self._expected)

        self._guest.wait(match, seconds)
        found = match()
        assert found
        self._expected = found.end()
        return found

    def write(self, text: str | bytes) -> None:
        """Type a text at the guest's console. A line ends with a newline."""
        self._guest.write(text.encode() if isinstance(text, str) else text)

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

    def __init__(self, directory: Path, defaults: Mapping[str, object] | None = None) -> None:
        self._directory, self._count = directory, 0
        self._defaults = {name: value for name, value in (defaults or {}).items() if value}
        self.outcomes: list[tuple[RunSpec, Outcome]] = []

    def __call__(self, app: str | Path, *args: object, expect: str = "exit 0", **named: object) -> Outcome:
        """Boot `app` as `hermitctl run APP -- ARGS` does, and insist on its end: "exit 3", "panic", "refused 73",
        "timeout", "hang" …; "" takes any.

        `named` are hermitctl's options with _ for -: machine="microvm", mem="64M", kernel_args="env=A=b",
        forward=["8080:8080"], isolate=True.
        """
        arguments = parse(app, args, self._defaults | named)
        spec, image, _ = make_spec(arguments)
        with RunNetwork(arguments, spec, image) as network:
            outcome = boot(
                network.spec,
                self._next_directory(),
                namespace_command=network.network.namespace_command,
                watchers=network.watchers,
            )
        self.outcomes.append((spec, outcome))
        if expect and not outcome.matches(expect):
            pytest.fail(failure_text(outcome, expect), pytrace=False)
        return outcome

    @contextmanager
    def start(self, app: str | Path, *args: object, **named: object) -> Iterator[Server]:
        """The same in the background, for as long as the `with` lasts."""
        arguments = parse(app, args, self._defaults | named)
        spec, image, _ = make_spec(arguments)
        with RunNetwork(arguments, spec, image) as network:
            guest = BackgroundGuest(network.spec, network.network.namespace, self._next_directory(), network.monitor)
            try:
                with guest:
                    yield Server(guest, network)
            finally:
                if guest.outcome:
                    self.outcomes.append((spec, guest.outcome))

    def _next_directory(self) -> Path:
        self._count += 1
        return self._directory / str(self._count)


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
    config.settle(parsed)
    parsed.app, parsed.app_words = str(app), [str(word) for word in args]
    return parsed


def failure_text(outcome: Outcome, expected: str) -> str:
    """Describe a failed boot: verdict, cause, blame, the end of the console, the artifacts directory."""
    rows = {
        "cause": outcome.cause,
        "hint": outcome.hint,
        "who should act": outcome.blame,
        "files": str(outcome.artifacts or ""),
        "console ends with": "\n" + outcome.console[-800:].decode("utf-8", "backslashreplace"),
    }
    lines = [f"{name}: {text}" for name, text in rows.items() if text.strip()]
    return "\n".join((f"{outcome}; expected {expected}", *lines))


def as_text(console: bytes) -> str:
    """Return console bytes as text: lines end with a newline only, and what is not UTF-8 is escaped."""
    return console.replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")


# Defaults for the calls of a test session: option of pytest, option of hermitctl, its help.
OPTIONS = {
    "machine": "the machine of calls that name none, for example q35",
    "loader": "the loader of calls that name none: a file, or a target's name",
    "accel": "the accelerator of calls that name none: tcg (the default), kvm",
}
MARKER = "hermit(machines): boot on each of these machines, as a test for each"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's own options to pytest."""
    group = parser.getgroup("hermit")
    group.addoption(
        "--hermit-artifacts",
        metavar="DIR",
        default="",
        help="keep what each guest leaves in DIR/TEST/NUMBER; default: in the test's temporary directory",
    )
    for name, text in OPTIONS.items():
        group.addoption(f"--hermit-{name}", metavar=name.upper(), default="", help=text)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and what writes consoles into JUnit's file."""
    config.addinivalue_line("markers", MARKER)
    config.pluginmanager.register(ConsolesInJunit(config), "hermit-consoles")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test for each machine of the marker."""
    marker = metafunc.definition.get_closest_marker("hermit")
    if marker and "hermit_machine" in metafunc.fixturenames:
        metafunc.parametrize("hermit_machine", marker.kwargs.get("machines", ()))


@pytest.fixture
def hermit_machine(request: pytest.FixtureRequest) -> str:
    """The machine of a test where a call names none: the marker's, else the one of --hermit-machine."""
    return str(request.config.getoption("--hermit-machine"))


@pytest.fixture
def hermit(request: pytest.FixtureRequest, hermit_machine: str) -> Iterator[Hermit]:
    """Boots applications: `hermit("my-app", "argument", machine="microvm")`."""
    defaults = {name: request.config.getoption(f"--hermit-{name}") for name in OPTIONS} | {"machine": hermit_machine}
    booting = Hermit(_directory(request), defaults)
    yield booting
    # As record_property does, which warns of schemas of JUnit's that have no properties.
    recorded = request.node.user_properties
    for number, (spec, outcome) in enumerate(booting.outcomes, 1):
        for name, value in properties(spec, outcome).items():
            recorded.append((f"hermit.{number}.{name}", value))
        if outcome.artifacts:
            recorded.append((f"hermit.{number}.artifacts", str(outcome.artifacts)))
    request.node.stash[CONSOLES] = [outcome.console for _, outcome in booting.outcomes]


CONSOLES = pytest.StashKey[list[bytes]]()


def _directory(request: pytest.FixtureRequest) -> Path:
    kept = request.config.getoption("--hermit-artifacts")
    if not kept:
        return Path(request.getfixturevalue("tmp_path")) / "hermit"
    here = request.config.invocation_params.dir
    name = f"{os.path.relpath(request.path, here)}::{request.node.nodeid.partition('::')[2]}"
    return Path(here / kept / re.sub(r"[^\w.\[\]-]+", "-", name, flags=re.ASCII)[-150:])


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Attach the consoles of a test to the report of its end, which pytest-xdist sends to the main process."""
    result = yield
    if call.when == "teardown" and CONSOLES in item.stash:
        text = "\n".join(xml_text(console) for console in item.stash[CONSOLES])
        result.get_result().hermit_consoles = text  # type: ignore[attr-defined]


class ConsolesInJunit:
    """Writes consoles into JUnit's file, as system-out of their test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        xml, text = self._config.stash.get(xml_key, None), getattr(report, "hermit_consoles", "")
        if xml and text:
            element = ElementTree.Element("system-out")
            element.text = text
            xml.node_reporter(report).append(element)
