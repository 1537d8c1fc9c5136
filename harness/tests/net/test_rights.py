# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What an ordinary user can do, and the errors without a right. The user owns a copy of the tree.

The network is a namespace that root creates, with a /dev/net/tun of its own.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hermit_harness.fixtures import images
from hermit_harness.net.guest_network import SECOND_GUEST_ADDRESS
from hermit_harness.net.netns import GUEST_ADDRESS
from hermit_harness.net.socket_link import SocketLink
from hermit_harness.paths import BUILD, ROOT, TARGETS_TABLE, loader_file
from hermit_harness.vm.process import DIE_WITH_PARENT
from tests.support.cli import LineWith, hermitctl

NOBODY = "65534"
BECOME = ("setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--no-new-privs")
ECHO = "real-echo-0.11.0"
# Root creates the namespace and runs $1 in it, then the user runs the rest. /dev belongs to the namespace. The shell
# stays as PID 1: it dies with its parent and ends all processes. A process that changes its user loses its
# parent-death signal.
HERE = f"""
mount -t proc proc /proc; mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs "$0"; mknod "$0/tun" c 10 200
mount --bind "$0/tun" /dev/net/tun; chmod 0666 /dev/net/tun; ip link set lo up
echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null || :
eval "$1"; shift
{" ".join(BECOME)} "$@"
exit $?
"""


@dataclass(frozen=True)
class User:
    """An ordinary user with a tree of their own."""

    tree: Path

    def before(self, setup: str) -> tuple[str, ...]:
        """Return the words before a command that create the namespace, run `setup` in it, and change to the user."""
        namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child=SIGKILL")
        shell = ("sh", "-ec", HERE, str(self.tree / "dev"), f"cd '{self.tree}'; {setup}")
        here = {"HOME": self.tree, "HERMIT_ROOT": self.tree, "PYTHONPATH": self.tree / "harness"}
        return (*DIE_WITH_PARENT, *namespaces, *shell, "env", *(f"{name}={value}" for name, value in here.items()))

    def run(self, *words: str, setup: str = ":") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        argv = [*self.before(setup), *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL)

    def hermitctl(self, *words: str, setup: str) -> AbstractContextManager[tuple[subprocess.Popen[str], LineWith]]:
        """Run `hermitctl run` in the background."""
        return hermitctl(*words, before=self.before(setup), program=(python(), "-m", "hermit_harness", "run"))


@cache
def python() -> str:
    """Return a Python that each user can run: that of the tests may be in a home directory."""
    # Through env: setpriv still has root's rights when it starts a program.
    tried = subprocess.run([*BECOME, "env", sys.executable, "-c", ""], capture_output=True, check=False)
    return sys.executable if tried.returncode == 0 else "/usr/bin/python3"


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """Only root can change to another user; others are ordinary users already."""
    if os.geteuid():
        pytest.skip("other-user-wants-root: the tests run as an ordinary user")
    with TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as name:
        tree = Path(name)
        for part in ("harness", "netsetup", "fixtures/real"):
            shutil.copytree(ROOT / part, tree / part, ignore=shutil.ignore_patterns("tests", "__pycache__", ".*"))
        for file in (loader_file(), images()[ECHO].path, TARGETS_TABLE):
            (tree / file.relative_to(BUILD.parent)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tree / file.relative_to(BUILD.parent))
        shutil.copy(ROOT / "VERSION", tree)
        (tree / "dev").mkdir()
        subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", str(tree)], check=True)
        tree.chmod(0o755)
        yield User(tree)


@pytest.mark.requirement("W-21", "L-38")
def test_user_network_needs_no_right(user: User) -> None:
    """--net user works without any right and without /dev/net/tun."""
    with user.hermitctl("--net", "user", ECHO, setup="chmod 0600 /dev/net/tun") as (process, line_with):
        assert re.search(r"the guest listens: 127\.0\.0\.1:\d+ ", line_with("the guest listens"))
        process.send_signal(signal.SIGKILL)


