# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A folder of this machine in a real application, by virtiofs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.matrix import ledger, specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.process import DIE_WITH_PARENT
from hermit_harness.vm.shared_folder import Share
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.virtiofsd import find
from hermit_harness.watch.supervisor import Watcher

Boot = Callable[[RunSpec], Outcome]
EVERY_BYTE = bytes(range(256))
NAMES = ("Grüße", "隠者", "🦀", "with space", "a-file")


def escaped(data: bytes) -> str:
    """As Rust's escape_ascii."""
    special = {9: r"\t", 10: r"\n", 13: r"\r", 34: r"\"", 39: r"\'", 92: r"\\"}
    return "".join(special.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)


def told(path: str, data: bytes) -> str:
    """What the application `read` says of a file."""
    return f"{escaped(path.encode())}: {len(data)} bytes, CRC-32 {zlib.crc32(data):08x}"


def sharing(
    folder: Path,
    app: str,
    *words: str,
    tag: str = "myfs",
    queue: int = 1024,
    options: str = "",
    **changes: object,
) -> RunSpec:
    """The boot of a real application with arguments and a shared folder."""
    plain = specs.release(f"real-{app}-0.11.0", append="-- " + " ".join(f"'{word}'" for word in words))
    return replace(plain, share=Share(folder, tag, queue, options=options), **changes)  # type: ignore[arg-type]


def lines(outcome: Outcome, expect: str = "exit 0") -> list[str]:
    assert outcome.matches(expect), f"{outcome}: {outcome.cause}\n{outcome.console[-2000:].decode(errors='replace')}"
    return outcome.console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()


@pytest.mark.requirement("L-45", "R-17", "W-34", "W-36", "P-08")
@pytest.mark.parametrize("tag", ["myfs", "root"])
def test_reads_byte_for_byte(tag: str, tmp_path: Path, boot_here: Boot) -> None:
    """The tag is the path in the guest; a file there has the bytes that it has here."""
    (tmp_path / "testfile").write_bytes(EVERY_BYTE)
    seen = lines(boot_here(sharing(tmp_path, "read", f"/{tag}/testfile", tag=tag)))
    assert escaped(EVERY_BYTE) in seen
    assert told(f"/{tag}/testfile", EVERY_BYTE) in seen


@pytest.mark.requirement("L-45", "W-33")
@pytest.mark.parametrize("queue", [0, 1024], ids=["own", "1024"])
def test_writes_back(queue: int, tmp_path: Path, boot_here: Boot) -> None:
    """A file that the guest wrote is here when it has ended, whole, and in place of what was there; with
    the queues of the documented line and with QEMU's own."""
    data = os.urandom(200_000)
    (tmp_path / "from").write_bytes(data)
    (tmp_path / "to").write_bytes(b"x" * 300_000)
    outcome = boot_here(sharing(tmp_path, "copy", "/myfs/from", "/myfs/to", queue=queue))
    seen = lines(outcome)
    assert "copied 200000 bytes" in seen
    assert ("queue-size" in " ".join(outcome.argv)) == bool(queue)
    assert not queue or any(line.endswith(f"Created SplitVq: idx=1, size={queue}") for line in seen)
    assert (tmp_path / "to").read_bytes() == data


def relative(folder: Path, boot_here: Boot, tag: str, kernel_args: str = "") -> str:
    """What `read` says of a name without a slash, in a guest that has the folder as /TAG."""
    spec = sharing(folder, "read", "hello.txt", f"/{tag}/hello.txt", tag=tag)
    seen = lines(boot_here(replace(spec, append=f"{kernel_args} {spec.append}".strip())))
    assert told(f"/{tag}/hello.txt", b"hello") in seen
    return next(line for line in seen if line.startswith("hello.txt: "))


@pytest.mark.requirement("W-35")
def test_relative_names(tmp_path: Path, boot_here: Boot) -> None:
    """A relative name is looked for in /root, or where HERMIT_WD says. A kernel that has no current folder finds
    it nowhere, and takes the same file by its whole name."""
    (tmp_path / "hello.txt").write_bytes(b"hello")
    said = {relative(tmp_path, boot_here, "root"), relative(tmp_path, boot_here, "data", "env=HERMIT_WD=/data")}
    known = ledger.erratum_for("virtiofs/relative-names", " and ".join(said))
    if known is not None:
        pytest.skip(f"erratum: {known.id}: {' and '.join(said)}")
    assert said == {told("hello.txt", b"hello")}


