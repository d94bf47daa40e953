"""Debian's Chromium, for the tests of what fxd shows in one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}


@contextmanager
def chromium(home: Path) -> Iterator[Browser]:
    """A browser that writes into `home`; the test fails where there is none, unless it is to be left out."""
    if os.environ.get("FXD_TEST_WITHOUT_CHROMIUM") == "1":
        pytest.skip("FXD_TEST_WITHOUT_CHROMIUM=1: the pages are not tested in a browser")
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.fail(
            "Chromium is not installed: apt-get install chromium, "
            "or set FXD_TEST_WITHOUT_CHROMIUM=1 to leave its tests out"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=list(FLAGS), env={**os.environ, "HOME": str(home)}
        )
        yield browser
        browser.close()


def assert_accessible(page: Page) -> None:
    """Nothing that axe-core finds wrong, and nothing wider than the screen."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the screen"