@pytest.mark.requirement("L-38")
def test_tap_of_the_user(user: User) -> None:
    """Root creates the tap once for this user, who then starts any number of guests on it."""
    setup = f"netsetup/tap up --user {NOBODY} >&2; netsetup/tap status >&2"
    with user.hermitctl("--net", "tap", ECHO, setup=setup) as (_, line_with):
        assert "owner nobody" in line_with("proxy_arp=1")
        assert "the guest listens: 10.0.5.3:8080" in line_with("the guest listens")
    twice = f"{python()} -m hermit_harness run --net tap --timeout 1 {ECHO} >/dev/null 2>&1"
    done = user.run("sh", "-c", f"{twice}; {twice}; echo $?", setup=setup)
    assert done.stdout == "124\n", done.stderr


@pytest.mark.requirement("W-26", "L-38")
def test_socket_link_needs_no_right(user: User) -> None:
    """Both ends work without any right; another user's socket link is refused."""
    place, roots, setup = user.tree / "link", user.tree / "roots", "chmod 0600 /dev/net/tun"
    words = ("--net", "socket", ECHO, "--netif")
    with user.hermitctl(*words, str(place), setup=setup) as (_, line_with):
        assert f"the guest listens: {GUEST_ADDRESS}:8080" in line_with("the guest listens")
        with user.hermitctl(*words, str(place), setup=setup) as (_, line_of_second_with):
            assert f" {place}, connected to the first" in line_of_second_with("second end of the socket link")
            assert f"the guest listens: {SECOND_GUEST_ADDRESS}:8080" in line_of_second_with("the guest listens")
    with SocketLink(roots):
        done = user.run(python(), "-m", "hermit_harness", "run", *words, str(roots), setup=setup)
    sentence = f"hermitctl: {roots}: Permission denied: choose another socket link with NETIF=\n"
    assert (done.returncode, done.stdout, done.stderr) == (125, "", sentence)


MAKES_IT = "--user $USER creates it; --isolate needs neither"
ANOTHERS = "tap10 belongs to another user: sudo netsetup/tap down tap10, then sudo netsetup/tap up tap10 --user $USER"
# --net, what root did before, and the user's error.
SENTENCES = [
    ("tap", ":", f"no interface tap10: sudo netsetup/tap up tap10 {MAKES_IT}"),
    (
        "bridge",
        "netsetup/bridge up",
        f"no bridge hermitbr0 with a tap: sudo netsetup/bridge up hermitbr0 --tap tap10 {MAKES_IT}",
    ),
    ("tap", "netsetup/tap up --user root", ANOTHERS),
    ("bridge", "netsetup/bridge up --tap tap10 --user root", ANOTHERS),
    (
        "tap",
        f"netsetup/tap up --user {NOBODY}; chmod 0600 /dev/net/tun",
        "no permission to open /dev/net/tun: sudo chmod 0666 /dev/net/tun",
    ),
]


@pytest.mark.requirement("L-38", "C-27")
def test_missing_right_is_one_sentence_with_the_remedy(user: User) -> None:
    """Nothing starts, and one sentence names the remedy."""
    for net, setup, sentence in SENTENCES:
        done = user.run(python(), "-m", "hermit_harness", "run", "--net", net, ECHO, setup=setup)
        assert (done.returncode, done.stdout, done.stderr) == (125, "", f"hermitctl: {sentence}\n"), setup


@pytest.mark.requirement("L-38")
@pytest.mark.parametrize("script", ["tap", "bridge", "dhcp"])
def test_scripts_by_an_ordinary_user(script: str, user: User) -> None:
    """The user can neither create nor remove it: one sentence, and nothing changes."""
    setup = "netsetup/tap up tap9; netsetup/tap up; netsetup/bridge up; netsetup/dhcp up tap9"
    state = "ip -br addr; find /run -type f"
    for words in ("up", "down") if script != "dhcp" else ("up tap10", "down tap9"):
        line = f"{state}; netsetup/{script} {words}; echo $?; {state}"
        done = user.run("sh", "-c", line, setup=setup)
        before, after = re.split(r"^1\n", done.stdout, maxsplit=1, flags=re.M)
        assert before == after
        sentence = rf"{script}: changing this network needs CAP_NET_ADMIN: use sudo, .* unshare -rn\n"
        assert re.fullmatch(sentence, done.stderr), words
