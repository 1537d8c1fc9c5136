# SPDX-License-Identifier: Apache-2.0 OR MIT
"""`make drift`: upstream's sources against what this tree was written for."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint import drift

STACK = "size of the kernel's first stack"
TRAMPOLINE = "page of the start-up code of other x86_64 CPUs"
NODES = "nodes of the device tree that only Hermit has"


def checkout(tmp_path: Path, **files: str) -> Path:
    """Write a kernel with these sources; `__` in a name is a slash."""
    for name, text in {"Cargo.toml": "", **files}.items():
        path = tmp_path / (name if "." in name else f"src/{name.replace('__', '/')}.rs")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("fact", drift.facts(), ids=lambda fact: fact.what)
def test_facts_name_a_place_here(fact: drift.Fact) -> None:
    """The pattern matches the file of this tree; where it has no group, the row has the value."""
    own = next(drift.matches(fact.ours, drift.TOP, drift.TOP / fact.here))
    assert fact.value or own.value != ""
    assert fact.source in ("kernel", "entry", "loader")


def test_report_names_both_places(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed value, a value in another file, a new element of a list, and what is gone."""
    tree = checkout(
        tmp_path,
        config="// sizes\npub(crate) const KERNEL_STACK_SIZE: usize = 0x1_0000;\n",
        elsewhere="const SMP_BOOT_CODE_ADDRESS: VirtAddr = VirtAddr::new(32768);\n",
        env__fdt='a.find_node("/hermit,rsdp")\nb.find_node("/hermit,tsc")\nc.find_node("/hermit,new")\n',
    )
    assert drift.main(["--kernel", str(tree)]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    (stack,) = (line for line in lines if STACK in line)
    assert stack.startswith(f"moved: {STACK}: {tree}/src/config.rs:2 has '65536', loader/core/handover.h:")
    assert stack.endswith("was written for '32768'")
    assert not [line for line in lines if TRAMPOLINE in line]
    (nodes,) = (line for line in lines if NODES in line)
    assert f"{tree}/src/env/fdt.rs:1 has 'hermit,new hermit,rsdp hermit,tsc'" in nodes
    assert any(line.startswith("gone: line of a panic: no kernel source matches") for line in lines)
    assert "facts about loader, no source given" in "\n".join(lines)
    assert last.endswith("facts: 1 as here, " + f"{sum(fact.source == 'kernel' for fact in drift.facts()) - 1} moved")


def test_crate_is_the_one_that_the_kernel_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The crate hermit-entry is found in cargo's registry by the kernel's lock file."""
    tree = checkout(tmp_path, **{"Cargo.lock": '[[package]]\nname = "hermit-entry"\nversion = "0.10.99"\n'})
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "home"))
    assert drift.locked_entry(tree) is None
    crate = tmp_path / "home/registry/src/index/hermit-entry-0.10.99"
    crate.mkdir(parents=True)
    assert drift.locked_entry(tree) == crate


@pytest.mark.parametrize("words", [[], ["--kernel", "/dev/null"]])
def test_wrong_arguments(words: list[str]) -> None:
    """A call without a checkout, or with a path that is none, ends with 2."""
    with pytest.raises(SystemExit) as ended:
        drift.main(words)
    assert ended.value.code == 2
