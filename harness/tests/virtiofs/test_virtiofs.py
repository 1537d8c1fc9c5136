# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A directory of the host in a real application, shared by virtiofs."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.matrix import specs
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.shared_directory import SharedDirectory
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.virtiofsd import find_program
from hermit_harness.watch.watcher import Watcher
from tests.support.errata import skip_known
from tests.support.processes import background, processes_with

Boot = Callable[[RunSpec], Outcome]
EVERY_BYTE = bytes(range(256))
NAMES = ("Grüße", "隠者", "🦀", "with space", "a-file")


def escaped(data: bytes) -> str:
    """Format bytes like Rust's escape_ascii."""
    special = {9: r"\t", 10: r"\n", 13: r"\r", 34: r"\"", 39: r"\'", 92: r"\\"}
    return "".join(special.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data)


def report(path: str, data: bytes) -> str:
    """Return the line that the application `read` prints about a file."""
    return f"{escaped(path.encode())}: {len(data)} bytes, CRC-32 {zlib.crc32(data):08x}"


def sharing(
    directory: Path,
    app: str,
    *words: str,
    tag: str = "myfs",
    queue: int = 1024,
    options: str = "",
    **changes: object,
) -> RunSpec:
    """Return the boot of a real application with arguments and a shared directory."""
    plain = specs.release(f"real-{app}-0.11.0", append="-- " + " ".join(f"'{word}'" for word in words))
    share = SharedDirectory(directory, tag, queue, options=options)
    return replace(plain, share=share, **changes)  # type: ignore[arg-type]


def lines(outcome: Outcome, expect: str = "exit 0") -> list[str]:
    assert outcome.matches(expect), f"{outcome}: {outcome.cause}\n{outcome.console[-2000:].decode(errors='replace')}"
    return outcome.console.decode("utf-8", "backslashreplace").replace("\r\n", "\n").splitlines()


@pytest.mark.requirement("L-45", "R-17", "W-34", "W-36", "P-08")
@pytest.mark.parametrize("tag", ["myfs", "root"])
def test_reads_byte_for_byte(tag: str, tmp_path: Path, boot_here: Boot) -> None:
    """The tag is the path in the guest, and a file has the same bytes there."""
    (tmp_path / "testfile").write_bytes(EVERY_BYTE)
    seen = lines(boot_here(sharing(tmp_path, "read", f"/{tag}/testfile", tag=tag)))
    assert escaped(EVERY_BYTE) in seen
    assert report(f"/{tag}/testfile", EVERY_BYTE) in seen


@pytest.mark.requirement("L-45", "W-33")
@pytest.mark.parametrize("queue", [0, 1024], ids=["own", "1024"])
def test_writes_back(queue: int, tmp_path: Path, boot_here: Boot) -> None:
    """A file that the guest wrote is complete on the host and replaces the former one, with both queue sizes."""
    data = os.urandom(200_000)
    (tmp_path / "from").write_bytes(data)
    (tmp_path / "to").write_bytes(b"x" * 300_000)
    outcome = boot_here(sharing(tmp_path, "copy", "/myfs/from", "/myfs/to", queue=queue))
    seen = lines(outcome)
    assert "copied 200000 bytes" in seen
    assert ("queue-size" in " ".join(outcome.argv)) == bool(queue)
    assert not queue or any(line.endswith(f"Created SplitVq: idx=1, size={queue}") for line in seen)
    assert (tmp_path / "to").read_bytes() == data


def relative(directory: Path, boot_here: Boot, tag: str, kernel_args: str = "") -> str:
    """Return what `read` prints for a name without a slash, in a guest with the directory as /TAG."""
    spec = sharing(directory, "read", "hello.txt", f"/{tag}/hello.txt", tag=tag)
    seen = lines(boot_here(replace(spec, append=f"{kernel_args} {spec.append}".strip())))
    assert report(f"/{tag}/hello.txt", b"hello") in seen
    return next(line for line in seen if line.startswith("hello.txt: "))


@pytest.mark.requirement("W-35")
def test_relative_names(tmp_path: Path, boot_here: Boot) -> None:
    """Relative names refer to /root or HERMIT_WD.

    A kernel without a current directory does not find the file, except by its absolute name.
    """
    (tmp_path / "hello.txt").write_bytes(b"hello")
    said = {relative(tmp_path, boot_here, "root"), relative(tmp_path, boot_here, "data", "env=HERMIT_WD=/data")}
    skip_known("virtiofs/relative-names", " and ".join(said))
    assert said == {report("hello.txt", b"hello")}