@pytest.mark.requirement("W-30", "W-32", "W-33", "W-34")
def test_the_documented_lines(tmp_path: Path, boot_here: Boot) -> None:
    """The daemon's line and QEMU's words as the wiki has them, and a named socket."""
    folder, name = tmp_path / "guestfs", tmp_path / "vhostqemu"
    folder.mkdir()
    (folder / "hello.txt").write_bytes(EVERY_BYTE)
    line = f"--thread-pool-size=1 --socket-path={name} -o source={folder} --sandbox=none"
    words = (
        f"-chardev socket,id=char0,path={name} -device vhost-user-fs-pci,queue-size=1024,chardev=char0,tag=root "
        "-object memory-backend-file,id=mem,size=256M,mem-path=/dev/shm,share=on -numa node,memdev=mem"
    )
    spec = specs.release("real-read-0.11.0", memory="256M", append="-- /root/hello.txt", extra=tuple(words.split()))
    with subprocess.Popen([*DIE_WITH_PARENT, find(), *line.split()], stderr=subprocess.PIPE) as daemon:
        try:
            assert daemon.stderr
            assert any(b"Waiting for vhost-user socket connection" in said for said in daemon.stderr)
            seen = lines(boot_here(spec))
            assert daemon.wait(30) == 0, "it ends with the guest"
        finally:
            daemon.kill()
    assert told("/root/hello.txt", EVERY_BYTE) in seen


@pytest.mark.requirement("L-45")
def test_lists_names_in_utf8(tmp_path: Path, boot_here: Boot) -> None:
    """A folder's entries, whatever their names, and a folder within."""
    within = tmp_path / "within"
    within.mkdir()
    for name in NAMES:
        (tmp_path / name).touch()
        (within / name).touch()
    seen = lines(boot_here(sharing(tmp_path, "list", "/myfs", "/myfs/within")))
    for folder, more in (("/myfs", {"within"}), ("/myfs/within", set())):
        entries = {line.removeprefix(folder + "/") for line in seen if line.rpartition("/")[0] == folder}
        assert entries - {".", ".."} == {escaped(name.encode()) for name in NAMES} | more


@pytest.mark.requirement("L-45")
def test_reads_a_name_in_utf8(tmp_path: Path, boot_here: Boot) -> None:
    """Such a name can be opened, too."""
    (tmp_path / "Grüße").write_bytes(b"hello")
    assert told("/myfs/Grüße", b"hello") in lines(boot_here(sharing(tmp_path, "read", "/myfs/Grüße")))


@pytest.mark.requirement("W-37")
def test_missing_files(tmp_path: Path, boot_here: Boot) -> None:
    """What is not there, or not mounted, is an error that the application sees; it goes on and ends well."""
    (tmp_path / "there").write_bytes(b"here")
    seen = lines(boot_here(sharing(tmp_path, "read", "/etc/hostname", "/myfs/not", "/myfs/there")))
    assert {"/etc/hostname: error -22", "/myfs/not: error -22", told("/myfs/there", b"here")} <= set(seen)


@pytest.mark.requirement("L-45")
@pytest.mark.parametrize(
    ("app", "words"), [("read", ("/myfs/secret",)), ("copy", ("/myfs/open", "/myfs/fixed/new"))], ids=["read", "write"]
)
def test_permission_denied(app: str, words: tuple[str, ...], tmp_path: Path, boot_here: Boot) -> None:
    """The guest may not what the folder's permissions do not allow, whoever runs this. Kernel 0.11.0 cannot read
    the daemon's refusal: it panics, and that is told as a panic of the kernel's file system."""
    (tmp_path / "secret").write_bytes(b"a secret text")
    (tmp_path / "secret").chmod(0)
    (tmp_path / "open").write_bytes(b"open")
    (tmp_path / "fixed").mkdir(mode=0o555)
    outcome = boot_here(sharing(tmp_path, app, *words, expect="panic"))
    assert outcome.matches("panic"), str(outcome)
    assert "virtio_fs.rs" in outcome.cause
    assert b"a secret text" not in outcome.console
    assert list((tmp_path / "fixed").iterdir()) == []


@pytest.mark.requirement("L-45")
def test_64_mib(tmp_path: Path, boot_here: Boot) -> None:
    """A file of 64 MiB comes whole, and goes whole."""
    data = os.urandom(1 << 20) * 64
    (tmp_path / "big").write_bytes(data)
    read, copied = sharing(tmp_path, "read", "/myfs/big"), sharing(tmp_path, "copy", "/myfs/big", "/myfs/copy")
    assert told("/myfs/big", data) in lines(boot_here(replace(read, cpu_seconds=120.0, wall_seconds=240.0)))
    said = lines(boot_here(replace(copied, cpu_seconds=120.0, wall_seconds=240.0)))
    assert f"copied {len(data)} bytes" in said
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.requirement("W-32")
def test_memory_is_what_the_machine_has(tmp_path: Path, boot_here: Boot) -> None:
    """The memory that the daemon sees is the machine's, by one number, and above 4 GiB, too."""
    (tmp_path / "testfile").write_bytes(EVERY_BYTE)
    outcome = boot_here(sharing(tmp_path, "read", "/myfs/testfile", memory="5G"))
    assert told("/myfs/testfile", EVERY_BYTE) in lines(outcome)
    assert "memory-backend-memfd,id=shared0,size=5G,share=on" in outcome.argv
    assert outcome.argv[outcome.argv.index("-m") + 1] == "5G"


