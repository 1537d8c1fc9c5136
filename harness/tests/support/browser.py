# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Chromium in a network namespace without a route, driven by browser_driver.py."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from hermit_harness.net.netns import NetworkNamespace
from hermit_harness.paths import BUILD

PYTHON = BUILD / "venv-page" / "bin" / "python"


def missing() -> str:
    """Return what is missing for the tests, "" if nothing is."""
    programs = ("chromium", "chromedriver", str(PYTHON))
    return next((f"{program} is missing" for program in programs if not shutil.which(program)), "")


class Browser:
    """The browser. Use it in a `with` statement; each method is one of browser_driver.Requests."""

    def __init__(self, directory: Path) -> None:
        self._namespace = NetworkNamespace()
        words = (str(PYTHON), str(Path(__file__).with_name("browser_driver.py")), str(directory / "profile"))
        self._child = self._namespace.popen(
            *words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(directory / "driver.log").open("wb"),
            env={**os.environ, "HOME": str(directory), "PYTHONPATH": ""},
        )
        self._log = directory / "driver.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.communicate()
        self._namespace.close()

    def ask(self, name: str, *words: object) -> Any:
        assert self._child.stdin and self._child.stdout
        self._child.stdin.write(json.dumps((name, words)).encode() + b"\n")
        self._child.stdin.flush()
        answer = self._child.stdout.readline()
        assert answer, self._log.read_text(errors="replace")[-2000:]
        return json.loads(answer)

    def open(self, page: Path) -> None:
        self.ask("open", page.as_uri())

    def keys(self, *words: str) -> None:
        self.ask("keys", *words)

    def text(self, selector: str) -> str:
        """Return the text of the first such element, "" if there is none."""
        return str(self.ask("script", f"return document.querySelector({json.dumps(selector)})?.textContent ?? ''"))

    def texts(self, selector: str) -> list[str]:
        """Return the text of each such element."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].map((element) => element.textContent)"
        return list(self.ask("script", f"return {found}"))

    def script(self, text: str) -> Any:
        return self.ask("script", text)
