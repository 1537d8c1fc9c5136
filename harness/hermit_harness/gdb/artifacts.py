# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The folder that one run leaves: files of bounded size, made only where a folder was asked for."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import IO

QMP_LOG_LIMIT = 4 * 1024 * 1024


class Artifacts:
    """Writes into `folder`; every method does nothing when it is None."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._start = time.monotonic()
        self._qmp: IO[str] | None = None
        self._qmp_left = QMP_LOG_LIMIT
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
            self._qmp = (folder / "qmp.jsonl").open("w", encoding="utf-8")

    def write(self, name: str, content: str | bytes, executable: bool = False) -> None:
        if not self.folder:
            return
        path = self.folder / name
        path.write_bytes(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
        if executable:
            path.chmod(0o755)

    def qmp(self, way: str, text: str) -> None:
        """One QMP message, "<" from QEMU and ">" to it, with seconds since the start."""
        if not self._qmp or self._qmp_left <= 0:
            return
        row = f'{{"t": {time.monotonic() - self._start:.6f}, "way": {json.dumps(way)}, "message": {text}}}\n'
        self._qmp_left -= len(row)
        self._qmp.write(row)

    def close(self) -> None:
        if self._qmp:
            self._qmp.close()
            self._qmp = None
