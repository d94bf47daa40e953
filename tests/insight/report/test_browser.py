"""The report in a real browser: it reaches nothing, all can read it, it plays, its blind test counts right."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import scipy.stats
from browser import assert_accessible
from homes import Home, wait_until
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Any]

DESK, PHONE = {"width": 1200, "height": 900}, {"width": 360, "height": 740}
LOOKS = {
    "light": {"viewport": DESK},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE},
}

# X is A, B, A, B, ... instead of a coin.
ALTERNATING = """
    let drawn = 0;
    crypto.getRandomValues = (array) => { array[0] = ++drawn % 2; return array; };
"""

# No sound is decoded before `release()`.
SLOW_DECODER = """
    const decode = BaseAudioContext.prototype.decodeAudioData;
    const released = new Promise((resolve) => { globalThis.release = resolve; });
    BaseAudioContext.prototype.decodeAudioData = async function (bytes) {
        await released;
        return decode.call(this, bytes);
    };
"""
UNPLAYABLE = {
    "flac": "This browser cannot play these sounds, which are FLAC: open the report in another browser.",
    "opus": "This browser cannot play these sounds, which are Ogg Opus: open the report in another browser, "
    "or make it with `fxd report --audio flac`.",
}

# Two sounds of which one is the other's negative, so that the output tells which was heard at which moment.
SWITCH = """async () => {
    const rate = 48000, frames = 2 * rate;
    const context = new OfflineAudioContext(1, frames, rate);
    const ramp = (sign) => {
        const buffer = new AudioBuffer({ length: frames, numberOfChannels: 1, sampleRate: rate });
        buffer.getChannelData(0).forEach((_, n, data) => { data[n] = (sign * (n + 1)) / frames; });
        return buffer;
    };
    const sounds = new Map([["dsp", ramp(1)], ["tcn", ramp(-1)]]);
    const playback = new fxdSound.Playback(context, sounds, "dsp");
    let position = null;
    context.suspend(1).then(() => { playback.hear("tcn"); position = playback.position; context.resume(); });
    const heard = (await context.startRendering()).getChannelData(0);
    const wrong = (from, to, sign) => {
        let largest = 0;
        for (let n = from; n < to; n++) {
            largest = Math.max(largest, Math.abs(heard[n] - (sign * (n + 1)) / frames));
        }
        return largest;
    };
    const fade = Math.ceil(0.02 * rate);
    return { position, before: wrong(0, rate - 256, 1), after: wrong(rate + fade, frames, -1),
             jump: Math.max(...heard.slice(1).map((value, n) => Math.abs(value - heard[n]))) };
}"""

# Energy of the difference over that of the DSP's sound, as the page decodes them, without the gains.
DECODED_ESR = """async () => {
    const article = fxdSound.articles[0];
    const sounds = await fxdSound.load(article);
    const energy = (buffer) => {
        let sum = 0;
        for (let c = 0; c < buffer.numberOfChannels; c++) for (const x of buffer.getChannelData(c)) sum += x * x;
        return sum;
    };
    const raised = Number(article.dataset.difference), trim = Number(article.dataset.trim);
    return 10 * Math.log10(energy(sounds.get("difference")) / energy(sounds.get("dsp"))) - raised + trim;
}"""


@pytest.mark.parametrize(
    "look",
    ["light", pytest.param("phone", marks=pytest.mark.long), pytest.param("dark", marks=pytest.mark.long)],
)
def test_nobody_is_kept_from_reading_it(open_page: OpenPage, page_file: Path, look: str) -> None:
    page = open_page(page_file, bypass_csp=True, **LOOKS[look]).page  # the policy would not let axe in
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.get_by_role("button", name="Start").click()
    assert_accessible(page)


def test_a_picture_for_the_desk_and_one_for_the_phone(open_page: OpenPage, page_file: Path) -> None:
    for size, shown, hidden in ((DESK, "wide", "narrow"), (PHONE, "narrow", "wide")):
        page = open_page(page_file, viewport=size).page
        expect(page.locator(f"#trends svg.{shown}").first).to_be_visible()
        expect(page.locator(f"#trends svg.{hidden}").first).to_be_hidden()


def test_names_are_text_whatever_they_look_like(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=DESK).page
    names = page.locator("#files th.name").all_inner_texts()
    assert any(name.startswith("<img src=x onerror=alert(1)>$x_1^2$&amp;'\".flac") for name in names)
    assert any(name.startswith(r"caf\xe9.flac") for name in names)
    assert page.locator("img").count() == 0


def test_a_point_tells_its_run_to_the_pointer(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=DESK).page
    point = page.locator("#trends svg.wide use", has_text="perc_bell.flac, tcn -").first
    point.hover()
    box = point.bounding_box()
    assert box is not None
    middle = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    told = page.evaluate("({x, y}) => document.elementFromPoint(x, y).textContent", middle)
    assert "perc_bell.flac" in told
    assert "trained on it" not in told, "the model that ships never heard the bell"


def test_a_switch_keeps_the_position_to_the_sample_without_a_gap(
    open_page: OpenPage, page_file: Path
) -> None:
    found = open_page(page_file, viewport=DESK).page.evaluate(SWITCH)
    assert found["position"] == pytest.approx(1, abs=0.01)
    assert found["before"] < 1e-6
    assert found["after"] < 1e-6
    assert found["jump"] < 0.01, "it clicks"


def test_what_the_browser_decodes_differs_as_the_log_says(
    open_page: OpenPage, page_file: Path, heard: Home
) -> None:
    decoded = open_page(page_file, viewport=DESK).page.evaluate(DECODED_ESR)
    (run,) = [run for run in heard.json("stats", "--last", "9")["runs"] if run["file"] == "perc_bell.flac"]
    assert decoded == pytest.approx(run["results"]["tcn"]["esr_db"], abs=0.05)


def test_the_player_plays_and_switches(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=DESK).page
    first, second = page.locator("article.sound").nth(0), page.locator("article.sound").nth(1)
    first.get_by_role("button", name="Play").click()
    until(page, "fxdSound.players[0].position > 0.2")
    began = page.evaluate("fxdSound.players[0].playback.began")
    for name, source in (("TCN", "tcn"), ("Dry", "dry"), ("Difference", "difference"), ("DSP", "dsp")):
        first.get_by_role("radio", name=name).check()
        assert page.evaluate("fxdSound.players[0].playback.heard") == source
        until(page, f"fxdSound.players[0].playback.voices.get('{source}').gain.value > 0.99")
        gains = page.evaluate(
            "[...fxdSound.players[0].playback.voices.values()].map((one) => one.gain.value)"
        )
        assert sum(gains) == pytest.approx(1, abs=0.01), "only one of them is heard"
    assert page.evaluate("fxdSound.players[0].playback.began") == began, "nothing was started anew"
    second.get_by_role("button", name="Play").click()
    until(page, "fxdSound.players[1].playback !== null")
    assert page.evaluate("fxdSound.players[0].playback") is None, "one at a time"
    expect(first.get_by_role("button", name="Play")).to_be_visible()
    assert page.evaluate("fxdSound.players[0].rest") > 0.2, "it rests where it was"


def test_the_player_goes_where_the_wave_is_clicked(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=DESK).page
    wave = page.locator("article.sound .position").first
    wave.click()  # in its middle
    box = wave.bounding_box()
    assert box is not None
    seconds = float(page.locator("article.sound").first.get_attribute("data-seconds") or 0)
    assert page.evaluate("fxdSound.players[0].position") == pytest.approx(seconds / 2, rel=0.05)
    head = page.locator(".playhead").first.bounding_box()
    assert head is not None
    assert head["x"] == pytest.approx(box["x"] + box["width"] / 2, abs=0.05 * box["width"])


def test_the_player_obeys_the_keyboard(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=DESK).page
    press_until(page, "Tab", "document.activeElement.classList.contains('play')")
    page.keyboard.press("Enter")
    until(page, "fxdSound.players[0].playback !== null")
    page.keyboard.press("3")
    assert page.evaluate("fxdSound.players[0].playback.heard") == "tcn"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("fxdSound.players[0].playback.heard") == "dsp", "arrows choose among the sources"
    page.keyboard.press("p")
    assert page.evaluate("fxdSound.players[0].playback") is None
    page.keyboard.press("Tab")
    page.keyboard.press("End")
    seconds = float(page.locator("article.sound").first.get_attribute("data-seconds") or 0)
    assert page.evaluate("fxdSound.players[0].position") == pytest.approx(seconds, abs=0.1)


def until(page: Page, condition: str) -> None:
    # Not by Playwright's own `wait_for_function`: the page's policy forbids it to evaluate text.
    wait_until(lambda: page.evaluate(condition), condition, 30)


def press_until(page: Page, key: str, condition: str) -> None:
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.keyboard.press(key)
    pytest.fail(f"not reached with {key}: {condition}")


def listen(page: Page) -> None:
    """Wait until X was heard in this trial of the blind test."""
    until(page, "fxdBlindTest.tests[0].isXHeard")


@pytest.fixture(scope="module", params=UNPLAYABLE)
def unplayable(
    request: pytest.FixtureRequest, heard: Home, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """A report whose sounds no browser can decode, and what it has to say of that."""
    output = tmp_path_factory.mktemp("unplayable") / "report.html"
    heard.fxd("report", "--files", "1", "--audio", request.param, "-o", output)
    page, sounds = re.subn(r'(<script [^>]*class="take"[^>]*>)[^<]+', r"\1bm8gc291bmQ=", output.read_text())
    assert sounds == 3
    output.write_text(page)
    return output, UNPLAYABLE[request.param]


@pytest.mark.long
def test_the_player_says_where_the_browser_cannot_play(
    open_page: OpenPage, unplayable: tuple[Path, str]
) -> None:
    file, said = unplayable
    page = open_page(file, viewport=PHONE, bypass_csp=True).page
    play = page.get_by_role("button", name="Play")
    play.click()
    status = page.locator("article.sound").get_by_role("status")
    expect(status).to_have_text(said)
    expect(status).to_be_visible()
    expect(play).to_be_visible()
    assert_accessible(page)


def test_the_blind_test_ends_where_the_browser_cannot_play(
    open_page: OpenPage, unplayable: tuple[Path, str]
) -> None:
    file, said = unplayable
    page = open_page(file, viewport=DESK).page
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".abx .status")).to_have_text(said)
    expect(page.get_by_role("button", name="X is A")).to_be_hidden()
    expect(page.get_by_role("button", name="Start")).to_be_focused()


def test_no_answer_counts_before_x_was_heard(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, SLOW_DECODER + ALTERNATING, viewport=DESK).page
    page.locator(".abx .trials").select_option("5")
    page.get_by_role("button", name="Start").click()
    status, refused = page.locator(".abx .status"), "listen to X first. That answer was not counted."
    expect(status).to_have_text("Trial 1 of 5")
    page.keyboard.press("1")
    expect(status).to_have_text(f"Trial 1 of 5: {refused}")
    page.get_by_role("button", name="A: DSP").click()
    page.evaluate("release()")
    until(page, "fxdBlindTest.tests[0].playback?.position > 0.2")
    page.get_by_role("button", name="X is A").click()
    expect(status).to_have_text(f"Trial 1 of 5: {refused}")
    page.get_by_role("button", name="X", exact=True).click()
    listen(page)
    page.keyboard.press("b")  # X does not have to be what was heard last
    page.evaluate("for (const letter of 'ab') fxdBlindTest.tests[0].answer(letter)")
    expect(status).to_have_text(f"Trial 2 of 5: {refused}")


def test_a_key_that_is_held_down_answers_once(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, ALTERNATING, viewport=DESK).page
    page.get_by_role("button", name="Start").click()
    for _ in range(2):
        listen(page)
        page.keyboard.down("1")  # the second time it repeats
    expect(page.locator(".abx .status")).to_have_text("Trial 2 of 10")


def test_the_blind_test_counts_right_by_keyboard_alone(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, ALTERNATING, viewport=DESK).page
    press_until(page, "Tab", "document.activeElement.classList.contains('start')")
    page.keyboard.press("Enter")
    status = page.locator(".abx .status")
    for number in range(10):
        expect(status).to_have_text(f"Trial {number + 1} of 10")
        for key, source in (("a", "dsp"), ("b", "tcn"), ("x", "dsp" if number % 2 == 0 else "tcn")):
            page.keyboard.press(key)
            until(page, "fxdBlindTest.tests[0].playback !== null")
            assert page.evaluate("fxdBlindTest.tests[0].playback.heard") == source
        listen(page)
        # X is A in every other trial; of the first seven answers each is right.
        right = "1" if number % 2 == 0 else "2"
        page.keyboard.press(right if number < 7 else "21"[int(right) - 1])
    expected = scipy.stats.binomtest(7, 10, 0.5, alternative="greater").pvalue
    expect(status).to_contain_text(f"7 of 10 right, p = {expected:.3f}: no difference was shown")
    assert page.evaluate("fxdBlindTest.tests[0].playback") is None, "it is silent again"
    assert page.evaluate("document.activeElement.classList.contains('start')"), "the next test is a key away"


def test_the_blind_test_tells_nothing_before_its_end(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, ALTERNATING, viewport=DESK).page
    page.locator(".abx .trials").select_option("5")
    page.get_by_role("button", name="Start").click()
    status, before = page.locator(".abx .status"), page.locator(".abx .trial").inner_html()
    listen(page)
    page.get_by_role("button", name="X is A").click()
    expect(status).to_have_text("Trial 2 of 5")
    assert page.locator(".abx .trial").inner_html() == before, "right or wrong looks the same"
    for name in ("B", "A", "B", "A"):
        listen(page)
        page.get_by_role("button", name=f"X is {name}").click()
    expect(status).to_contain_text("5 of 5 right, p = 0.031: you hear a difference")
    expect(status).to_contain_text("one test of 32")


def test_the_chance_of_guessing_is_the_binomial_one(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=DESK).page
    for trials in (5, 10, 16, 25):
        found = page.evaluate(
            "(n) => Array.from({ length: n + 1 }, (_, right) => fxdBlindTest.chance(right, n))", trials
        )
        wanted = [
            scipy.stats.binomtest(right, trials, 0.5, alternative="greater").pvalue
            for right in range(trials + 1)
        ]
        assert found == pytest.approx(wanted, rel=1e-12)


def test_paper_gets_what_paper_can_show(open_page: OpenPage, page_file: Path) -> None:
    page = open_page(page_file, viewport=PHONE, color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.locator("#trends svg.wide").first).to_be_visible()
    for screen_only in (page.locator("#abx"), page.locator("#sounds .heard-only")):
        expect(screen_only).to_be_hidden()
    expect(page.locator(".paper-only").first).to_have_text("dry DSP TCN")
    expect(page.get_by_role("button", name="Play").first).to_be_hidden()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert len(page.pdf(format="A4")) > 10_000