ELSEWHERE = {
    "mmio": ("real-copy-0.11.0-microvm", "microvm-mmio", "x86_64-multiboot"),
    "aarch64": ("real-copy-0.11.0-aarch64", "virt", "aarch64-elf"),
    "riscv64": ("real-copy-0.11.0-riscv64", "virt", "riscv64-sbi"),
}


@pytest.mark.requirement("L-45")
@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_machines(name: str, tmp_path: Path, boot_here: Boot) -> None:
    """By MMIO, and on other processors: were the kernel to have a driver that works, a file would be written."""
    (tmp_path / "from").write_bytes(EVERY_BYTE)
    plain = specs.release(*ELSEWHERE[name], append="-- /myfs/from /myfs/to")
    outcome = boot_here(replace(plain, share=Share(tmp_path), cpu_seconds=5.0))
    written = tmp_path / "to"
    known = None if written.exists() else ledger.erratum_for(f"virtiofs/{name}", str(outcome))
    if known is not None:
        pytest.skip(f"erratum: {known.id}: {outcome}")
    assert written.exists(), str(outcome)
    assert written.read_bytes() == EVERY_BYTE


@pytest.mark.requirement("L-45", "N-19")
@pytest.mark.parametrize(
    ("machine", "target"),
    [("microvm-mmio", "x86_64-multiboot"), ("virt", "aarch64-elf"), ("virt", "riscv64-sbi")],
    ids=["x86_64", "aarch64", "riscv64"],
)
@pytest.mark.parametrize("tag", ["myfs", "root"])
def test_bare_driver_by_mmio(tag: str, machine: str, target: str, tmp_path: Path, boot_here: Boot) -> None:
    """Where the kernel has no driver, an application of our own (fixtures/bare/files) reads and writes."""
    data = os.urandom(200_001)
    (tmp_path / "from").write_bytes(data)
    plain = specs.release("files", machine, target, append=f"-- /{tag}/from /{tag}/to")
    seen = lines(boot_here(replace(plain, share=Share(tmp_path, tag, mmio=True))))
    assert any(line.startswith("files: virtio-fs by MMIO at 0x") for line in seen)
    assert f"copied {len(data)} bytes" in seen
    assert (tmp_path / "to").read_bytes() == data


class Killer(Watcher):
    """A watcher that kills the daemon as soon as the guest has printed a text."""

    def __init__(self, text: bytes, folder: Path) -> None:
        self._text, self._folder, self._console = text, folder, b""
        self.killed = 0

    def printed(self, data: bytes) -> None:
        self._console += data
        if not self.killed and self._text in self._console:
            self.killed = daemon_of(self._folder)[0]
            os.kill(self.killed, signal.SIGKILL)


