"""The page in a real browser: a dropped file is seen at work and done, everybody can read it, it finds back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from browser import DESK, PHONE, assert_accessible
from homes import DEADLINE_SECONDS, Home, wait_until
from playwright.sync_api import Browser, Page, expect
from serving import Serve, Served, serving

from fxd.config import load_settings
from fxd.home import make_home
from fxd.insight.dashboard import feed
from fxd.store.records import Change, CurvePoint, Environment, Event, Model, Quality, Result, Run, Training
from fxd.store.store import open_store

MODEL_ID = "20260301-000000-compact-ab12"
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;.wav"
LOOKS = {
    "light": {"viewport": DESK},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE},
}
DEADLINE_MS = 1000 * DEADLINE_SECONDS
OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens the page of a server; whatever goes wrong in it fails the test, but for what `expected` names."""
    contexts = []
    troubles: list[str] = []

    def open_url(
        url: str, expected: str = "nothing", with_clock: bool = False, silent: str = "", **options: object
    ) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        if with_clock:
            page.clock.install()
        if silent:
            page.route(silent, lambda _route: None)
        page.on("console", lambda message: expected in message.text or troubles.append(message.text))
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page.goto(url)
        return page

    yield open_url
    for context in contexts:
        context.close()
    assert troubles == []


@pytest.fixture
def make_long(tmp_path: Path) -> Callable[[Home, str], None]:
    """Drops a file of two minutes, which is at work for some seconds."""

    def drop(home: Home, name: str) -> None:
        made = tmp_path / name
        rng = np.random.default_rng(1)
        soundfile.write(made, 0.1 * rng.standard_normal((120 * 48_000, 1)).astype(np.float32), 48_000)
        made.rename(home.inbox / name)

    return drop


