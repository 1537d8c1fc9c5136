# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make run` as a user types it: what it boots, in whose checkout, and what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from hermit_harness.fixtures import images
from hermit_harness.paths import ROOT
from tests.support.cli import ENVIRONMENT, ctl


def make_run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        ["make", "-s", "run", *words], cwd=ROOT, env=ENVIRONMENT, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, timeout=300, **options,
    )  # fmt: skip


@pytest.mark.requirement("L-01")
def test_without_variables() -> None:
    """It boots an application with a real kernel, which greets and ends with 0."""
    done = make_run()
    assert done.returncode == 0, done.stderr
    assert images()["real-hello-0.11.0"].greeting in done.stdout
    assert re.search(r"^app exit 0 after \d+ ms · real-hello-0\.11\.0, Hermit 0\.11\.0 · ", done.stderr, re.M)


@pytest.mark.requirement("L-01", "L-18")
def test_with_variables() -> None:
    """Variables are options; arguments reach the application; a failure is make's own status 2."""
    done = make_run("APP=args", "MACHINE=q35", "MEM=66M", "KERNEL_ARGS=env=A=b", "ARGS=one 'two words'", "VERBOSE=1")
    assert done.returncode == 0, done.stderr
    assert "argv[1]=<<<one>>>" in done.stdout and "argv[2]=<<<two words>>>" in done.stdout
    assert "-M q35" in done.stderr and "-m 66M" in done.stderr
    failed = make_run("APP=exit", "ARGS=7")
    assert (failed.returncode, "app exit 7 after" in failed.stderr) == (2, True), failed.stderr


def in_namespace(*words: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a mount namespace of its own, in the checkout and with the user's directories in `tmp_path`."""
    env = ENVIRONMENT | {"XDG_STATE_HOME": str(tmp_path / "state"), "XDG_RUNTIME_DIR": "", "TMPDIR": str(tmp_path)}
    return subprocess.run(
        ["unshare", "--mount", *words], env=env, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


def in_read_only(script: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script in the checkout, mounted read-only."""
    root = shlex.quote(str(ROOT))
    mounts = f"mount --bind {root} {root} && mount -o remount,bind,ro {root}"
    words = ("--user", "--map-root-user", "sh", "-ec", f"{mounts}\ncd {root}\n{script}")
    return in_namespace(*words, tmp_path=tmp_path)


# The directories of the checkout and the build's lock get another owner, in a copy that lasts as long as the namespace.
# Without capabilities root is one user among others.
FOREIGN = """
mount -t tmpfs none "$1"; mkdir "$1/upper" "$1/work"
mount -t overlay -o lowerdir="$PWD",upperdir="$1/upper",workdir="$1/work" none "$PWD"; cd "$PWD"
find . -maxdepth 3 -type d -exec chown 4242 {} +; touch build/.lock; chown 4242 build/.lock
exec setpriv --bounding-set=-all --inh-caps=-all make -s run APP=exit ARGS=7
"""


def in_checkout_of_another_user(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    if os.geteuid():
        pytest.skip("other-user-wants-root: the tests run as an ordinary user")
    (tmp_path / "overlay").mkdir()
    return in_namespace("sh", "-ec", FOREIGN, "sh", str(tmp_path / "overlay"), tmp_path=tmp_path)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (in_checkout_of_another_user, "Permission denied"),
        (partial(in_read_only, "make -s run APP=exit ARGS=7"), "Read-only file system"),
    ],
    ids=["other-user", "read-only"],
)
def test_foreign_checkout(run: Callable[..., subprocess.CompletedProcess[str]], reason: str, tmp_path: Path) -> None:
    """In another user's checkout, what its owner has built boots; one line says where the artifacts are."""
    done = run(tmp_path=tmp_path)
    assert (done.returncode, "app exit 7 after" in done.stderr) == (2, True), done.stderr
    first, second, *_ = done.stderr.splitlines()
    assert f"cannot be used ({reason}), so the artifacts are in {tmp_path}/state/hermit/runs/2" in first
    assert "no debugger" not in second and "Traceback" not in done.stderr
    assert (tmp_path / "state" / "hermit" / "runs" / "latest" / "console.log").is_file()


def test_read_only_checkout_that_is_not_built(tmp_path: Path) -> None:
    """One sentence says what the owner must do."""
    done = in_read_only("mount -t tmpfs -o ro none build && make -s run", tmp_path)
    first, *rest = done.stderr.splitlines()
    assert re.fullmatch(
        f"{re.escape(str(ROOT))} is not built, and \\w+ cannot write it: its owner must run make, or clone it", first
    )
    assert (done.returncode, all(line.startswith("make") for line in rest)) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("app", "target"),
    [
        ("", "x86_64-multiboot"),
        (str(images()["args"].path), "x86_64-multiboot"),
        (str(images("aarch64")["args"].path), ""),
        ("real-hello-0.11.0-aarch64", ""),
        ("nonsense", ""),
    ],
    ids=["default", "x86_64", "aarch64", "image-aarch64", "unknown"],
)
def test_one_loader_is_built(app: str, target: str) -> None:
    """`make run` builds the loader of its application. It builds all where only hermitctl knows which one that is."""
    done = subprocess.run(
        ["make", "-n", "run", *([f"APP={app}"] if app else [])], cwd=ROOT, env=ENVIRONMENT, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    (line,) = (line for line in done.stdout.splitlines() if "loader/loader.mk" in line)
    assert re.findall(r" TARGET=(\S+)", line) == ([target] if target else []), line


def test_list_by_pattern() -> None:
    """`hermitctl list PATTERN` shows the ids that match or contain it, of every kind."""
    done = ctl("list", "images", "real-hello-0.1?.0")
    listed = sorted(line.split()[0] for line in done.stdout.splitlines())
    assert listed == ["images:", "real-hello-0.10.0", "real-hello-0.11.0"]
    assert ctl("list", "machines", "microvm").stdout.count("\n") > 2
    nothing = ctl("list", "no-such-thing")
    assert (nothing.returncode, nothing.stderr) == (
        125, "hermitctl: nothing matches no-such-thing; see `hermitctl list --help`\n"
    )  # fmt: skip


def test_read_only_checkout_is_not_written(tmp_path: Path) -> None:
    """What builds, tests or removes says in one sentence that it cannot. With O= the loader is built elsewhere."""
    targets = ["loader", "test", "lint", "host-test", "fixtures", "clean", "wheel"]
    done = in_read_only(f"for target in {' '.join(targets)}; do make -s $target || :; done", tmp_path)
    said = [line for line in done.stderr.splitlines() if not re.match(r"make(\[\d+\])?: \*\*\*", line)]
    wanted = rf"{re.escape(str(ROOT))}: \w+ cannot write this checkout: clone it to build and test; make run .* built"
    assert len(said) == len(targets) and all(re.fullmatch(wanted, line) for line in said), done.stderr
    built = in_read_only(f"make -s loader TARGET=riscv64-sbi O={tmp_path}/out", tmp_path)
    assert built.returncode == 0, built.stderr
    assert list((tmp_path / "out").glob("**/hermit-loader-riscv64-sbi")), "it is built there"