@pytest.mark.requirement("W-30", "W-32", "W-33", "W-34")
def test_documented_lines(tmp_path: Path, boot_here: Boot) -> None:
    """virtiofsd's line and QEMU's words from the wiki work, with a named socket."""
    directory, name = tmp_path / "guestfs", tmp_path / "vhostqemu"
    directory.mkdir()
    (directory / "hello.txt").write_bytes(EVERY_BYTE)
    line = f"--thread-pool-size=1 --socket-path={name} -o source={directory} --sandbox=none"
    words = (
        f"-chardev socket,id=char0,path={name} -device vhost-user-fs-pci,queue-size=1024,chardev=char0,tag=root "
        "-object memory-backend-file,id=mem,size=256M,mem-path=/dev/shm,share=on -numa node,memdev=mem"
    )
    spec = specs.release("real-read-0.11.0", memory="256M", append="-- /root/hello.txt", extra=tuple(words.split()))
    with background([find_program(), *line.split()], stderr=subprocess.PIPE) as daemon:
        assert daemon.stderr
        assert any(b"Waiting for vhost-user socket connection" in said for said in daemon.stderr)
        seen = lines(boot_here(spec))
        assert daemon.wait(30) == 0, "it ends with the guest"
    assert report("/root/hello.txt", EVERY_BYTE) in seen


@pytest.mark.requirement("L-45")
def test_lists_names_in_utf8(tmp_path: Path, boot_here: Boot) -> None:
    """A directory's entries are listed, in any script, and so is a directory in it."""
    within = tmp_path / "within"
    within.mkdir()
    for name in NAMES:
        (tmp_path / name).touch()
        (within / name).touch()
    seen = lines(boot_here(sharing(tmp_path, "list", "/myfs", "/myfs/within")))
    for directory, more in (("/myfs", {"within"}), ("/myfs/within", set())):
        entries = {line.removeprefix(directory + "/") for line in seen if line.rpartition("/")[0] == directory}
        assert entries - {".", ".."} == {escaped(name.encode()) for name in NAMES} | more


@pytest.mark.requirement("L-45")
def test_attributes(tmp_path: Path, boot_here: Boot) -> None:
    """Kind, size, and the times of last access, modification and change are those of the host's file."""
    (tmp_path / "file").write_bytes(EVERY_BYTE)
    (tmp_path / "directory").mkdir()
    for number, name in enumerate(("file", "directory")):
        os.utime(tmp_path / name, (10**9 + number, 10**9 + 100 + number))
    stats = {name: (tmp_path / name).stat() for name in ("file", "directory")}  # reading changes the time of access
    seen = lines(boot_here(sharing(tmp_path, "list", "/myfs/file", "/myfs/directory")))
    form = re.compile(r"attributes of /myfs/(\w+): (\d+), (\d+) bytes, \[(\d+), (\d+), (\d+)\]")
    found = {match[1]: match.groups()[1:] for match in map(form.fullmatch, seen) if match}
    for name, host in stats.items():
        mode, size, *times = found[name]
        assert stat.S_IFMT(int(mode, 8)) == stat.S_IFMT(host.st_mode), name
        assert int(size) == host.st_size, name
        assert [int(time) for time in times] == [int(host.st_atime), int(host.st_mtime), int(host.st_ctime)], name


@pytest.mark.requirement("L-45")
def test_reads_a_name_in_utf8(tmp_path: Path, boot_here: Boot) -> None:
    """Such a file can be opened as well."""
    (tmp_path / "Grüße").write_bytes(b"hello")
    assert report("/myfs/Grüße", b"hello") in lines(boot_here(sharing(tmp_path, "read", "/myfs/Grüße")))


@pytest.mark.requirement("W-37")
def test_missing_files(tmp_path: Path, boot_here: Boot) -> None:
    """A file that does not exist or is not mounted is an error for the application, which continues and exits with
    0."""
    (tmp_path / "there").write_bytes(b"here")
    seen = lines(boot_here(sharing(tmp_path, "read", "/etc/hostname", "/myfs/not", "/myfs/there")))
    assert {"/etc/hostname: error -22", "/myfs/not: error -22", report("/myfs/there", b"here")} <= set(seen)


@pytest.mark.requirement("L-45")
@pytest.mark.parametrize(
    ("app", "words"), [("read", ("/myfs/secret",)), ("copy", ("/myfs/open", "/myfs/fixed/new"))], ids=["read", "write"]
)
def test_permission_denied(app: str, words: tuple[str, ...], tmp_path: Path, boot_here: Boot) -> None:
    """The directory's permissions apply to the guest, whatever the host's user.

    Kernel 0.11.0 panics on virtiofsd's refusal; the verdict is a panic in the kernel's file system.
    """
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
    """A file of 64 MiB is read and written completely."""
    data = os.urandom(1 << 20) * 64
    (tmp_path / "big").write_bytes(data)
    read, copied = sharing(tmp_path, "read", "/myfs/big"), sharing(tmp_path, "copy", "/myfs/big", "/myfs/copy")
    assert report("/myfs/big", data) in lines(boot_here(replace(read, cpu_seconds=120.0, wall_seconds=240.0)))
    said = lines(boot_here(replace(copied, cpu_seconds=120.0, wall_seconds=240.0)))
    assert f"copied {len(data)} bytes" in said
    assert (tmp_path / "copy").read_bytes() == data