def test_a_dropped_file_is_seen_at_work_and_then_done(
    home: Home, serve: Serve, open_page: OpenPage, make_long: Callable[[Home, str], None]
) -> None:
    page = open_page(serve(home).url())
    now, runs = page.locator("#now"), page.locator("#runs")
    expect(now).to_contain_text("no daemon runs", timeout=DEADLINE_MS)
    expect(runs).to_contain_text("No runs yet", timeout=DEADLINE_MS)
    make_long(home, "evening.wav")
    (home.inbox / "words.wav").write_text("only words " * 30)
    home.start()
    expect(now).to_contain_text("the engines are being loaded", timeout=DEADLINE_MS)
    expect(now).to_contain_text("running", timeout=DEADLINE_MS)
    bar = now.get_by_role("progressbar", name="evening.wav")
    expect(bar).to_be_visible(timeout=DEADLINE_MS)
    expect(bar).to_have_attribute("max", "120.0", timeout=DEADLINE_MS)
    row = runs.locator("tr", has_text="evening.wav")
    expect(row).to_be_visible(timeout=DEADLINE_MS)
    expect(row).to_contain_text("2:00")
    expect(runs.locator("tr.failed")).to_contain_text("it is not audio of a known kind", timeout=DEADLINE_MS)
    expect(page.get_by_role("status")).to_contain_text("evening.wav is done", timeout=DEADLINE_MS)
    expect(now).to_contain_text("1 done, 1 failed", timeout=DEADLINE_MS)


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on a home with all that a page can show: runs, failures, a hostile name, a model, a retraining."""
    folder = tmp_path_factory.mktemp("busy")
    home = Home(folder / "home")
    make_home(home.root)
    with serving(folder) as starter:
        fill_all(home)
        yield starter(home)


def examples(began: datetime) -> list[Run]:
    """Runs of some days, one under a hostile name, and failures."""
    here = Environment("studio", "Zen 4", 2, 2, "3.11.7", "0.1.0", {"numpy": "2.4.6"})
    quality = Quality(3e-4, -35.2, 0.002, 35.1, 0.2)
    done = Run(
        "0", HOSTILE, "ab", "done", "", began, began, 44_100, 2, 441_000, 882_044, 0.5, 1.5, here,
        (
            Result("dsp", "5a77", 0.01, 0.01, "riff.dsp.wav", 1_764_044, 2.3, 0, -14.0),
            Result("tcn", MODEL_ID, 0.1, 0.1, "riff.tcn.wav", 1_764_044, 2.3, 0, -14.0, quality),
        ),
    )  # fmt: skip
    failed = replace(done, id="failed", state="failed", reason="it is empty (0 bytes)", results=(), frames=0)
    names = (HOSTILE, *(f"sub/take {number}.wav" for number in range(1, 12)))
    later = [began + timedelta(hours=number) for number in range(len(names))]
    runs = [
        replace(done, id=f"{n}", file=name, finished_at=at, content_sha256=name)
        for n, (name, at) in enumerate(zip(names, later, strict=True))
    ]
    return [*runs, replace(failed, finished_at=later[-1])]


def fill_all(home: Home) -> None:
    began = datetime(2026, 3, 1, tzinfo=UTC)
    model = Model(
        MODEL_ID, began, "compact", 48_000, "5a77", None, "trained", 600.0, 1000, 4218, -42.5, "it is better"
    )
    with open_store(load_settings(home.root).database_url) as store:
        store.add_model(model)
        store.promote(model.id, model.reason, began)
        store.begin_training(Training("t1", began, "schedule", "running"))
        store.add_points(
            "t1", [CurvePoint(100 * n, 10.0 * n, -20.0 - n, -15.0 - 2 * n) for n in range(1, 12)]
        )
        store.finish_training("t1", "kept", model.id, "no better", began)
        store.record_runs([(run, None) for run in examples(began)])
        now = datetime.now(UTC)
        change = Change(
            "tcn x_realtime on studio", "3", began, began, began, 80.0, 70.0, -11.0, -9.0, 0.001, now
        )
        expected = replace(change, series="dsp x_realtime on studio")
        old = replace(change, series="tcn cpu_per_second on studio", found_at=now - timedelta(days=31))
        sounds = replace(change, series="tcn esr_db on new sounds", events=(Event("sounds", "", "", began),))
        store.remember_changes([change, expected, old, sounds], began)
        store.accept_change(
            next(one.id for one in store.changes() if one.series[:3] == "dsp"), "new fan", began
        )


@pytest.mark.parametrize("look", ["light", "phone", pytest.param("dark", marks=pytest.mark.long)])
def test_everybody_can_read_it(busy: Served, open_page: OpenPage, look: str) -> None:
    page = open_page(busy.url(), **LOOKS[look])
    expect(page.locator("#trends-title")).to_be_visible(timeout=DEADLINE_MS)
    expect(page.locator("#link")).to_have_text("live", timeout=DEADLINE_MS)
    expect(page.locator("#training svg")).to_be_visible()
    expect(page.locator("#changes li")).to_have_count(1)
    expect(page.locator("#changes li")).to_contain_text("tcn got 12 % slower on studio")
    expect(page.locator("#runs")).to_contain_text("<img src=x onerror=alert(1)>")
    assert_accessible(page)


def test_the_keyboard_and_what_was_opened_survive_news(busy: Served, open_page: OpenPage) -> None:
    page = open_page(busy.url())
    expect(page.locator("#trends-title")).to_be_visible(timeout=DEADLINE_MS)
    details = page.locator("#portrait details").first
    details.locator("summary").click()
    page.evaluate(SHOW, ["portrait", page.locator("#portrait").inner_html().replace(" open=", " data-was=")])
    expect(details).to_have_attribute("open", "")
    expect(details.locator("summary")).to_be_focused()
    row = page.locator("#runs tbody tr").nth(3)
    page.evaluate("row => { row.mark = 7; }", row.element_handle())
    news = (
        """html => html.replace('<tbody>', '<tbody><tr data-key="x" data-said="x is done"><td>x</td></tr>')"""
    )
    changed = page.evaluate(f"({news})(document.getElementById('runs').innerHTML)")
    page.evaluate(SHOW, ["runs", changed])
    expect(page.get_by_role("status")).to_have_text("x is done")
    assert page.locator("#runs tbody tr").nth(4).evaluate("row => row.mark") == 7, (
        "rows are moved, not made anew"
    )
    assert page.locator("#runs tbody tr").count() == 14


SHOW = "([name, html]) => show(name, html)"


@pytest.mark.long
def test_it_says_that_it_is_stale_and_finds_back_to_a_new_server(
    home: Home, serve: Serve, open_page: OpenPage
) -> None:
    first = serve(home)
    page = open_page(first.url(), expected="ERR_CONNECTION_REFUSED", with_clock=True)
    link = page.locator("#link")
    expect(link).to_have_text("live", timeout=DEADLINE_MS)
    page.evaluate("document.body.dataset.old = 1")
    first.end()
    page.clock.fast_forward(15_000)
    expect(link).to_contain_text(
        "No connection to the server; this is how things were at", timeout=DEADLINE_MS
    )
    serve(home, "--port", str(first.port))
    page.clock.fast_forward(10_000)
    expect(page.locator("body:not([data-old]) #link")).to_have_text("live", timeout=DEADLINE_MS)


def test_it_does_not_say_live_before_the_server_spoke(served: Served, open_page: OpenPage) -> None:
    page = open_page(served.url(), with_clock=True, silent="**/events")
    link, status = page.locator("#link"), page.get_by_role("status")
    expect(link).to_contain_text("Connecting; this is how things were at")
    page.clock.fast_forward(4_000)
    expect(link).to_contain_text("Connecting")
    expect(status).to_have_text("")
    page.clock.fast_forward(15_000)
    expect(link).to_contain_text("No connection to the server")
    expect(status).to_contain_text("No connection to the server")
    page.unroute("**/events")
    page.clock.fast_forward(8_000)
    expect(link).to_have_text("live", timeout=DEADLINE_MS)
    expect(status).to_have_text("The page follows again.")


@pytest.mark.long
def test_coming_back_to_the_page_does_not_make_it_live(home: Home, serve: Serve, open_page: OpenPage) -> None:
    served = serve(home)
    page = open_page(served.url(), expected="ERR_CONNECTION_REFUSED", with_clock=True)
    link = page.locator("#link")
    expect(link).to_have_text("live", timeout=DEADLINE_MS)
    page.evaluate(HIDE, True)
    served.end()
    page.clock.fast_forward(60_000)
    page.evaluate(HIDE, False)
    expect(link).to_contain_text("Connecting; this is how things were at")
    expect(page.locator("main")).to_have_css("opacity", "0.6")
    page.clock.fast_forward(15_000)
    expect(link).to_contain_text("No connection to the server")
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    expect(link).to_contain_text("No connection to the server")


def test_one_page_too_many_says_why_it_does_not_follow(home: Home, serve: Serve, open_page: OpenPage) -> None:
    served = serve(home)
    with ExitStack() as stack:
        for _ in range(feed.MOST_WATCHERS):
            assert stack.enter_context(closing(served.follow())).next()[0] == "hello"
        page = open_page(served.url(), expected="503", with_clock=True)
        reason = "The server does not let this page follow: “Too many pages are open; close one.” This is how"
        for seconds in (0, 15, 15):
            page.clock.fast_forward(1000 * seconds)
            expect(page.locator("#link")).to_contain_text(reason, timeout=DEADLINE_MS)
        expect(page.get_by_role("status")).to_contain_text("Too many pages are open")
    page.clock.fast_forward(8_000)
    expect(page.locator("#link")).to_have_text("live", timeout=DEADLINE_MS)


HIDE = """isHidden => {
    Object.defineProperty(document, 'hidden', {value: isHidden, configurable: true});
    follow();
}"""


@pytest.mark.long
def test_where_a_new_server_has_another_token_the_page_says_what_to_open(
    home: Home, serve: Serve, open_page: OpenPage
) -> None:
    first = serve(home, "--token", "the first token of it")
    page = open_page(first.url("/?token=the+first+token+of+it"), expected="Failed to load resource")
    expect(page.locator("#link")).to_have_text("live", timeout=DEADLINE_MS)
    first.end()
    serve(home, "--port", str(first.port), "--token", "another token of it")
    expect(page.locator("body")).to_have_text(
        "Open the whole address that `fxd dashboard` printed, with its token.", timeout=DEADLINE_MS
    )


def test_a_page_that_nobody_sees_asks_for_nothing(home: Home, serve: Serve, open_page: OpenPage) -> None:
    page = open_page(serve(home).url())
    expect(page.locator("#link")).to_have_text("live", timeout=DEADLINE_MS)
    page.evaluate(HIDE, True)
    assert page.evaluate("source === null")
    page.evaluate(HIDE, False)
    wait_until(lambda: page.evaluate("source.readyState === EventSource.OPEN"), "it asks again")


def test_without_its_script_the_page_shows_the_same(busy: Served, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(busy.url())
    expect(page.locator("#runs tbody tr")).to_have_count(13, timeout=DEADLINE_MS)
    context.close()
