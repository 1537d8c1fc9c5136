# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The other end of browser.Browser: drives Chromium as a user does. Runs with Selenium, in a namespace without a route.

A line on stdin is one request in JSON, a line on stdout its answer.
"""

from __future__ import annotations

import base64
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys


def started(directory: Path) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    # Without --no-sandbox Chromium does not start as root, which the user of the namespace is.
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={directory}"):
        options.add_argument(word)
    options.add_argument("--window-size=1440,900")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(str(shutil.which("chromedriver"))))
    driver.execute_cdp_cmd("Performance.enable", {})
    return driver


class Requests:
    """Each method is a request."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def open(self, address: str) -> None:
        self._driver.get("about:blank")
        for log in ("performance", "browser"):
            self._driver.get_log(log)
        self._driver.get(address)

    def keys(self, *words: str) -> None:
        """Press keys: names in capitals are special keys."""
        for word in words:
            ActionChains(self._driver).send_keys(getattr(Keys, word) if word.isupper() else word).perform()

    def script(self, text: str) -> Any:
        return self._driver.execute_script(text)

    def scheme(self, name: str) -> None:
        features = [{"name": "prefers-color-scheme", "value": name}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def picture(self, file: str) -> None:
        words = {"format": "webp", "quality": 75}
        taken = self._driver.execute_cdp_cmd("Page.captureScreenshot", words)
        Path(file).write_bytes(base64.b64decode(taken["data"]))

    def metrics(self) -> dict[str, float]:
        """Return the browser's counters, which begin with the page."""
        rows = self._driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return {row["name"]: row["value"] for row in rows}

    def requested(self) -> list[str]:
        """Return the addresses that were asked for since the last call, or since a page was opened."""
        messages = [json.loads(row["message"])["message"] for row in self._driver.get_log("performance")]
        return [row["params"]["request"]["url"] for row in messages if row["method"] == "Network.requestWillBeSent"]

    def console(self) -> list[str]:
        """Return what the browser has logged: errors of scripts, and what the page's policy has refused."""
        return [row["message"] for row in self._driver.get_log("browser")]


def main() -> None:
    driver = started(Path(sys.argv[1]))
    requests = Requests(driver)
    try:
        for line in sys.stdin:
            name, words = json.loads(line)
            print(json.dumps(getattr(requests, name)(*words)), flush=True)
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
