# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The matrix as data: products, filters, omitted cells with reasons, and errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hermit_harness.matrix import expand, probe
from hermit_harness.matrix.cell import Cell
from hermit_harness.matrix.table import MatrixError, matrix, parse
from hermit_harness.vm.machines import FIRMWARE
from tests.support import probe_session

TEXT = """
min_cells = 1
max_skips = 0
must_run = []
cpus = {small = "Nehalem"}
pads = {big = 4096}
[min_memory.x86_64-multiboot]
hello = 9
[probes]
pc = "pc"
microvm = "pc"
[[line]]
name = "both"
append = "-freq 1 -- a"
[group.every]
images = ["bare:*"]
machines = ["pc", "microvm"]
"""


@dataclass(frozen=True)
class Image:
    id: str
    kind: str = "bare"
    needs: tuple[str, ...] = ()
    arch: str = "x86_64"
    extra: dict[str, Any] = field(default_factory=dict, hash=False)


IMAGES = [Image("hello"), Image("power", needs=("acpi",)), Image("kernel", "real")]
FAST = probe.Probe((probe.ProbeResult("pc", "app exit 0", 2.0, "app exit 0", 1.0, True),))


def plan(extra: str = "", kvm: probe.Probe | None = None, images: tuple[Image, ...] = ()) -> expand.ExpandedMatrix:
    return expand.expand(parse(TEXT + extra), [*IMAGES, *images], 4096, kvm or probe.Probe())


def ids(cells: tuple[Cell, ...]) -> list[str]:
    return [cell.id for cell in cells]


@pytest.mark.requirement("P-05")
def test_product_and_filter() -> None:
    """Each machine gets each image that it supports; other pairs are listed with a reason."""
    found = plan()
    assert ids(found.groups["every"]) == [
        "x86_64-multiboot/pc/tcg/hello",
        "x86_64-multiboot/microvm/tcg/hello",
        "x86_64-multiboot/pc/tcg/power",
    ]
    assert [(one.id, one.reason) for one in found.discards] == [
        ("x86_64-multiboot/microvm/tcg/power", "microvm has no acpi")
    ]


def test_ids_name_only_what_differs_from_the_default() -> None:
    cell = Cell("t", "pc", "kvm", "hello", "debug", "4G", "small", 4, "big", "both")
    assert cell.id == "t/pc/kvm/hello/debug/mem4G/cpu-small/smp4/padbig/line-both"


def test_cell_belongs_to_the_first_group() -> None:
    found = plan('[group.again]\nimages = ["hello", "kernel"]\nmachines = ["pc"]\n')
    assert ids(found.groups["again"]) == ["x86_64-multiboot/pc/tcg/kernel"]


def test_cells_over_the_hosts_memory_are_omitted() -> None:
    found = plan('[group.big]\nimages = ["hello"]\nmachines = ["pc"]\nmemory = ["64M", "12G"]\n')
    assert ids(found.groups["big"]) == ["x86_64-multiboot/pc/tcg/hello/mem64M"]
    assert found.discards[-1].reason == "this host has 4096 MiB of memory"


@pytest.mark.requirement("P-05")
@pytest.mark.parametrize(("kvm", "number"), [(probe.Probe(), 0), (FAST, 2)], ids=["unknown", "faster"])
def test_kvm_only_where_it_is_faster(kvm: probe.Probe, number: int) -> None:
    """A measurement chooses the accelerator, and a machine can use another one's probe."""
    extra = '[group.kvm]\nimages = ["hello"]\nmachines = ["pc", "microvm"]\naccels = ["kvm"]\nwhen = "kvm-faster"\n'
    found = plan(extra, kvm)
    assert len(found.groups["kvm"]) == number
    assert len([one for one in found.discards if "KVM is not used" in one.reason]) == 2 - number