@pytest.mark.requirement("W-32")
def test_memory_is_the_machines(tmp_path: Path, boot_here: Boot) -> None:
    """virtiofsd's memory has the machine's size, also above 4 GiB."""
    (tmp_path / "testfile").write_bytes(EVERY_BYTE)
    outcome = boot_here(sharing(tmp_path, "read", "/myfs/testfile", memory="5G"))
    assert report("/myfs/testfile", EVERY_BYTE) in lines(outcome)
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
    """By MMIO and on other CPUs: with a working driver the kernel would write a file."""
    (tmp_path / "from").write_bytes(EVERY_BYTE)
    plain = specs.release(*ELSEWHERE[name], append="-- /myfs/from /myfs/to")
    outcome = boot_here(replace(plain, share=SharedDirectory(tmp_path), cpu_seconds=5.0))
    written = tmp_path / "to"
    if not written.exists():
        skip_known(f"virtiofs/{name}", str(outcome))
    assert written.exists(), str(outcome)
    assert written.read_bytes() == EVERY_BYTE


@pytest.mark.requirement("L-45", "N-19")
@pytest.mark.parametrize(
    ("machine", "target"),
    [("microvm-mmio", "x86_64-multiboot"), ("virt", "aarch64-elf"), ("virt", "riscv64-sbi")],
    ids=["x86_64", "aarch64", "riscv64"],
)
@pytest.mark.parametrize("tag", ["myfs", "root"])
def test_bare_driver_on_mmio(tag: str, machine: str, target: str, tmp_path: Path, boot_here: Boot) -> None:
    """If the kernel has no driver, a bare application (fixtures/bare/files) reads and writes."""
    data = os.urandom(200_001)
    (tmp_path / "from").write_bytes(data)
    plain = specs.release("files", machine, target, append=f"-- /{tag}/from /{tag}/to")
    seen = lines(boot_here(replace(plain, share=SharedDirectory(tmp_path, tag, mmio=True))))
    assert any(line.startswith("files: virtio-fs by MMIO at 0x") for line in seen)
    assert f"copied {len(data)} bytes" in seen
    assert (tmp_path / "to").read_bytes() == data


class Killer(Watcher):
    """Kills virtiofsd as soon as the guest has printed a text."""

    def __init__(self, text: bytes, directory: Path) -> None:
        self._text, self._directory, self._console = text, directory, b""
        self.killed = 0

    def on_output(self, data: bytes) -> None:
        self._console += data
        if not self.killed and self._text in self._console:
            self.killed = processes_with(str(self._directory), "virtiofsd")[0]
            os.kill(self.killed, signal.SIGKILL)


@pytest.mark.requirement("W-30", "L-45")
def test_virtiofsd_is_killed(tmp_path: Path) -> None:
    """virtiofsd's death ends the run at once, and the verdict names it instead of a hang of the guest."""
    (tmp_path / "first").write_bytes(b"first")
    with (tmp_path / "big").open("wb") as big:
        big.truncate(1 << 30)
    killer = Killer(b"/myfs/first: 5 bytes", tmp_path)
    outcome = boot(sharing(tmp_path, "read", "/myfs/first", "/myfs/big"), watchers=(killer,))
    assert killer.killed
    assert outcome.verdict == "infra", str(outcome)
    assert "virtiofsd was killed while the guest ran" in outcome.cause
    assert processes_with(str(tmp_path), "virtiofsd") == []


@pytest.mark.requirement("W-30")
def test_virtiofsd_ends_with_the_guest(tmp_path: Path, boot_here: Boot) -> None:
    """No virtiofsd remains after a good end or a bad one."""
    lines(boot_here(sharing(tmp_path, "read", "/myfs/not")))
    assert processes_with(str(tmp_path), "virtiofsd") == []
    assert boot_here(sharing(tmp_path, "read", "/myfs/not", expect="hang")).matches("exit 0")
    assert processes_with(str(tmp_path), "virtiofsd") == []


