# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The reader of fixture.toml: defaults, values per CPU, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from hermit_harness import fixtures
from hermit_harness.ends import ends
from hermit_harness.paths import FIXTURES

CPUS = ["x86_64", "aarch64", "aarch64_be", "riscv64"]


def read(text: str, kind: str = "bare") -> list[fixtures.FixtureImage]:
    return fixtures.parse(f'summary = "says hello"\n{text}', kind, "hello")


def one(text: str, arch: str = "x86_64") -> fixtures.FixtureImage:
    return next(image for image in read(f'[[image]]\nid = "hello"\n{text}') if image.arch == arch)


@pytest.mark.parametrize("arch", CPUS)
def test_one_entry_for_every_cpu(arch: str) -> None:
    """An image is identified by CPU and id. Its file is in the directory of the CPU with its byte order."""
    image = one("", arch)
    assert (image.arch, image.id) == (arch, "hello")
    assert image.path == FIXTURES / "bare" / arch / "hello"


@pytest.mark.parametrize(
    ("kind", "archs", "end"),
    [("bare", CPUS, "bare"), ("real", ["x86_64"], "hermit-0.10-x86"), ("liar", ["x86_64"], "bare")],
)
def test_built_in_defaults(kind: str, archs: list[str], end: str) -> None:
    """An entry that has nothing but an id is complete."""
    found = read('[[image]]\nid = "hello"\n', kind)
    first = found[0]
    assert [image.arch for image in found] == archs
    assert (first.fixture, first.kind, first.summary, first.end) == ("hello", kind, "says hello", end)
    assert (first.expect, first.args, first.greeting, first.needs, first.extra) == ("exit 0", "", "", (), {})


def test_keys_above_the_images_are_defaults() -> None:
    """Each image can replace a default, also by an empty value, for itself alone."""
    shared = 'greeting = "hello"\nneeds = ["acpi"]\nmemory = "1G"\narchs = ["x86_64", "riscv64"]\n'
    rows = (
        '[[image]]\nid = "a"\n[[image]]\nid = "b"\narch = "aarch64"\nneeds = []\ngreeting = ""\n[[image]]\nid = "c"\n'
    )
    found = read(shared + rows)
    assert [(image.id, image.arch) for image in found] == [
        ("a", "x86_64"),
        ("a", "riscv64"),
        ("b", "aarch64"),
        ("c", "x86_64"),
        ("c", "riscv64"),
    ]
    default, replaced = ("hello", ("acpi",), {"memory": "1G"}), ("", (), {"memory": "1G"})
    values = [(image.greeting, image.needs, image.extra) for image in found]
    assert values == [default, default, replaced, default, default]


@pytest.mark.parametrize(
    ("end", "arch", "wanted"),
    [
        ('"bare"', "x86_64", "bare"),
        ('"bare"', "aarch64_be", "bare-aarch64"),
        ('"bare-{arch}"', "x86_64", "bare"),
        ('"bare-{arch}"', "riscv64", "bare-riscv64"),
        ('"hermit-0.10-x86"', "x86_64", "hermit-0.10-x86"),
        ('"hermit-0.10-{arch}"', "aarch64", "hermit-0.10-aarch64"),
        ('{x86_64 = "hermit-0.10-x86", riscv64 = "bare-riscv64"}', "riscv64", "bare-riscv64"),
    ],
)
def test_end_by_cpu(end: str, arch: str, wanted: str) -> None:
    assert one(f"end = {end}", arch).end == wanted


def test_values_by_cpu() -> None:
    """A table holds one value per CPU; a CPU that it does not name gets the default."""
    image = one('needs.x86_64 = ["acpi"]\nmemory.aarch64 = "512M"\nexpect = "hang"', "aarch64")
    assert (image.needs, image.extra, image.expect) == ((), {"memory": "512M"}, "hang")


def test_file_names_another_file() -> None:
    assert one('file = "bare/{arch}/other"', "riscv64").path == FIXTURES / "bare" / "riscv64" / "other"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('[[image]]\nid = "a"\narchs = ["vax"]', "image a: 'vax' is not one of x86_64, aarch64"),
        ('[[image]]\nid = "a"\narch = "x86_64"\narchs = ["x86_64"]', "image a: arch and archs exclude each other"),
        ('[[image]]\nid = "a"\ngreetings = "hello"', "image a: unknown key 'greetings'"),
        ('[[image]]\nid = "a"\ngreeting.vax = "hello"', "image a: greeting: 'vax' is not one of x86_64"),
        ('greetings = "hello"\n[[image]]\nid = "a"', "unknown key 'greetings'"),
        ('[[images]]\nid = "a"', "unknown key 'images'"),
        ('[[image]]\nexpect = "exit 0"', r"image \?: the key 'id' is missing"),
        ("[[image]", "line 2"),
    ],
    ids=["cpu", "both", "key", "table", "default-key", "images", "no-id", "syntax"],
)
def test_mistakes_are_errors(text: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read(text)


def test_unknown_kind_is_an_error() -> None:
    with pytest.raises(ValueError, match="there is no kind 'beer', only bare, real, old, liar, start"):
        read("", "beer")


def test_a_mistake_names_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The same id in two fixtures is an error that names the second file."""
    for name in ("first", "second"):
        directory = tmp_path / "fixtures" / "bare" / name
        directory.mkdir(parents=True)
        (directory / "fixture.toml").write_text('[[image]]\nid = "same"\n')
    monkeypatch.setattr(fixtures, "ROOT", tmp_path)
    with pytest.raises(ValueError, match=r"bare/second/fixture.toml: image same: the id is used twice for x86_64"):
        fixtures.all_images.__wrapped__()


def test_every_image_has_a_known_end() -> None:
    assert {image.end for image in fixtures.all_images()} <= set(ends())
