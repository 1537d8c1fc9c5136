# SPDX-License-Identifier: Apache-2.0 OR MIT
"""One shell file that repeats the boot of a cell on another machine, for a bug report.

It contains all files that QEMU's command line names, and how the boot ended here. It needs QEMU, a POSIX shell,
coreutils, tar, gzip and sed, and exits with 0 if the boot ends as it did here, with 1 otherwise.

Usage: python -m hermit_harness.report.standalone CELL     prints the name of the file
"""

from __future__ import annotations

import base64
import io
import re
import shlex
import sys
import tarfile
from pathlib import Path

from hermit_harness.artifacts import resolved
from hermit_harness.boot import boot
from hermit_harness.matrix import specs
from hermit_harness.matrix.expand import session_matrix
from hermit_harness.paths import BUILD
from hermit_harness.report.results import current_commit
from hermit_harness.verdict.outcome import Outcome
from hermit_harness.vm.argv import shell_line, standalone_argv
from hermit_harness.vm.spec import RunSpec

PATH = re.compile(r"/[^,=\s]+")  # in a word of QEMU's command line, which has file names without blanks here
SECONDS = 120  # for a boot on the other machine; a hang is ended then, with the status of timeout(1)
TIMED_OUT = 124
SCRIPT = """\
#!/bin/sh
# The boot of the cell {cell} of the Hermit loader, {commit}.
# It ended there as: {summary}
# Exit status: 0 if it ends so here, 1 if not.
set -u
directory=$(mktemp -d) || exit 1
trap 'rm -rf "$directory"' EXIT
sed '1,/^exit # data$/d' "$0" | base64 -d | tar -xz -C "$directory" || exit 1
cd "$directory" || exit 1
printf %s {stdin} > stdin
timeout {seconds} {command} < stdin > console
status=$?
cat console
echo "QEMU {qemu}: $({qemu} --version | sed -n 1p)"
echo "QEMU's status: $status; there: {status}"
echo "last line, there:" {last}
[ $status = {status} ] && grep -qaF -e {last} console && echo 'ended as there' && exit 0
echo 'ended otherwise'
exit 1
exit # data
"""


def script(cell: str, spec: RunSpec, outcome: Outcome) -> str:
    """Return the text of the file for a boot that ended with `outcome`."""
    argv, files = _packed(standalone_argv(resolved(spec)))
    printed = outcome.console.decode("utf-8", "replace").split("\n")
    last = next((line.strip() for line in reversed(printed) if line.strip()), "")
    head = SCRIPT.format(
        cell=cell,
        commit=current_commit() or "no commit",
        summary=" ".join(str(outcome).split()),
        stdin=shlex.quote((spec.stdin or b"").decode("utf-8", "surrogateescape")),
        seconds=SECONDS,
        command=shell_line(argv),
        qemu=argv[0],
        status=TIMED_OUT if outcome.qemu_status is None or outcome.qemu_status < 0 else outcome.qemu_status,
        last=shlex.quote(last),
    )
    return head + base64.encodebytes(_archive(files)).decode("ascii")


def _packed(argv: list[str]) -> tuple[list[str], dict[str, Path]]:
    """Replace each file in a command line by its name in the archive; return the files by these names."""
    names: dict[Path, str] = {}

    def name(match: re.Match[str]) -> str:
        path = Path(match[0])
        if not path.is_file():
            return match[0]
        return "./" + names.setdefault(path, f"{len(names)}-{path.name}")

    return [Path(argv[0]).name, *(PATH.sub(name, word) for word in argv[1:])], {v: k for k, v in names.items()}


def _archive(files: dict[str, Path]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, path in files.items():
            tar.add(path.resolve(), name)
    return out.getvalue()


def main() -> int:
    cells = {cell.id: cell for cell in session_matrix().cells()}
    if len(sys.argv) != 2 or sys.argv[1] not in cells:
        sys.exit(f"CELL={' '.join(sys.argv[1:])}: name one cell; `make list` shows all")
    cell = sys.argv[1]
    spec = specs.spec(cells[cell])
    file = BUILD / "standalone" / f"{cell.replace('/', '-')}.sh"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script(cell, spec, boot(spec)), encoding="utf-8", errors="surrogateescape")
    file.chmod(0o755)
    print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