@pytest.mark.requirement("W-38")
def test_dax(tmp_path: Path, boot_here: Boot) -> None:
    """The shared-memory window works if this QEMU has it."""
    asked = ["qemu-system-x86_64", "-device", "vhost-user-fs-pci,help"]
    if "cache-size" not in subprocess.run(asked, capture_output=True, text=True, check=True).stdout:
        pytest.skip("no-dax: this QEMU's vhost-user-fs-pci has no cache-size")
    (tmp_path / "testfile").write_bytes(EVERY_BYTE)
    outcome = boot_here(sharing(tmp_path, "read", "/myfs/testfile", options="cache-size=64M"))
    assert report("/myfs/testfile", EVERY_BYTE) in lines(outcome)


def hermitctl(*words: str, before: Sequence[str] = (), cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the program as a user would; `before` are preceding words."""
    argv = [*before, sys.executable, "-m", "hermit_harness", *words]
    return subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, cwd=cwd, timeout=120, check=False)


@pytest.mark.requirement("L-45", "R-17", "W-29", "W-31")
def test_run_needs_only_a_directory(tmp_path: Path) -> None:
    """`hermitctl run APP --share DIR:TAG` starts and ends virtiofsd.

    The user names no socket, and none remains in or next to the directory.
    """
    share = tmp_path / "share"
    share.mkdir()
    (share / "testfile").write_bytes(EVERY_BYTE)
    done = hermitctl("run", "real-read-0.11.0", "--share", f"{share}:root", "--", "/root/testfile", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert report("/root/testfile", EVERY_BYTE) in done.stdout.decode()
    assert {path.name for path in tmp_path.rglob("*")} == {"share", "testfile"}
    assert processes_with(str(share), "virtiofsd") == []


@pytest.mark.requirement("W-29")
@pytest.mark.parametrize("words", [(), ("--share", ":myfs")], ids=["unasked", "asked"])
def test_temporary_directory_of_the_run(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application that uses files, without a given directory, gets an empty writable one.

    It is removed afterwards, and a message reports it.
    """
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = hermitctl("run", *words, "real-copy-0.11.0", "--", "/proc/version", "/myfs/version", cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()
    assert re.search(rb"^copied [0-9]+ bytes", done.stdout, re.M)
    assert (b"/myfs is an empty directory, gone after the run" in done.stderr) == (not words)
    listed = hermitctl("run", *words, "real-list-0.11.0", "--", "/myfs", cwd=tmp_path).stdout
    assert b"/myfs/.." in listed and b"/myfs/version" not in listed
    assert list(tmp_path.iterdir()) == []


# A user without privileges, in a namespace without another user.
ORDINARY = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "sh", "-c")
CHECKED = '[ "$(id -u)" = 65534 ] && grep -q "^CapEff:[[:space:]]*0*$" /proc/self/status && exec "$@"'


@pytest.mark.requirement("L-45", "W-31")
def test_ordinary_user(tmp_path: Path) -> None:
    """Without root and capabilities the directory is readable and writable. Written files belong to the user."""
    (tmp_path / "from").write_bytes(b"mine")
    words = ("run", "--share", str(tmp_path), "real-copy-0.11.0", "--", "/myfs/from", "/myfs/to")
    done = hermitctl(*words, before=(*ORDINARY, CHECKED, "sh"))
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "to").read_bytes() == b"mine"
    assert (tmp_path / "to").stat().st_uid == os.getuid()


@pytest.mark.requirement("L-45")
def test_forbidden_namespaces_have_a_remedy(tmp_path: Path) -> None:
    forbid = 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"'
    before = ("unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh")
    done = hermitctl("run", "--share", str(tmp_path), "real-read-0.11.0", "--", "/myfs/from", before=before)
    assert done.returncode == 125
    first = done.stderr.decode().splitlines()[0]
    assert "does not permit user, network and PID namespaces" in first
    assert first.endswith("sudo sysctl user.max_user_namespaces=10000")
    assert done.stdout == b""


@pytest.mark.requirement("L-45")
def test_debug_with_a_directory(tmp_path: Path) -> None:
    """`hermitctl debug` takes the same option."""
    (tmp_path / "testfile").write_bytes(b"hello")
    done = hermitctl(
        *("debug", "--share", str(tmp_path), "--batch", "--command", "continue", "real-read-0.11.0", "--"),
        "/myfs/testfile",
    )
    assert report("/myfs/testfile", b"hello") in done.stdout.decode(), done.stderr.decode()
    assert processes_with(str(tmp_path), "virtiofsd") == []


@pytest.mark.requirement("W-30")
def test_suitable_virtiofsd_is_found() -> None:
    """The virtiofsd is the one in Rust, whatever else is installed."""
    said = subprocess.run([find_program(), "--version"], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("virtiofsd ")