@pytest.mark.requirement("N-08")
def test_missing_firmware_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells without their firmware are omitted, and listed with the file and its source."""
    monkeypatch.setitem(FIRMWARE, "opensbi-1.6-jump", ("/nonexistent/fw_jump.bin",))
    monkeypatch.setitem(FIRMWARE, "opensbi-1.1-jump", (__file__,))
    machines = 'machines = ["virt-fw-jump-1.1", "virt-fw-jump-1.6"]\nwhen = "firmware"\n'
    extra = '[group.x]\nimages = ["hello"]\ntargets = ["riscv64-sbi"]\n'
    found = plan(extra + machines, images=(Image("hello", arch="riscv64"),))
    assert ids(found.groups["x"]) == ["riscv64-sbi/virt-fw-jump-1.1/tcg/hello"]
    assert found.discards[-1].reason == "no /nonexistent/fw_jump.bin: run ci/opensbi.sh to fetch it"


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        ('[group.x]\nimages = ["hello"]\nmachines = ["vax"]\n', "'vax', which the matrix does not define"),
        ('[group.x]\nimages = ["hullo"]\nmachines = ["pc"]\n', "no fixture image matches 'hullo'"),
        ('[group.x]\nimages = ["hello"]\nmachines = ["pc"]\nmemori = ["64M"]\n', "unknown key memori"),
        (
            '[group.x]\nimages = ["kernel"]\nmachines = ["pc"]\nmemory = ["floor"]\n',
            "is recorded for kernel by x86_64-m",
        ),
        ('[group.x]\nimages = ["hello"]\nmachines = ["pc"]\nmemory = ["64"]\n', "a number with the suffix M or G"),
        ('[group.x]\nimages = ["power"]\nmachines = ["microvm"]\n', "nothing of it can run"),
        ('[group.x]\nimages = ["hello"]\nmachines = ["pc"]\nwhen = "firmwear"\n', "when = 'firmwear' is not known"),
        ('[group.x]\nimages = []\nmachines = ["microvm"]\n', "images is missing or empty"),
        ('[[line]]\nname = "both"\nappend = ""\n', "both is there twice"),
        (
            "[min_memory.riscv64-sbi]\nhello = { boots_with = 7, fails_with = 7 }\n",
            "min_memory.riscv64-sbi.hello: a number, or boots_with and",
        ),
    ],
    ids=[
        "machine",
        "image",
        "key",
        "min-memory",
        "memory",
        "empty-group",
        "when",
        "no-images",
        "double-line",
        "min-memory-range",
    ],
)
def test_mistakes_are_errors(extra: str, text: str) -> None:
    with pytest.raises(MatrixError, match=text):
        plan(extra)


@pytest.mark.requirement("P-05")
def test_the_real_matrix_is_large_enough() -> None:
    """Without KVM at least the required number of cells is planned, including each must-run cell."""
    found = expand.expand_for_host(probe.Probe())
    planned = [cell.id for cell in found.cells()]
    assert len(planned) == len(set(planned)) >= matrix().min_cells
    assert not set(matrix().must_run) - set(planned)


@pytest.mark.requirement("P-05")
def test_probe_result_depends_on_time() -> None:
    """KVM works and is faster, works and is slower, fails, or cannot be opened."""
    answers = {("a", "tcg"): ("ok", True, 2.0), ("a", "kvm"): ("ok", True, 1.0), ("b", "tcg"): ("ok", True, 0.5)}
    answers |= {
        ("b", "kvm"): ("ok", True, 5.0),
        ("c", "tcg"): ("ok", True, 1.0),
        ("c", "kvm"): ("crash: XGETBV", False, 0.1),
    }
    found = probe.measure("abc", lambda machine, accel: answers[machine, accel], "/dev/null")
    assert [row.use_kvm for row in found.rows] == [True, False, False]
    assert found.row("b").text() == "slower than TCG (5.00 s against 0.50 s)"
    assert found.row("c").text() == "the probe ended with crash: XGETBV"
    assert probe.parse(found.dump()) == found
    closed = probe.measure("a", lambda machine, accel: answers[machine, accel], "/nonexistent/kvm")
    assert closed.row("a").text() == "the probe ended with no access to /nonexistent/kvm"


@pytest.mark.requirement("P-05")
def test_probe_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second session boots nothing, unless the host or QEMU is another one or the file is damaged."""
    booted: list[str] = []

    def boot_once(machine: str, accel: str) -> tuple[str, bool, float]:
        booted.append(machine)
        return "ok", True, len(booted)

    monkeypatch.setattr(probe_session, "ANSWER", tmp_path / "answer.json")
    monkeypatch.setattr(probe_session, "boot_once", boot_once)
    first = probe_session.probe_session()
    once = len(booted)
    assert once and (probe_session.probe_session(), len(booted)) == (first, once)
    monkeypatch.setattr(probe_session, "key_of", lambda spec: f"another kernel, {spec.machine}")
    assert (probe_session.probe_session() != first, len(booted)) == (True, 2 * once)
    (tmp_path / "answer.json").write_text("{")
    probe_session.probe_session()
    assert len(booted) == 3 * once
