# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The tests as an array of jobs of a real Slurm, submitted by an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermit_harness.paths import ROOT
from hermit_harness.report import results
from tests.support import slurm

CELLS = "x86_64-multiboot/microvm/tcg/*args*"
PARTS = 4


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[slurm.Cluster]:
    if os.environ.get("HERMIT_LANE") != "engines":
        pytest.skip("own-lane: minutes of builds and boots; `make test LANE=engines` runs it")
    if lacks := slurm.missing():
        pytest.skip(f"own-lane: {lacks}")
    directory = tmp_path_factory.mktemp("slurm")
    for parent in (directory, *directory.parents[:3]):
        parent.chmod(0o755)  # two users of the cluster, one of them unknown to the host
    with slurm.Cluster(directory) as cluster:
        yield cluster


def wait_for(cluster: slurm.Cluster, dependency: str) -> None:
    """Wait until an empty job with this dependency has run."""
    done = cluster.run("sbatch", "--wait", f"--dependency={dependency}", "--output=/dev/null", "--wrap=true")
    assert done.returncode == 0, done.stderr


def job(cluster: slurm.Cluster, number: str) -> dict[str, str]:
    """Return what Slurm shows of a job."""
    shown = cluster.run("scontrol", "show", "job", number, "--oneliner")
    assert shown.returncode == 0, shown.stderr
    return dict(field.partition("=")[::2] for field in shown.stdout.split() if "=" in field)


def ended(cluster: slurm.Cluster, number: str) -> tuple[str, str]:
    """Wait for the end of a job. Return its exit code, as Slurm writes it, and its output."""
    wait_for(cluster, f"afterany:{number}")
    shown = job(cluster, number)
    return shown["ExitCode"], Path(shown["StdOut"]).read_text()


def outcomes(file: Path) -> dict[str, str]:
    return {test.cell: test.outcome for test in results.read(file).tests}


@pytest.mark.requirement("M-24")
def test_array_equals_the_whole_run(cluster: slurm.Cluster, tmp_path: Path) -> None:
    """Four parts on two nodes have the cells and outcomes of a run without parts."""
    parts = tmp_path / "parts"
    done = cluster.run("ci/slurm/submit.sh", str(PARTS), RESULTS=str(parts), TESTS=f"CELL={CELLS}")
    assert done.returncode == 0, done.stdout + done.stderr
    exit_code, said = ended(cluster, done.stdout.strip())
    assert exit_code == "0:0" and f"in {PARTS} shards: green" in said, said
    argv = [sys.executable, "-m", "pytest", "harness/tests/boot", "-q", "-n0", "-p", "no:cacheprovider"]
    argv += ["--cell", CELLS, f"--junit-xml={tmp_path}/whole/junit.xml"]
    env = os.environ | {"GITHUB_STEP_SUMMARY": "", "HERMIT_PREPARED": "1"}
    subprocess.run(argv, cwd=ROOT, env=env, check=True, capture_output=True, timeout=300)
    whole = outcomes(tmp_path / "whole" / results.NAME)
    assert len(whole) >= PARTS and outcomes(parts / "merged" / results.NAME) == whole


def test_lost_parts_are_named(cluster: slurm.Cluster, tmp_path: Path) -> None:
    """A part that gets SIGKILL and one whose node is taken away are missing in the verdict, by name."""
    for part in ("2", "4"):
        (tmp_path / part).mkdir()
        os.mkfifo(tmp_path / part / results.PLAN)  # without a reader, so the part cannot end before it is lost
    done = cluster.run("ci/slurm/submit.sh", str(PARTS), "--no-requeue", RESULTS=str(tmp_path), TESTS=f"CELL={CELLS}")
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = done.stdout.strip()
    array = job(cluster, verdict)["Dependency"].removeprefix("afterany:").partition("_")[0]
    wait_for(cluster, f"after:{array}_2,after:{array}_4")  # both have begun
    cluster.run("scancel", "--signal=KILL", "--full", f"{array}_2")
    node = job(cluster, f"{array}_4")["NodeList"]
    cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test", user=0)
    exit_code, said = ended(cluster, verdict)
    assert exit_code == "1:0" and "2/4 is missing" in said and "4/4 is missing" in said, said
