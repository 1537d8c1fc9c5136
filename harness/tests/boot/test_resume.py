# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Boots that resume after the start of the firmware, see tests/support/resume.py.

That they run their own loader, application and words is what the cells and mutants of UEFI show.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness.boot import boot
from hermit_harness.matrix import specs
from hermit_harness.paths import loader_file
from hermit_harness.vm.nic import Nic
from hermit_harness.vm.spec import RunSpec
from tests.support.resume import FULL, key_of, resumed

WAYS = ("esp", "efi-kernel")


def release(way: str, image: str = "hello", append: str = "") -> RunSpec:
    return specs.release(image, "ovmf", "x86_64-uefi", way=way, append=append)


@pytest.mark.requirement("N-05")
@pytest.mark.parametrize(
    "changes",
    [{"cpu": "max"}, {"memory": "6G"}, {"extra": ("-global", "ICH9-LPC.disable_s3=1")}, {"net": Nic("user")}],
    ids=lambda changes: next(iter(changes)),
)
def test_another_machine_boots_in_full(changes: dict[str, object]) -> None:
    assert resumed(replace(release("efi-kernel"), **changes)).stream is None  # type: ignore[arg-type]


@pytest.mark.requirement("N-05")
def test_all_boot_in_full_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FULL, "1")
    assert resumed(release("efi-kernel")).stream is None


@pytest.mark.requirement("N-05")
@pytest.mark.parametrize("way", WAYS)
def test_stream_fits_one_machine(way: str) -> None:
    """The test's files do not matter, its devices do."""
    spec = release(way)
    debug = replace(spec, loader=loader_file("x86_64-uefi", "debug"))
    for other in (release(way, "args", append="a b"), debug, replace(spec, app=None)):
        assert key_of(other) == key_of(spec)
    others = [replace(spec, smp=2), replace(spec, memory="128M"), replace(spec, debug_exit=False)]
    others += [release(other) for other in WAYS if other != way]
    keys = {key_of(other) for other in others}
    assert len(keys) == len(others)
    assert key_of(spec) not in keys


@pytest.mark.requirement("N-05")
def test_damaged_stream_is_no_result_of_the_guest(tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    stream.write_bytes(bytes(4096))
    outcome = boot(replace(release("efi-kernel"), stream=stream))
    assert (outcome.verdict, outcome.status) == ("infra", None), str(outcome)
