# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What a user names is what is booted, and what cannot work is explained before QEMU starts."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hermit_harness.cli.app import find_app
from hermit_harness.cli.command_line import has_unclosed_quote
from hermit_harness.fixtures import images
from hermit_harness.matrix import specs
from hermit_harness.paths import ROOT, loader_file
from hermit_harness.vm import host
from hermit_harness.vm.gdb_relay import listen_tcp
from hermit_harness.vm.shared_directory import SharedDirectory, argv
from tests.support.cli import ENVIRONMENT, ctl

EXIT = images()["exit"].path


def built(directory: Path, name: str) -> Path:
    """Create the file that cargo leaves after it has built an application."""
    file = directory / "target" / "x86_64-unknown-hermit" / "debug" / name
    file.parent.mkdir(parents=True)
    return Path(shutil.copyfile(EXIT, file))


def test_a_file_precedes_an_image(tmp_path: Path) -> None:
    """`hello` is the file in the current directory, although the checkout has an image of that name; a line says so."""
    shutil.copyfile(EXIT, tmp_path / "hello")
    done = ctl("run", "hello", "--", 7, cwd=tmp_path)
    assert done.returncode == 7
    line = f"hermitctl: hello is the file in this directory, {tmp_path}/hello, not the image of the checkout\n"
    assert done.stderr.startswith(line)
    assert "not the image" not in ctl("run", "./hello", "--", 7, cwd=tmp_path).stderr
    assert done.stderr.count(line) == ctl("proxy", "hello", "7", cwd=tmp_path).stderr.count(line) == 1


def test_all_meanings_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file, then what cargo has built, then an image. A directory is none, but one without a rival is meant."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hello").mkdir()
    assert find_app("hello") == (images()["hello"].path, images()["hello"])
    assert capsys.readouterr().err == ""
    file = built(tmp_path, "hello")
    assert find_app("hello") == (file.relative_to(tmp_path), None)
    said = f"hermitctl: hello is what cargo has built, {file}, not the image of the checkout\n"
    assert capsys.readouterr().err == said
    (tmp_path / "hello").rmdir()
    shutil.copyfile(EXIT, tmp_path / "hello")
    assert find_app("hello", quiet=True) == (Path("hello"), None)
    assert capsys.readouterr().err == ""
    find_app("hello")
    assert "not what cargo has built and the image of the checkout\n" in capsys.readouterr().err


def test_the_directory_that_was_looked_in_is_named(tmp_path: Path) -> None:
    """A relative name is looked up in the current directory, with `make -C` in the checkout; ~ is the shell's."""
    done = ctl("run", "some/app", cwd=tmp_path)
    assert f"some/app is neither a file in {tmp_path} nor an image" in done.stderr
    done = ctl("run", "~/app", cwd=tmp_path)
    assert f"there is no ~/app in {tmp_path}: the shell has not expanded ~" in done.stderr
    for option in ("--artifacts", "--loader", "--module", "--capture", "--share"):
        done = ctl("run", f"{option}=~/x", "--net=user", "hello", cwd=tmp_path)
        assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
        assert f"{option} ~/x: " in done.stderr
    assert list(tmp_path.iterdir()) == []
    done = subprocess.run(
        ["make", "-C", ROOT, "run", "APP=./no-such-app"], cwd=tmp_path, env=ENVIRONMENT | {"SETUP": "no"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert f"./no-such-app is neither a file in {ROOT} nor an image" in done.stderr, done.stdout


LOADERS = {
    "a program of this machine": ("/bin/true", "has neither a Multiboot 1 header nor a PVH note"),
    "an application": (EXIT, "this is a Hermit application; it belongs in the place of APP"),
    "a text": (ROOT / "README.md", "this is no ELF file"),
    "a directory": (ROOT, "this is a directory"),
    "no file": ("./nothing", "there is no such file in /"),
    "a starter of another VMM": (loader_file("x86_64-linux"), "has neither a Multiboot 1 header nor a PVH note"),
}


@pytest.mark.parametrize("kind", LOADERS)
def test_wrong_loaders(kind: str) -> None:
    """LOADER= with a file that QEMU cannot start is one sentence, without QEMU's own words."""
    file, said = LOADERS[kind]
    done = ctl("run", f"--loader={file}", EXIT, cwd=Path("/"))
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert f"--loader {file}: " in done.stderr and said in done.stderr
    assert "qemu-system" not in done.stderr


@pytest.mark.parametrize(("target", "app"), [("x86_64-uefi", "x86_64"), ("riscv64-sbi", "riscv64")])
def test_loader_of_another_target(target: str, app: str) -> None:
    done = ctl("run", f"--target={target}", f"--loader={loader_file()}", images(app)["exit"].path)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1), done.stderr
    assert f"which target {target} needs" in done.stderr


@pytest.mark.parametrize("name", ["x86_64-multiboot", "x86_64", "x86_64-pvh"])
def test_right_loaders(name: str, tmp_path: Path) -> None:
    """A copy of a loader under another name boots: the check looks at the file."""
    copy = shutil.copyfile(loader_file(name), tmp_path / "mine")
    assert ctl("run", f"--loader={copy}", EXIT, "--", 7).returncode == 7


@pytest.mark.requirement("L-18")
@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("'a", True),
        ('"a', True),
        ("a'b c", True),
        ("'a\\'", False),
        ('"a\\"', True),
        ("\\'", False),
        ("'a' \"b 'c\"", False),
        ("\\", False),
        ("", False),
    ],
)
def test_quotes(text: str, is_open: bool) -> None:
    """By the rules of POSIX shells, which are those of the kernel."""
    assert has_unclosed_quote(text) == is_open
    shell = subprocess.run(["sh", "-nc", f": {text}"], capture_output=True, check=False)
    assert bool(shell.returncode) == is_open


