# SPDX-License-Identifier: Apache-2.0 OR MIT
"""--accel auto: when KVM is chosen, how long the answer is kept, and what happens if KVM fails nevertheless."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hermit_harness import options
from hermit_harness.cli import accelerator, config, main, run
from hermit_harness.fixtures import images
from hermit_harness.paths import loader_file
from hermit_harness.postmortem import report
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.spec import RunSpec

HERE = os.uname().machine
TARGET = {"x86_64": "x86_64-multiboot", "aarch64": "aarch64-elf"}.get(HERE, "riscv64-sbi")
SPEC = RunSpec(loader_file(TARGET), images()["exit"].path, "pc" if HERE == "x86_64" else "virt", target=TARGET)
GOOD = Outcome("pass", 0, "app", "bare", "", "", "", b"", 3, (), {"end": 0.1})


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a KVM that can be opened."""
    monkeypatch.setattr(accelerator, "ANSWERS", tmp_path / "cache" / "accelerators.json")
    monkeypatch.setattr(accelerator, "kvm_problem", lambda: "")
    monkeypatch.setattr(run, "kvm_problem", lambda: "")
    return tmp_path / "cache" / "accelerators.json"


def boots(monkeypatch: pytest.MonkeyPatch, by_kvm: Outcome) -> list[RunSpec]:
    """Replace the boots of the probe. TCG takes 100 ms."""
    done: list[RunSpec] = []

    def boot(spec: RunSpec) -> Outcome:
        done.append(spec)
        return by_kvm if spec.accel == "kvm" else GOOD

    monkeypatch.setattr(accelerator, "boot", boot)
    return done


CASES = {
    "faster": (replace(GOOD, timings={"end": 0.05}), "kvm", ""),
    "slower": (replace(GOOD, timings={"end": 0.15}), "tcg", "takes longer with it than with TCG, 100 ms"),
    "too-slow": (replace(GOOD, verdict="timeout", timings={"end": 0.1}), "tcg", "takes longer"),
    "fails": (replace(GOOD, verdict="infra", cause="internal-error", timings={"end": 0.05}), "tcg", "internal-error"),
}


@pytest.mark.parametrize("name", CASES)
def test_choice(name: str, answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small boot decides. It is made once for each kind of kernel, and KVM gets no more time than TCG took."""
    by_kvm, accel, reason = CASES[name]
    done = boots(monkeypatch, by_kvm)
    for _ in range(2):
        chosen, why = accelerator.choose(SPEC, may_boot=True)
        assert chosen == accel and reason in why
    assert [spec.accel for spec in done] == ["tcg", "kvm"]
    assert done[1].wall_seconds == 0.1 and done[1].app != SPEC.app
    (key,) = json.loads(answers.read_text())
    assert os.uname().release in key and "qemu" in key
    accelerator.choose(replace(SPEC, end="other-kernel"), may_boot=True)
    assert len(done) == 4


def test_what_is_not_tried(answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--dry-run boots nothing; another CPU, a CPU model and a closed device need no boot."""
    done = boots(monkeypatch, CASES["faster"][0])
    assert accelerator.choose(SPEC, may_boot=False) == ("tcg", "it has not been tried")
    other = "aarch64-elf" if HERE != "aarch64" else "x86_64-multiboot"
    assert "processor" in accelerator.choose(replace(SPEC, target=other), may_boot=True)[1]
    assert accelerator.choose(replace(SPEC, cpu="max"), may_boot=True)[0] == "tcg"
    monkeypatch.setattr(accelerator, "kvm_problem", lambda: "no permission")
    assert accelerator.choose(SPEC, may_boot=True) == ("tcg", "no permission")
    assert not done and not answers.exists()
    answers.parent.mkdir()
    answers.write_text("[]")  # a damaged cache is no cache
    monkeypatch.setattr(accelerator, "kvm_problem", lambda: "")
    assert accelerator.choose(SPEC, may_boot=True) == ("kvm", "")


def test_only_run_is_automatic() -> None:
    """Everything else that reads the table boots with TCG unless it names another accelerator."""
    (row,) = (row for row in options.OPTIONS if row.name == "ACCEL")
    assert options.default_of(row, {}) == ""
    arguments = main.build_parser(["run"]).parse_args(["run"])
    config.settle(arguments, {})
    assert arguments.accel == ""
    arguments.app, arguments.app_words = "exit", []
    assert run.make_spec(arguments)[0].accel == "tcg"


@pytest.mark.skipif(HERE != "x86_64", reason="the loader for this machine's CPU is started in another way")
def test_kvm_that_fails_is_not_the_end(
    answers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run that auto gave to KVM, and that KVM ends, is booted once more with TCG; later ones use TCG at once."""
    fake = Path(__file__).parents[1] / "support" / "fake_qemu.py"
    qemu = tmp_path / "qemu"
    qemu.write_text(
        f'#!/bin/sh\ncase "$*" in *"-qmp stdio") exit ;; *"-accel kvm"*) exec {sys.executable} {fake} "$@" ;; esac\n'
        'exec qemu-system-x86_64 "$@"\n'
    )
    qemu.chmod(0o755)
    loader = shutil.copy(loader_file(TARGET), tmp_path / "internal-error")
    words = ["run", f"--qemu={qemu}", f"--loader={loader}", f"--artifacts={tmp_path / 'run'}", "exit", "--", "7"]
    monkeypatch.setattr(accelerator, "measure", lambda spec: "")
    monkeypatch.setattr(report, "run_gdb", lambda *words: {})  # the fake answers no debugger
    repeated = "(internal-error): KVM internal error. Suberror: 1; --accel auto boots it once more, with TCG\n"
    for chosen, status, accel, is_repeated in (
        ((), 7, "tcg", True),
        ((), 7, "tcg", False),
        (("--accel=kvm",), 125, "kvm", False),
    ):
        assert main.main([words[0], *chosen, *words[1:]]) == status
        said = capfd.readouterr().err
        assert (repeated in said) == is_repeated, said
        assert said.splitlines()[-1].endswith(f" on pc, {accel}"), said
