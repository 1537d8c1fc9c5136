# SPDX-License-Identifier: Apache-2.0 OR MIT
"""A real Slurm cluster in namespaces of its own (slurm.sh), in which an ordinary user owns the checkout.

In its user namespace, UID 0 is an unused UID of the host and UID 1000 is root of the host, the owner of the checkout.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from hermit_harness.paths import ROOT

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel")
USER, CLUSTER_ROOT = 1000, 100000  # in the namespace; on the host
MAP = f"0 {CLUSTER_ROOT} 1\n{USER} 0 1\n"
SCRIPT = Path(__file__).with_name("slurm.sh")
NAMESPACES = ("--user", "--mount", "--net", "--pid", "--uts", "--ipc")


def missing() -> str:
    """Return what a cluster lacks here, or ""."""
    if os.getuid():
        return "creating the user's namespace needs root"
    programs = [program for program in PROGRAMS if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")]
    return f"{', '.join(programs)} missing: see ci/packages.debian" if programs else ""


class Cluster:
    """A running cluster, used as a context manager. Everything in it ends with it, or with this process."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        os.chown(directory, CLUSTER_ROOT, CLUSTER_ROOT)
        # --no-new-privs: the setuid bit of mount, whose owner is the ordinary user there, would take root away.
        wait = 'echo unshared && read -r mapped && exec setpriv --no-new-privs --reuid 0 --regid 0 --clear-groups "$@"'
        self._holder = subprocess.Popen(
            [
                "unshare",
                *NAMESPACES,
                "--keep-caps",
                "--fork",
                "--kill-child",
                "sh",
                "-c",
                wait,
                "sh",
                SCRIPT,
                directory,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Cluster:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self) -> None:
        assert self._holder.stdin and self._holder.stdout
        assert self._holder.stdout.readline() == "unshared\n"
        for file in ("uid_map", "gid_map"):
            Path(f"/proc/{self._holder.pid}/{file}").write_text(MAP)
        self._holder.stdin.write("mapped\n")
        self._holder.stdin.flush()
        said = self._holder.stdout.readline()
        assert said == "ready\n", said

    def __exit__(self, *_: object) -> None:
        self._holder.communicate()

    def run(self, *words: str | Path, user: int = USER, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the cluster as the ordinary user, or as root (0)."""
        children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
        enter = ["nsenter", "--target", children[0], *NAMESPACES, f"--setuid={user}", f"--setgid={user}"]
        env = os.environ | variables | {"SLURM_CONF": str(self.directory / "slurm.conf")}
        env["PATH"] += ":/usr/sbin"
        return subprocess.run(
            [*enter, f"--wdns={ROOT}", "setpriv", "--no-new-privs", *words],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=580,
        )
