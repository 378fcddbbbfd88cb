"""The page's layout in a real browser: sizes, small screens, both themes, and full screen."""

import time

import numpy as np
import pytest

from edge.core.types import Quality, SstWindow
from edge.vitals.quality import FLAGS
from tests.helpers.web import GOOD, MOVING, ecg, speaking_page, tell, vitals, wave

pytest_plugins = ["tests.helpers.browser"]


def test_movement_is_prominent(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(), "Good signal")
    assert tab.text_content("#interval") == "95 % interval 65 to 71"
    calm = tab.locator(".verdict").screenshot()
    tell(page, tab, vitals(MOVING, movement="extensive"), "Moving a lot")
    assert tab.is_hidden("#interval")
    assert tab.text_content("#rate") == "--"
    assert "Radar frames are being lost." in tab.text_content("#reason")
    assert tab.get_attribute("#shape", "href") == "#moving"
    assert "repeating-linear-gradient" in tab.evaluate(STYLE, [".verdict", "backgroundImage"])
    box = tab.locator(".verdict").bounding_box()
    assert box["width"] * box["height"] > 0.1 * 1280 * 800
    assert tab.locator("#verdict").bounding_box()["height"] >= 48
    assert tab.locator(".verdict").screenshot() != calm


STYLE = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"


@pytest.mark.parametrize("has_ecg", [pytest.param(False, marks=pytest.mark.slow), True])
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


COLOURS = """() => {
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  return [
    [style("#verdict").color, style(".verdict").backgroundColor],
    [style("#reason").color, style(".verdict").backgroundColor],
    [style("#rate").color, style(".now").backgroundColor], [style("dt").color, style("dl > div").backgroundColor],
    [style(".notice").color, style("body").backgroundColor], [style("#link").color, style("body").backgroundColor],
    ...["#interval", "#trace-caption", ".key", "#summary", "#readout", "summary"]
      .map((selector) => [style(selector).color, style(".panel").backgroundColor]),
    ...["button", "button[aria-pressed=true]"].map(style).map((one) => [one.color, one.backgroundColor]),
    ["--soft", "--panel"].map((name) => style(":root").getPropertyValue(name)), // of the charts' labels
    ["--soft", "--withheld"].map((name) => style(":root").getPropertyValue(name)),
  ];
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes(page, opened, lowest_contrast, theme):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    tab = opened(page, color_scheme=theme)
    for message, title in (
        (vitals(), "Good signal"),
        (vitals(Quality("degraded", 0.8)), "Degraded"),
        (vitals(MOVING), "Moving"),
        (vitals(Quality("unusable", 0.2, ("warming_up",))), "Warming up"),
    ):
        tell(page, tab, message, title)
        assert lowest_contrast(tab, COLOURS) >= 4.5, title


FONT_PX = "(selector) => parseFloat(getComputedStyle(document.querySelector(selector)).fontSize)"


def test_the_verdict_is_small_when_all_is_well_and_large_when_not(page, opened):
    tab = opened(page)

    def sizes(quality, title):
        tell(page, tab, vitals(quality), title)
        every = tab.evaluate(
            "[...document.querySelectorAll('main *')].map((e) => parseFloat(getComputedStyle(e).fontSize))"
        )
        return tab.evaluate(FONT_PX, "#verdict"), tab.evaluate(FONT_PX, "#rate"), max(every)

    small, rate, largest = sizes(GOOD, "Good signal")
    assert rate == largest > 8 * small
    larger, rate, largest = sizes(Quality("degraded", 0.8), "Degraded")
    assert rate == largest > larger > 1.7 * small
    verdict, rate, largest = sizes(Quality("unusable", 0.2, ("no_subject",)), "Nobody there")
    assert verdict > 2.2 * small
    assert "--" in tab.text_content("#rate")


@pytest.mark.parametrize("has_ecg", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_phone_shows_rate_verdict_and_trace_without_scrolling(opened, has_ecg):
    with speaking_page(has_ecg=has_ecg) as page:
        tab = opened(page, width=390, height=844, device_scale_factor=2)
        for message, title in (
            (vitals(irregular=True), "Good signal"),
            (vitals(Quality("degraded", 0.8, ("frame_loss",)), irregular=True), "Degraded"),
            (vitals(MOVING, movement="extensive"), "Moving a lot"),
            (vitals(Quality("unusable", 0.2, ("no_subject",))), "Nobody there"),
        ):
            tell(page, tab, message, title)
            for selector in ("#rate", "#verdict", "#reason", "#trace"):
                box = tab.locator(selector).bounding_box()
                assert box["y"] >= 0, (title, selector)
                assert box["y"] + box["height"] <= 844, (title, selector)
            assert tab.locator("#trace").bounding_box()["height"] >= 150
        assert tab.is_visible(".notice")


def test_the_header_explains_words_and_fills_the_screen(page, opened):
    tab = opened(page)
    tab.focus("#explain")
    tab.keyboard.press("Enter")
    assert "RMSSD" in tab.inner_text("#words")
    tab.keyboard.press("Escape")
    assert tab.is_hidden("#words")
    assert tab.evaluate("document.activeElement.id") == "explain"
    tab.click("#full-screen")
    tab.wait_for_function("() => document.fullscreenElement !== null")
    assert tab.text_content("#full-screen") == "Leave full screen"
    tab.click("#full-screen")
    tab.wait_for_function("() => document.fullscreenElement === null")
