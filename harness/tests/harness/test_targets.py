# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Targets, machines and boot methods: their command lines, and the disk that firmware boots from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from hermit_harness.matrix.prerequisites import BuildError, without_multiboot
from hermit_harness.paths import ROOT, TARGETS_TABLE
from hermit_harness.vm import esp
from hermit_harness.vm.argv import guest_argv
from hermit_harness.vm.machines import firmware_file, machine
from hermit_harness.vm.spec import RunSpec
from hermit_harness.vm.targets import ARCHS, DEFAULT_TARGETS, TARGETS, parse, target, target_of_file


def line(name: str, way: str = "", where: str = "", append: str = "-- a") -> str:
    """Return the command line of a boot of L and A."""
    row = machine(where or target(name).machine, target(name).cpu)
    spec = RunSpec(Path("L"), Path("A"), row.name, memory=row.memory, append=append, target=name, way=way)
    return " ".join(guest_argv(spec))


def make(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make on a makefile given as text."""
    return subprocess.run(
        ["make", "-s", "-f", "-", *words], input=text, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )


def test_make_and_harness_read_the_same_table() -> None:
    values = "$t|$(or $($t.app),$($t.arch))|$($t.way)|$($t.machine)|$(or $($t.file),hermit-loader-$t)|$($t.old)"
    show = f"all:; $(foreach t,$(TARGETS),$(info {values}))\n"
    done = make(TARGETS_TABLE.read_text() + show)
    assert done.returncode == 0, done.stderr
    rows = TARGETS.values()
    wanted = [f"{t.name}|{t.arch}|{t.way}|{t.machine}|{t.file}|{' '.join(t.aliases)}" for t in rows]
    assert done.stdout.splitlines() == wanted


def test_defaults_of_the_table() -> None:
    """The first target of a kind is its default, and every target boots on a machine that exists."""
    assert ARCHS == ("x86_64", "aarch64", "aarch64_be", "riscv64")
    assert list(DEFAULT_TARGETS.values()) == ["x86_64-multiboot", "aarch64-elf", "aarch64_be-elf", "riscv64-sbi"]
    for row in TARGETS.values():
        assert machine(row.machine, row.cpu).name == row.machine


ROW = """TARGETS += new-one
new-one.arch := riscv64
new-one.machine := virt
new-one.way := initrd
new-one.protos := fdt
"""


def test_a_new_row_is_all_that_the_harness_needs() -> None:
    row = parse(ROW + "new-one.old := older oldest\nnew-one.app := riscv64_be\n")["new-one"]
    assert (row.arch, row.cpu, row.way, row.machine) == ("riscv64_be", "riscv64", "initrd", "virt")
    assert (row.aliases, row.file) == (("older", "oldest"), "hermit-loader-new-one")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("new-one.machine", "new-one.other", "target new-one has no machine"),
        (":= initrd", ":= pigeon", "target new-one: way 'pigeon' is not one of initrd, "),
        (":= riscv64", ":= $(CPU)", r"target new-one: arch must be plain text, not '\$\(CPU\)'"),
        ("TARGETS += new-one\n", "TARGETS += new-one\n" * 2, "target new-one is listed twice"),
        ("TARGETS += new-one\n", "", "the table has no targets"),
    ],
    ids=["missing", "way", "function", "twice", "empty"],
)
def test_a_wrong_row_is_an_error(old: str, new: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse(ROW.replace(old, new))


@pytest.mark.parametrize("key", ["arch", "machine", "way", "protos"])
def test_make_refuses_a_row_without(key: str) -> None:
    """The check at the end of the table covers the rows above it."""
    table = TARGETS_TABLE.read_text().replace(
        "TARGETS :=\n", "TARGETS :=\n" + ROW.replace(f"new-one.{key} ", "new-one.x ")
    )
    done = make(table + "all:;\n")
    assert done.returncode == 2
    assert f"loader/targets.mk: new-one has no {key}" in done.stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("aarch64", "aarch64-elf"),
        ("riscv64", "riscv64-sbi"),
        ("x86_64-fc", "x86_64-linux"),
        ("aarch64-image", "aarch64-uefi"),
        ("aarch64-elf",) * 2,
    ],
)
def test_former_names(old: str, new: str) -> None:
    assert target(old).name == new


def test_error_for_an_unknown_name_lists_the_targets() -> None:
    with pytest.raises(ValueError, match=r"unknown target 'vax'; known: x86_64-multiboot, .*riscv64-sbi"):
        target("vax")


@pytest.mark.parametrize("name", TARGETS)
def test_file_names(name: str) -> None:
    """Each target's file is identified by its name; UEFI's end in .efi."""
    file = target(name).file
    assert file == ("hermit-loader-" + name).replace("-uefi", ".efi")
    assert target_of_file(file) is target(name)
    assert target_of_file(file + ".debug") is target(name)


def test_aarch64_line() -> None:
    """The line has the words of the README, in the harness's order."""
    assert line("aarch64-elf") == (
        "qemu-system-aarch64 -M virt,gic-version=3 -nodefaults -no-user-config -accel tcg -cpu cortex-a76 -smp 1 "
        "-m 512M -semihosting -kernel L -device guest-loader,addr=0x48000000,initrd=A -append -- a"
    )


def test_boot_methods() -> None:
    assert "addr=0x50000000,initrd=A -append" in line("aarch64-elf", "guest-loader@0x50000000")
    assert "-kernel L -initrd A -append" in line("aarch64-elf", "initrd")
    assert "virtualization=on" in line("aarch64-elf", where="virt-el2")
    assert re.search(r"-cpu rv64 -smp 1 -m 128M (-bios \S+ )?-kernel L -initrd A -append -- a$", line("riscv64-sbi"))
    assert "isa-debug-exit" in line("x86_64-uefi", "efi-kernel") and "isa-debug-exit" not in line("riscv64-sbi")
    with pytest.raises(ValueError, match="unknown way 'pigeon'"):
        line("aarch64-elf", "pigeon")


@pytest.mark.parametrize(("name", "where"), [("x86_64-uefi", "ovmf"), ("aarch64-uefi", "aavmf")])
def test_firmware_in_flash(name: str, where: str) -> None:
    """The code is read-only; writes to the variables are discarded after the run."""
    text = line(name, "efi-kernel", where)
    assert f"unit=0,format=raw,readonly=on,file={firmware_file(where + '-code')}" in text
    assert f"unit=1,format=raw,snapshot=on,file={firmware_file(where + '-vars')}" in text


def test_machine_of_another_cpu_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown machine 'pc' of aarch64; known: virt,"):
        machine("pc", "aarch64")


def test_disk_for_firmware(tmp_path: Path) -> None:
    """Loader, application and arguments are at the paths that firmware and loader search.

    The same files give the same disk.
    """
    loader, app = tmp_path / "loader", tmp_path / "app"
    loader.write_bytes(b"MZ")
    app.write_bytes(b"\x7fELF" * 1_000_000)
    disk = esp.image("aarch64", loader, app, "-freq 1 -- ü")
    assert disk == esp.image("aarch64", loader, app, "-freq 1 -- ü")
    assert disk != esp.image("aarch64", loader, app, "-freq 1 -- ü", "BOOT")

    def file(name: str) -> bytes:
        command = ["mtype", "-i", str(disk), f"::/{name}"]
        return subprocess.run(command, capture_output=True, check=True, env={"MTOOLS_SKIP_CHECK": "1"}).stdout

    assert file("EFI/BOOT/BOOTAA64.EFI") == b"MZ"
    assert file("EFI/hermit/hermit-app") == app.read_bytes()
    assert file("EFI/hermit/hermit-bootargs") == "-freq 1 -- ü".encode()


def test_multiboot_magic_is_removed(tmp_path: Path) -> None:
    """The copy differs in the four bytes of the magic only; a file with none, or two, is an error."""
    file, copy = tmp_path / "loader", tmp_path / "directory" / "loader"
    file.write_bytes(bytes(64) + (0x1BADB002).to_bytes(4, "little") + b"rest")
    without_multiboot(file, copy)
    assert copy.read_bytes() == bytes(68) + b"rest"
    with pytest.raises(BuildError, match=re.escape("0 times in the first 8 KiB")):
        without_multiboot(copy, file)