def daemon_of(folder: Path) -> list[int]:
    """The processes whose words name virtiofsd and this folder as the one to share."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"virtiofsd") and str(folder).encode() in words:
            found.append(int(entry.parent.name))
    return found


@pytest.mark.requirement("W-30", "L-45")
def test_daemon_killed_in_the_middle(tmp_path: Path) -> None:
    """The daemon's death ends the run at once, and is told as what it is, not as the guest's hang."""
    (tmp_path / "first").write_bytes(b"first")
    with (tmp_path / "big").open("wb") as big:
        big.truncate(1 << 30)
    killer = Killer(b"/myfs/first: 5 bytes", tmp_path)
    outcome = boot(sharing(tmp_path, "read", "/myfs/first", "/myfs/big"), watchers=(killer,))
    assert killer.killed
    assert outcome.verdict == "infra", str(outcome)
    assert "virtiofsd was killed while the guest ran" in outcome.cause
    assert daemon_of(tmp_path) == []


@pytest.mark.requirement("W-30")
def test_daemon_ends_with_the_guest(tmp_path: Path, boot_here: Boot) -> None:
    """After a run that ends well, and after one that does not, no daemon is left."""
    lines(boot_here(sharing(tmp_path, "read", "/myfs/not")))
    assert daemon_of(tmp_path) == []
    assert boot_here(sharing(tmp_path, "read", "/myfs/not", expect="hang")).matches("exit 0")
    assert daemon_of(tmp_path) == []


@pytest.mark.requirement("W-38")
def test_dax(tmp_path: Path, boot_here: Boot) -> None:
    """With a shared-memory window, where this QEMU has one."""
    asked = ["qemu-system-x86_64", "-device", "vhost-user-fs-pci,help"]
    if "cache-size" not in subprocess.run(asked, capture_output=True, text=True, check=True).stdout:
        pytest.skip("no-dax: this QEMU's vhost-user-fs-pci has no cache-size")
    (tmp_path / "testfile").write_bytes(EVERY_BYTE)
    outcome = boot_here(sharing(tmp_path, "read", "/myfs/testfile", options="cache-size=64M"))
    assert told("/myfs/testfile", EVERY_BYTE) in lines(outcome)


def hermitctl(*words: str, before: Sequence[str] = (), cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """The program as a user types it; `before` is what stands before it."""
    argv = [*before, sys.executable, "-m", "hermit_harness", *words]
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, cwd=cwd, timeout=120, check=False)


@pytest.mark.requirement("L-45", "R-17", "W-29", "W-31")
def test_run_needs_a_folder_and_nothing_else(tmp_path: Path) -> None:
    """`hermitctl run APP --share DIR:TAG` starts the daemon and ends it; no socket is named,
    and none is left in the folder or beside it."""
    share = tmp_path / "share"
    share.mkdir()
    (share / "testfile").write_bytes(EVERY_BYTE)
    done = hermitctl("run", "real-read-0.11.0", "--share", f"{share}:root", "--", "/root/testfile", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert told("/root/testfile", EVERY_BYTE) in done.stdout.decode()
    assert {path.name for path in tmp_path.rglob("*")} == {"share", "testfile"}
    assert daemon_of(share) == []


@pytest.mark.requirement("W-29")
@pytest.mark.parametrize("words", [(), ("--share", ":myfs")], ids=["unasked", "asked"])
def test_a_folder_of_the_runs_own(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that works with files and is given no folder has an empty one, in which it may write;
    nothing of it is left, and a person is told."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = hermitctl("run", *words, "real-copy-0.11.0", "--", "/proc/version", "/myfs/version", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert re.search(rb"^copied [0-9]+ bytes", done.stdout, re.M)
    assert (b"/myfs is an empty folder, gone after the run" in done.stderr) == (not words)
    listed = hermitctl("run", *words, "real-list-0.11.0", "--", "/myfs", cwd=tmp_path).stdout
    assert b"/myfs/.." in listed and b"/myfs/version" not in listed
    assert list(tmp_path.iterdir()) == []


# A user without any privilege, in a namespace in which there is no other.
ORDINARY = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "sh", "-c")
CHECKED = '[ "$(id -u)" = 65534 ] && grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status && exec "$@"'


@pytest.mark.requirement("L-45", "W-31")
def test_an_ordinary_user_may(tmp_path: Path) -> None:
    """No root, no capability: the folder is read and written, and what was written belongs to the user."""
    (tmp_path / "from").write_bytes(b"mine")
    words = ("run", "--share", str(tmp_path), "real-copy-0.11.0", "--", "/myfs/from", "/myfs/to")
    done = hermitctl(*words, before=(*ORDINARY, CHECKED, "sh"))
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "to").read_bytes() == b"mine"
    assert (tmp_path / "to").stat().st_uid == os.getuid()


@pytest.mark.requirement("L-45")
def test_without_namespaces_there_is_a_remedy(tmp_path: Path) -> None:
    """Where the system permits no namespaces, one sentence says so, and what to do."""
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    before = ("unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    done = hermitctl("run", "--share", str(tmp_path), "real-read-0.11.0", "--", "/myfs/from", before=before)
    assert done.returncode == 125
    first = done.stderr.decode().splitlines()[0]
    assert "does not permit user, network and PID namespaces" in first
    assert first.endswith("sudo sysctl user.max_user_namespaces=10000")
    assert done.stdout == b""


@pytest.mark.requirement("L-45")
def test_debug_with_a_folder(tmp_path: Path) -> None:
    """`hermitctl debug` takes the same option."""
    (tmp_path / "testfile").write_bytes(b"hello")
    done = hermitctl(
        *("debug", "--share", str(tmp_path), "--batch", "--command", "continue", "real-read-0.11.0", "--"),
        "/myfs/testfile",
    )
    assert told("/myfs/testfile", b"hello") in done.stdout.decode(), done.stderr.decode()
    assert daemon_of(tmp_path) == []


@pytest.mark.requirement("W-30")
def test_a_fitting_daemon_is_found() -> None:
    """One in Rust, whatever else is installed."""
    said = subprocess.run([find(), "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("virtiofsd ")
