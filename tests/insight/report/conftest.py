"""A real home with all kinds of files in it, its report, and Debian's Chromium to look at that."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import soundfile
from homes import Home
from playwright.sync_api import Browser, BrowserContext, Page

from fxd.config import Settings, load_settings
from fxd.home import make_home
from fxd.store.store import Store, open_store

AUDIO = Path(__file__).parents[2] / "audio"
HOSTILE = "<img src=x onerror=alert(1)>$x_1^2$&amp;'\".flac"
"""A name that would be a picture, a script and a formula."""
NOT_UTF8 = os.fsdecode(b"caf\xe9.flac")


@dataclass
class Place:
    """An empty home, to be filled with runs."""

    settings: Settings
    store: Store


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    root = tmp_path / "place"
    make_home(root)
    settings = load_settings(root)
    with open_store(settings.database_url) as store:
        yield Place(settings, store)


@pytest.fixture(scope="session")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home that has processed a bell, two loops under names that are traps, silence, and what is no audio."""
    root = tmp_path_factory.mktemp("report") / "home"
    make_home(root)
    home = Home(root)
    home.configure("[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n[training]\nschedule = ''\n")
    shutil.copy(AUDIO / "perc_bell.flac", home.inbox)
    shutil.copy(AUDIO / "loop_amen.flac", home.inbox / HOSTILE)
    shutil.copy(AUDIO / "loop_breakbeat.flac", home.inbox / NOT_UTF8)
    soundfile.write(home.inbox / "silence.wav", np.zeros((22_050, 1)), 22_050)
    (home.inbox / "words.wav").write_text("only words " * 30)
    home.fxd("start", "--once", code=3)
    return home


@pytest.fixture(scope="session")
def page_file(heard: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its report."""
    output = tmp_path_factory.mktemp("page") / "report.html"
    heard.fxd("report", "-o", output)
    return output


@dataclass
class Seen:
    """A page in the browser, and everything that it must not do."""

    page: Page
    troubles: list[str] = field(default_factory=list)


OpenPage = Callable[..., Seen]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens a file, with the options of a browser context; what is wrong with the page fails the test."""
    contexts: list[BrowserContext] = []
    seen: list[Seen] = []

    def open_file(file: Path, script: str = "", **options: object) -> Seen:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        one = Seen(page)
        seen.append(one)
        page.on("console", lambda message: one.troubles.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: one.troubles.append(str(error)))
        page.on("dialog", lambda dialog: (one.troubles.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: watch(one, request.url, file))
        if script:
            page.add_init_script(script)
        page.goto(file.as_uri())
        return one

    with closing(contexts):
        yield open_file
    for one in seen:
        assert one.troubles == []


def watch(seen: Seen, url: str, file: Path) -> None:
    """Nothing but the file itself may be asked for."""
    if url.partition("#")[0] != file.as_uri():
        seen.troubles.append(f"asked for {url[:100]}")


@contextmanager
def closing(contexts: list[BrowserContext]) -> Iterator[None]:
    try:
        yield
    finally:
        for context in contexts:
            context.close()
