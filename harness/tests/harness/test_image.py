# SPDX-License-Identifier: Apache-2.0 OR MIT
"""hermitctl image pack, and what hermitctl run takes from a Hermit image."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness import elf, image
from hermit_harness.fixtures import images
from hermit_harness.image import Image
from tests.support.cli import ctl

EXAMPLE = Image(b"\x7fELF app", ("-x",), ("one", "two words", 'q"\\\u00e9\x7f\n'), ("A=b",), 1000, 2)


def test_round_trip() -> None:
    """What was packed is read, each time from the same bytes, and further files do not change it."""
    packed = image.pack(EXAMPLE, "1KB", {"etc/motd": b"hello"})
    assert image.read(packed) == EXAMPLE
    assert packed == image.pack(EXAMPLE, "1KB", {"etc/motd": b"hello"})
    assert image.read(image.compress(b"\x7fELF alone")) == Image(b"\x7fELF alone")
    assert image.read(b"\x7fELF") is None


def test_other_tools_read_it(tmp_path: Path) -> None:
    """GNU tar lists the files, sorted and without a time, and hermit.toml is TOML."""
    file = tmp_path / "app.hermit"
    file.write_bytes(image.pack(EXAMPLE, "1KB", {"a": b""}))
    done = subprocess.run(["tar", "-tvzf", file], capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    assert [line.split()[3:] for line in done.stdout.splitlines()] == [
        ["1970-01-01", "00:00", name] for name in ("a", "hermit.toml", "hkernel")
    ]
    text = subprocess.run(["tar", "-xOzf", file, "hermit.toml"], capture_output=True, text=True, check=True).stdout
    assert tomllib.loads(text) == {
        "version": "1",
        "kernel": "hkernel",
        "input": {"kernel_args": ["-x"], "app_args": list(EXAMPLE.app_args), "env_vars": ["A=b"]},
        "requirements": {"memory": "1KB", "cpus": 2},
    }


@pytest.mark.parametrize(
    ("value", "size"),
    [(5, 5), ("5", 5), ("5B", 5), ("70k", 70000), ("64 MiB", 64 << 20), ("1gib", 1 << 30), ("1.5 GB", 1500000000)],
)
def test_size(value: object, size: int) -> None:
    assert image.size_bytes(value) == size


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (image.pack(EXAMPLE)[:-9], "ends too early"),
        (image.pack(EXAMPLE)[:-8] + bytes(8), "damaged"),
        (gzip.compress(b"text"), "neither"),
        (gzip.compress(bytes(1024)), "no file hermit.toml"),
        (gzip.compress(gzip.decompress(image.pack(EXAMPLE)).replace(b'"hkernel"', b'"akernel"')), "no file akernel"),
        (gzip.compress(gzip.decompress(image.pack(EXAMPLE)).replace(b'"1"', b'"2"')), "version is '2'"),
        (gzip.compress(gzip.decompress(image.pack(EXAMPLE)).replace(b"app_args", b"app_argz")), "arrays of strings"),
    ],
    ids=["cut", "checksum", "text", "no-config", "no-kernel", "version", "key"],  # the bytes have a date
)
def test_damaged(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        image.read(data)


@pytest.mark.requirement("N-25")
def test_run_takes_what_the_user_left_open(tmp_path: Path) -> None:
    """Memory, CPUs and arguments are the image's; --mem, --smp and words of the user win."""
    app = images()["args"].path
    done = ctl(
        "image", "pack", app, "-o", "a.hermit", "--args=one 'two words'", "--mem=200 MiB", "--cpus=2", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    facts = elf.read(tmp_path / "a.hermit")
    assert facts and facts.arch == "x86_64" and facts.entry_version == 4
    plain = ctl("run", "--dry-run", "a.hermit", cwd=tmp_path).stdout
    assert " -smp 2 -m 200M " in plain and "-- one " in plain
    mine = ctl("run", "--dry-run", "--mem=300M", "--smp=1", "a.hermit", "--", "x", cwd=tmp_path)
    assert " -smp 1 -m 300M " in mine.stdout and "-append '-- x'" in mine.stdout
    assert mine.stderr == "hermitctl: the Hermit image requires 2 CPUs, --smp gives fewer\n"
    # The file of an image that was unpacked here does not configure hermitctl.
    (tmp_path / "hermit.toml").write_text(image.config_text(EXAMPLE))
    assert ctl("run", "--dry-run", "a.hermit", cwd=tmp_path).stdout == plain


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--args='a",), "a quote is not closed"),
        (("--kernel-args=-- a",), "give the application's arguments with --args"),
        (("--env=A",), "NAME=VALUE is wanted"),
        (("--mem=much",), "--mem much: a size is wanted"),
        (("--cpus=-1",), "--cpus -1: the number must be 1 or more"),
        (("--file=a",), "--file a: PATH=FILE is wanted"),
        (("--file=hkernel=app",), "needs a plain relative path"),
        (("--file=/a=app",), "needs a plain relative path"),
        (("--file=a=none",), "there is no such file"),
    ],
)
def test_wrong_use(words: tuple[str, ...], why: str, tmp_path: Path) -> None:
    """One sentence, and no file is written."""
    (tmp_path / "app").write_bytes(images()["exit"].path.read_bytes())
    done = ctl("image", "pack", "app", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (125, 1) and why in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["app"]


def test_fraction_of_a_unit(tmp_path: Path) -> None:
    """The loader reads whole numbers only, so a fraction is written in bytes. Other sizes do not change."""
    app = images()["exit"].path
    for size, written in (("1.5 MiB", "1572864"), ("64 MiB", "64 MiB")):
        assert ctl("image", "pack", app, "-o", "a.hermit", f"--mem={size}", cwd=tmp_path).returncode == 0
        text = subprocess.run(
            ["tar", "-xOzf", "a.hermit", "hermit.toml"], cwd=tmp_path, capture_output=True, check=True
        )
        assert tomllib.loads(text.stdout.decode())["requirements"]["memory"] == written


def test_only_applications(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("text")
    assert "an ELF file is wanted" in ctl("image", "pack", "text", cwd=tmp_path).stderr


def test_names_that_some_readers_do_not_find() -> None:
    for name in ("a/../b", "./a", "a" * 101, "hermit.toml"):
        with pytest.raises(ValueError, match="plain relative path"):
            image.pack(replace(EXAMPLE, env=()), "", {name: b""})


@pytest.mark.parametrize("name", ["../../outside", "/outside", "hkernel/../../outside"])
def test_archive_writes_nowhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Members are read in memory: neither a name nor a link leads out of the archive."""
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(image.pack(EXAMPLE)))) as good:
        files = {member.name: good.extractfile(member).read() for member in good}  # type: ignore[union-attr]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, data in [*files.items(), (name, b"data")]:
            member = tarfile.TarInfo(path)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("hkernel")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    found = image.read(gzip.compress(stream.getvalue()))
    assert found and found.app == EXAMPLE.app
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
