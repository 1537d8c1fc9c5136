# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The check of include and import directions finds each kind of violation that is planted in a small tree."""

from __future__ import annotations

from pathlib import Path

import pytest

from lint import arrows
from lint.tree import Tree

HEADERS = (
    "core/log.h",
    "dev/uart.h",
    "arch/x86_64/ports.h",
    "arch/aarch64/map.h",
    "proto/sbi/sbi.h",
    "arch/x86_64/trampoline.h",
)


def planted(root: Path, path: str, text: str) -> Tree:
    """A tree with a header in each room and one file that may violate the rules."""
    for name in HEADERS:
        (root / "loader" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "loader" / name).write_text("#pragma once\n", encoding="utf-8")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text, encoding="utf-8")
    return Tree(root)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("loader/core/a.c", "dev/uart.h"),
        ("loader/core/a.c", "arch/x86_64/ports.h"),
        ("loader/core/a.c", "trampoline.h"),
        ("loader/dev/a.h", "arch/x86_64/ports.h"),
        ("loader/arch/x86_64/a.c", "proto/sbi/sbi.h"),
        ("loader/arch/x86_64/a.c", "arch/aarch64/map.h"),
        ("loader/dev/a.c", "../proto/sbi/sbi.h"),
        ("fixtures/bare/a/a.c", "loader/core/log.h"),
        ("fixtures/bare/a/a.c", "../../../loader/core/log.h"),
    ],
)
def test_forbidden_includes(tmp_path: Path, path: str, name: str) -> None:
    """Each include against the direction is one finding, in C and in assembly."""
    assert len(arrows.loader_faults(planted(tmp_path, path, f'#include "{name}"\n'))) == 1
    assembly = planted(tmp_path, f"{path[:-2]}.asm", f'  %include "{name}"\n')
    assert len(arrows.loader_faults(assembly)) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("loader/core/a.c", "core/log.h"),
        ("loader/core/a.c", "version.h"),
        ("loader/dev/a.c", "core/log.h"),
        ("loader/arch/x86_64/a.c", "dev/uart.h"),
        ("loader/arch/x86_64/a.c", "ports.h"),
        ("loader/proto/pvh/a.c", "arch/x86_64/ports.h"),
        ("loader/test/a.c", "proto/sbi/sbi.h"),
        ("fixtures/bare/a/a.c", "start.h"),
    ],
)
def test_allowed_includes(tmp_path: Path, path: str, name: str) -> None:
    """The directions of the design are no findings."""
    assert arrows.loader_faults(planted(tmp_path, path, f'#include "{name}"\n')) == []


def test_dotted_includes(tmp_path: Path) -> None:
    """A path that leaves its directory is a finding, also in the right direction."""
    tree = planted(tmp_path, "loader/dev/a.c", 'int x;\n#include "../core/log.h"\n')
    assert arrows.dotted_includes(tree) == ['loader/dev/a.c:2: "../core/log.h": write the path from loader/']


def module(root: Path, name: str, text: str) -> None:
    path = root / "harness/hermit_harness" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "from hermit_harness.cli.main import main\n",
        "from hermit_harness.cli import main\n",
        "import hermit_harness.cli.main\n",
        "def later():\n    from hermit_harness.cli import main\n",
    ],
)
def test_upward_imports(tmp_path: Path, text: str) -> None:
    """An import of a higher layer is a finding, however it is written."""
    module(tmp_path, "cli/main.py", "")
    module(tmp_path, "vm/spec.py", text)
    (fault,) = arrows.python_faults(Tree(tmp_path))
    assert "hermit_harness.vm.spec must not import hermit_harness.cli.main" in fault


def test_allowed_imports(tmp_path: Path) -> None:
    """Lower layers, and imports for type checkers only, are no findings."""
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from hermit_harness.cli import main\n"
    module(tmp_path, "cli/main.py", "from hermit_harness.vm import spec\n")
    module(tmp_path, "vm/spec.py", types)
    assert arrows.python_faults(Tree(tmp_path)) == []


def test_circles_and_unknown_rooms(tmp_path: Path) -> None:
    """Modules that import each other are a finding, and so is a room that no layer names."""
    module(tmp_path, "vm/a.py", "from hermit_harness.vm.b import x\n")
    module(tmp_path, "vm/b.py", "from hermit_harness.vm import a\n")
    module(tmp_path, "attic/c.py", "")
    faults = arrows.python_faults(Tree(tmp_path))
    assert "circle of imports: hermit_harness.vm.a -> hermit_harness.vm.b" in faults
    assert any("hermit_harness.attic.c is in no layer" in fault for fault in faults)
    assert len(faults) == 2
