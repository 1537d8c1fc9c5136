# SPDX-License-Identifier: Apache-2.0 OR MIT
"""What the make targets for a part of the work do: `make check`, and builds that still hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from hermit_harness.paths import ROOT
from tests.support.quick import HOST_TESTS, is_quick


def test_quick_tests() -> None:
    """Cells that must run, the host tests, and the harness's short tests; no other cell and no long test."""
    must_run, long = {"t/m/tcg/hello"}, {"harness/test_a.py::long"}
    tests = {
        ("boot/test_cells.py::test_boots[x]", "t/m/tcg/hello"): True,
        ("boot/test_cells.py::test_boots[y]", "t/m/tcg/args"): False,
        ("boot/test_real.py::test_any", ""): False,
        (HOST_TESTS, ""): True,
        ("harness/test_a.py::short", ""): True,
        ("harness/test_a.py::long", ""): False,
        ("meta/test_b.py::any", ""): True,
    }
    assert {key: is_quick(*key, must_run, long) for key in tests} == tests


def test_real_fixtures_are_asked_for_again_only_if_something_changed(tmp_path: Path) -> None:
    """A build holds until a source is newer or an image is missing; a build that failed does not hold."""
    here, images = tmp_path / "fixtures" / "real", tmp_path / "build" / "fixtures" / "real" / "x86_64"
    here.mkdir(parents=True)
    images.mkdir(parents=True)
    for name in ("toolchain.sh", "virtiofsd.sh", "sources.sh"):
        (here / name).write_text("#!/bin/sh\necho fixtures/real\n")
    (here / "linked.sh").write_text(
        "#!/bin/sh\n[ ! -e fail ] || exit 1\necho built\n: >build/fixtures/real/x86_64/app\n"
    )
    for script in here.iterdir():
        script.chmod(0o755)
    shutil.copy(ROOT / "fixtures" / "real" / "real.mk", here)
    for path in (*here.iterdir(), here):
        os.utime(path, (1, 1))

    def builds() -> bool:
        argv = ["make", "-s", "-f", "fixtures/real/real.mk"]
        done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert (done.returncode == 0) == (not (tmp_path / "fail").exists()), done.stderr
        return "built" in done.stdout

    assert builds() and not builds()
    (images / "app").unlink()
    assert builds() and not builds()
    (here / "main.rs").touch()
    (tmp_path / "fail").touch()
    assert not builds()
    (tmp_path / "fail").unlink()
    assert builds() and not builds()


def test_all_lanes(tmp_path: Path) -> None:
    """LANE=all runs the tests and each lane, also after a red one, and names those that are red."""
    stub = tmp_path / "make"
    stub.write_text('#!/bin/sh\necho "$@"\ncase $2 in LANE=own) exit 1 ;; esac\n')
    stub.chmod(0o755)
    here = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "HERMIT_", "MFLAGS"))}
    argv = ["make", "-s", "test", "LANE=all", f"MAKE={stub}"]
    done = subprocess.run(argv, cwd=ROOT, env=here, capture_output=True, text=True, check=False, timeout=60)
    started = re.findall(r"LANE=(\w*) REPORT=build/report/(\w+)", done.stdout)
    lanes = {"engines", "eras", "fuzz", "own", "packages", "page", "record"}
    assert started[0] == ("", "tests") and {lane for lane, _ in started[1:]} == lanes, done.stdout
    assert all(list((ROOT / "harness" / "tests" / lane).glob("test_*.py")) for lane in lanes)
    assert done.returncode != 0 and done.stderr.startswith("red: own\n"), done.stderr
