"""A headless Chromium that opens one page from disk, and tells what the page asked for and complained of."""

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
ATTEMPTS = 3  # to start a browser


def available() -> bool:
    """Whether this machine has Chromium and its driver."""
    return shutil.which("chromium") is not None and shutil.which("chromedriver") is not None


@contextlib.contextmanager
def opened(page: Path, *, width: int = 1280, height: int = 900) -> Iterator[Any]:
    """A driver that shows a page; the browser and all that it kept are gone afterwards.

    Args:
        page: the file.
        width: of the window, in pixels.
        height: of the window, in pixels.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        driver = _started(Path(folder), f"--window-size={width},{height}")
        try:
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            driver.get_log("performance")  # what the browser's own first page asked for
            driver.get(page.absolute().as_uri())
            yield driver
        finally:
            driver.quit()


def _started(folder: Path, size: str) -> Any:
    """A driver of a new browser with an empty page; on a machine that is busy one may not come up in time."""
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException

    for attempt in range(ATTEMPTS):
        options = webdriver.ChromeOptions()
        options.binary_location = str(shutil.which("chromium"))
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        for flag in (*FLAGS, size, f"--user-data-dir={folder / str(attempt)}"):
            options.add_argument(flag)
        service = webdriver.ChromeService(executable_path=str(shutil.which("chromedriver")))
        driver = None
        try:
            driver = webdriver.Chrome(options=options, service=service)
            driver.get("about:blank")
            return driver
        except WebDriverException:
            if driver is not None:
                driver.quit()
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt raises")


def complaints(driver: Any) -> list[str]:
    """What was written to the console since the last look."""
    return [entry["message"] for entry in driver.get_log("browser")]


def requests(driver: Any) -> list[str]:
    """Addresses that the page asked for since the last look, itself included."""
    messages = (json.loads(entry["message"])["message"] for entry in driver.get_log("performance"))
    return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