@pytest.mark.requirement("L-18")
@pytest.mark.parametrize("words", [("--args='one", "args"), ("--kernel-args=env=A='b", "args"), ("args", "'x")])
def test_unclosed_quote_is_refused(words: tuple[str, ...]) -> None:
    """The kernel would panic."""
    done = ctl("run", *words)
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (125, 1, ""), done.stderr
    assert "a quote is not closed in the arguments" in done.stderr


def without_rights(*words: object) -> subprocess.CompletedProcess[str]:
    before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
    return ctl(*words, before=before)


def test_port_of_root_and_address_of_another_machine() -> None:
    """Neither is "taken": the sentence has the true reason."""
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 80:  # containers may permit it
        done = without_rights("run", "--forward=80:80", EXIT)
        assert (done.returncode, done.stderr.count("\n")) == (125, 1)
        assert "127.0.0.1:80: only root may listen on ports below" in done.stderr
        done = without_rights("debug", "--port=80", EXIT)
        assert (done.returncode, "127.0.0.1:80: only root" in done.stderr) == (125, True)
    assert host.bind_problem(OSError(errno.EACCES, "Permission denied"), "::").startswith("only root may listen")
    done = ctl("run", "--forward=192.0.2.1:8080:80", EXIT)
    assert (done.returncode, "192.0.2.1 is no address of this machine" in done.stderr) == (125, True)


def test_taken_port_is_replaced() -> None:
    """Only a port that is taken is replaced by the next one."""
    with listen_tcp(46000) as first, listen_tcp(first.getsockname()[1]) as second:
        assert second.getsockname()[1] > first.getsockname()[1]
    assert host.bind_problem(OSError(errno.EADDRINUSE, "Address already in use"), "::") == "Address already in use"


def test_kvm_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the device's own group, or says that the group would not help."""

    def refuse(*words: object, **named: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    device = tmp_path / "kvm"
    device.touch(mode=0o660)
    device.chmod(0o660)
    monkeypatch.setattr("os.open", refuse)
    monkeypatch.setattr("os.getgroups", list)
    monkeypatch.setattr("grp.getgrgid", lambda number: type("Group", (), {"gr_name": "virtual"}))
    assert "join its group virtual (sudo usermod -aG virtual $USER)" in host.kvm_problem(device)
    monkeypatch.setattr("os.getgroups", lambda: [device.stat().st_gid])
    assert "although this user is in its group virtual" in host.kvm_problem(device)
    device.chmod(0o600)
    assert f"(sudo chmod 0666 {device})" in host.kvm_problem(device)


def test_accel_kvm_is_checked_first(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--accel kvm without KVM is one sentence, not QEMU's message."""
    from hermit_harness.cli.main import main

    monkeypatch.setattr("hermit_harness.cli.run.kvm_problem", lambda: "no permission")
    assert main(["run", "--accel=kvm", "hello"]) == 125
    assert capsys.readouterr().err == "hermitctl: --accel kvm: no permission\n"


@pytest.mark.requirement("W-32")
@pytest.mark.parametrize(("memory", "size"), [("256", "256M"), ("256M", "256M"), ("1G", "1G")])
def test_memory_of_a_shared_directory(memory: str, size: str, tmp_path: Path) -> None:
    """A number without a unit is MiB for the object of memory as well, where QEMU reads bytes."""
    assert f"memory-backend-memfd,id=shared0,size={size},share=on" in argv(SharedDirectory(tmp_path), memory, False)
    done = ctl("run", "--dry-run", f"--share={tmp_path}", f"--mem={memory}", "hello")
    assert f"-m {memory} " in done.stdout.replace("\\\n   ", "") and f"size={size}," in done.stdout


@pytest.mark.requirement("W-32")
def test_memory_without_unit_boots_with_a_directory(tmp_path: Path) -> None:
    """MEM=256 with SHARE= boots, as it does without."""
    spec = specs.release("real-hello-0.11.0")
    done = ctl("run", "--mem=256", f"--share={tmp_path}", spec.app or "")
    assert done.returncode == 0, done.stderr


def test_printed_commands_are_quoted(tmp_path: Path) -> None:
    """A command that is pasted names the same file, whatever its name."""
    file = Path(shutil.copyfile(EXIT, tmp_path / "my app"))
    assert f"`hermitctl run '{file}'` boots it" in ctl(file).stderr
    done = ctl("run", "--net=user", "--nic=rtl8139", f"--capture={tmp_path}/a b", "exit")
    assert f"tcpdump -n -r '{tmp_path}/a b' (or tshark -r '{tmp_path}/a b')" in done.stderr
    file.chmod(0)
    assert f"chmod +r '{file}'" in without_rights("run", file).stderr
