"""The page in a real browser: what is seen of a body that moves, of a gap, of a lost connection, and on a phone."""

import os
import shutil
import time

import numpy as np
import pytest

from edge.frames import Quality, SstWindow
from edge.vitals.quality import FLAGS
from tests.peers.brokers import free_port
from tests.peers.web import GOOD, MOVING, ecg, speaking_page, vitals, wave

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECOND_NS = 1_000_000_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed (.ci/run installs it)")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # As root, as in CI, Chromium has no sandbox.
        args = ["--no-sandbox"] if os.geteuid() == 0 else []
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=args)


@pytest.fixture
def opened(browser):
    """Opens a page in a window and waits until it knows its device; at the end, no script may have failed."""
    contexts, errors = [], []

    def open_page(page, width=1280, height=800, clock=False, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(60_000)
        if clock:
            tab.clock.install()
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.goto(f"http://127.0.0.1:{page.port}/")
        tab.wait_for_selector("#device:not(:empty)")
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def page():
    with speaking_page() as page:
        yield page


def tell(page, tab, message, title) -> None:
    """Vitals from now on; returns when the browser shows their verdict."""
    page.say(message)
    tab.wait_for_function("title => document.getElementById('verdict').textContent === title", arg=title)


def test_a_rate_is_shown_while_it_is_valid_and_blanked_when_not(page, opened):
    tab = opened(page)
    assert tab.text_content("#rate") == "--"  # nothing was said yet
    tell(page, tab, vitals(), "Good signal")
    assert tab.text_content("#rate") == "68"
    assert tab.text_content("#breathing") == "15"
    assert tab.text_content("#loss") == "2"
    assert tab.text_content("#spoken") == "Heart rate 68 per minute. Good signal."
    tell(page, tab, vitals(Quality("unusable", 0.2, ("low_snr",))), "Too weak")
    assert tab.text_content("#rate") == "--"
    assert "68" not in tab.inner_text("body")
    assert "68" not in tab.title()
    assert tab.text_content("#reason") == "The heart does not stand out of the noise."
    assert tab.text_content("#spoken").startswith("No heart rate.")


def test_a_movement_is_seen_across_the_room(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(), "Good signal")
    assert tab.text_content("#interval") == "65 to 71"
    calm = tab.locator(".verdict").screenshot()
    tell(page, tab, vitals(MOVING, movement="extensive"), "Moving a lot")
    assert tab.text_content("#interval") == ""
    assert tab.text_content("#rate") == "--"
    assert "Radar frames are lost." in tab.text_content("#reason")
    assert tab.get_attribute("#shape", "href") == "#moving"
    assert "repeating-linear-gradient" in tab.evaluate(STYLE, [".verdict", "backgroundImage"])
    box = tab.locator(".verdict").bounding_box()
    assert box["width"] * box["height"] > 0.1 * 1280 * 800
    assert tab.locator("#verdict").bounding_box()["height"] >= 48
    assert tab.locator(".verdict").screenshot() != calm


STYLE = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"


def test_an_irregular_rhythm_is_a_hint(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(irregular=True), "Good signal")
    assert "a hint, no diagnosis" in tab.text_content("#reason")


def test_every_flag_has_words_and_every_verdict_a_shape(page, opened):
    tab = opened(page)
    words = tab.evaluate("import('/words.js').then(({ FLAGS }) => FLAGS)")
    assert words.keys() == FLAGS.keys()
    for flag, severity in FLAGS.items():
        assert words[flag]["reason"], flag
        assert bool(words[flag]["look"]) == (severity != "note")
    explained = tab.evaluate(
        "(vitals) => import('/words.js').then(({ explain }) => explain(vitals))",
        {"state": "unusable", "flags": ["frame_loss", "clock_unsynced", "body_movement"], "movement": "mild"},
    )
    assert (explained["look"], explained["title"]) == ("moving", "Moving a little")
    assert explained["reason"].count(".") == 3
    looks = {word["look"] for word in words.values() if word["look"]} | {"good", "degraded", "unusable"}
    shapes = {look: tab.inner_html(f"symbol#{look}") for look in looks}
    assert len(set(shapes.values())) == len(looks)


DRAWN = """() => {
  const canvas = document.querySelector("#trace canvas");
  if (!canvas) return [];  // nothing has come yet
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const drawn = (x) => Array.from({ length: height }, (_, y) => (y * width + x) * 4)
    .some((k) => data[k + 3] > 0 && data[k] < 90);  // the trace is dark, the lines are not
  return Array.from({ length: width }, (_, x) => drawn(x));
}"""


def test_a_gap_is_drawn_as_a_gap(page, opened):
    tab = opened(page, color_scheme="light")
    now_ns = time.time_ns()
    page.waveform(wave(now_ns - 3 * SECOND_NS, 0, 3, continues=False))
    page.waveform(wave(now_ns, 200, 2))  # the second between never came
    whole = f"() => {{ const drawn = ({DRAWN})(); return drawn.filter(Boolean).length > 0.6 * drawn.length && drawn; }}"
    drawn = tab.wait_for_function(whole).json_value()
    columns = np.flatnonzero(drawn)
    gaps_s = np.diff(columns, append=columns[0] + len(drawn)) * 8 / len(drawn)
    *others, gap_s, rest_s = sorted(gaps_s)
    assert gap_s == pytest.approx(1, abs=0.1)
    assert rest_s == pytest.approx(2, abs=0.25)  # of eight seconds, those not yet drawn
    assert max(others) < 0.1


SWEEP = """async ({ put, until }) => {
  const { Pen, Sweep, Timeline } = await import("/sweep.js");
  const sweep = new Sweep(10), timeline = new Timeline();
  for (const stretch of put) {
    timeline.follow({ rate_hz: 10, ...stretch });
    stretch.samples.forEach((value, k) => sweep.put(sweep.place(timeline.at(stretch.sample0 + k)), value));
  }
  sweep.advance(until);
  return sweep.shown;
}"""


def test_samples_lie_where_their_time_is(page, opened):
    tab = opened(page)

    def shown(until, *put):
        return tab.evaluate(SWEEP, {"put": put, "until": until})

    first = {"t_ms": 80_000, "sample0": 500, "samples": [1, 2, None, 4], "continues": False}
    assert shown(80_300, first)[:6] == [1, 2, None, 4, None, None]
    late = {"t_ms": 80_430, "sample0": 504, "samples": [5, 6], "continues": True}  # by their number, not by the clock
    assert shown(80_500, first, late)[:6] == [1, 2, None, 4, 5, 6]
    jump = {"t_ms": 80_600, "sample0": 506, "samples": [7], "continues": True}  # two were lost on the way
    assert shown(80_600, first, jump)[:7] == [1, 2, None, 4, None, None, 7]
    new = {"t_ms": 81_000, "sample0": 504, "samples": [8], "continues": False}  # another stretch of time
    assert shown(81_000, first, new)[:11] == [1, 2, None, 4, *[None] * 6, 8]
    assert shown(88_000, first)[:4] == [None] * 4  # eight seconds later the pen has come round


def test_the_pen_follows_a_clock_that_is_set(page, opened):
    tab = opened(page)
    delays = tab.evaluate("""async () => {
      const { Pen } = await import("/sweep.js");
      const pen = new Pen(), behind = [];
      for (const [t_ms, now_ms] of [[0, 100], [1000, 1250], [3_600_000, 2100], [3_601_000, 3100], [2000, 4100]]) {
        pen.heard(t_ms, now_ms);
        behind.push(t_ms - pen.at(now_ms));
      }
      return behind;
    }""")
    # 300 ms of patience; a message that is late by 150 ms finds the pen nearer; a step of the clock starts anew.
    assert delays == [300, 150, 300, 300, 300]


def test_a_server_that_restarts_is_found_again(opened):
    port = free_port()
    with speaking_page(port=port) as page:
        tab = opened(page)
        tell(page, tab, vitals(), "Good signal")
    tab.wait_for_selector("#lost:visible")
    assert "Connection lost" in tab.text_content("#lost")
    assert tab.text_content("#rate") == "--"
    assert tab.text_content("#breathing") == "--"
    assert tab.text_content("#link") == "Not live"
    with speaking_page(port=port) as page:
        tab.wait_for_selector("#lost:visible", state="hidden")
        tell(page, tab, vitals(bpm=71.0), "Good signal")
        assert tab.text_content("#rate") == "71"


def test_a_server_that_only_falls_silent_is_not_called_live(page, opened):
    tab = opened(page, clock=True)
    tell(page, tab, vitals(), "Good signal")
    page.say(None)
    tab.clock.fast_forward(4000)
    tab.wait_for_selector("#lost:visible")
    assert tab.text_content("#rate") == "--"
    tell(page, tab, vitals(), "Good signal")
    assert tab.is_hidden("#lost")


@pytest.mark.parametrize("has_ecg", [False, True])
def test_a_phone_needs_no_scrolling_sideways(opened, has_ecg):
    values = np.random.default_rng(1).random((2, 71, 120), np.float32)
    with speaking_page(has_ecg=has_ecg) as page:
        tab = opened(page, width=360, height=740, device_scale_factor=2)
        if has_ecg:
            page.ecg(ecg(time.time_ns(), 0, window=SstWindow(values, np.ones(2, np.float32))), GOOD)
        page.waveform(wave(time.time_ns(), 0, 2))
        everything = Quality("unusable", 0.2, tuple(FLAGS))
        for message, title in (
            (vitals(bpm=168.0, received=123_456_789, lost=12_345_678), "Good signal"),
            (vitals(MOVING), "Moving"),
            (vitals(everything), "Radar fault"),
        ):
            tell(page, tab, message, title)
            assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        assert tab.is_visible("#sst") == has_ecg
        assert tab.locator("#verdict").bounding_box()["y"] < 740  # seen without scrolling


CONTRAST = """() => {
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const luminance = (colour) => {
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  const pairs = [
    [style("#verdict").color, style(".verdict").backgroundColor],
    [style("#reason").color, style(".verdict").backgroundColor],
    [style("#rate").color, style(".now").backgroundColor], [style("dt").color, style("dl > div").backgroundColor],
    [style(".notice").color, style("body").backgroundColor], [style("#link").color, style("body").backgroundColor],
  ];
  return Math.min(...pairs.map((pair) => {
    const [low, high] = pair.map(luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes(page, opened, theme):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    tab = opened(page, color_scheme=theme)
    for message, title in (
        (vitals(), "Good signal"),
        (vitals(Quality("degraded", 0.8)), "Degraded"),
        (vitals(MOVING), "Moving"),
        (vitals(Quality("unusable", 0.2, ("warming_up",))), "Listening"),
    ):
        tell(page, tab, message, title)
        assert tab.evaluate(CONTRAST) >= 4.5, title


def test_a_token_in_the_address_opens_the_page(browser):
    token = "a-token-nobody-could-guess"
    with speaking_page(token=token) as page:
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{page.port}/?token={token}")
        tab.wait_for_selector("#device:not(:empty)")
        assert token not in tab.url
        context.close()
