"""The page with a memory, in a real browser: the strip, the stored ECG of a chosen stretch, and downloads."""

import math
import time

import pytest

from tests.helpers.history import fill
from tests.helpers.past import Past, remembering_page
from tests.helpers.web import MOVING, speaking_page, tell, vitals

pytest_plugins = ["tests.helpers.browser"]

MINUTE_S, HOUR_S = 60, 3600


@pytest.fixture
def past():
    return Past()


@pytest.fixture
def tab(past, opened):
    """A page that shows the last hour."""
    with remembering_page(past) as page:
        tab = opened(page, color_scheme="light", timezone_id="UTC")
        tell(page, tab, vitals(), "Good signal")
        select(tab, "1 h")
        yield tab


def select(tab, name):
    tab.click(f'[data-range="{name}"]')
    tab.wait_for_selector(f'#strip[data-shown="{name}"]')


def shown(bpm: float) -> int:
    """The page's number: `Math.round` of JavaScript, where Python's `round` takes 48.5 to 48."""
    return math.floor(bpm + 0.5)


def asked(past, what):
    """The times of the latest request."""
    query = next(query for path, query in reversed(past.requests) if path == what)
    return float(query["from"]), float(query["to"])


def x_of(tab, past, t_s):
    from_s, to_s = asked(past, "vitals")
    box = tab.locator("#strip .u-over").bounding_box()
    return box["x"] + (t_s - from_s) / (to_s - from_s) * box["width"], box["y"] + box["height"] / 3


def wait_for_ecg(tab):
    tab.wait_for_function("() => /R peaks|No ECG/.test(document.getElementById('stored-message').textContent)")


LANES_PX = 45
COLOURS = """([times, lanes_px]) => {
  const canvas = document.querySelector("#strip canvas");
  const over = document.querySelector("#strip .u-over").getBoundingClientRect();
  const [left, top] = [over.left - canvas.getBoundingClientRect().left, over.top - canvas.getBoundingClientRect().top];
  const context = canvas.getContext("2d");
  return times.map((along) => {
    const x = Math.round(left + along * over.width) - 1;
    const { data } = context.getImageData(x, top, 3, over.height - lanes_px);
    const pixels = Array.from({ length: data.length / 4 }, (_, k) => data.slice(4 * k, 4 * k + 4));
    return {
      isLine: pixels.some(([r, g, b, a]) => a > 200 && r < 140 && g > 90 && b < 180),
      isGrey: pixels.some(([r, g, b]) => r === 0xd5 && g === 0xda && b === 0xd7),
    };
  });
}"""


def test_the_strip_has_a_line_where_the_rate_is_valid_and_grey_where_it_was_withheld(tab, past):
    from_s, to_s = asked(past, "vitals")
    assert to_s - from_s == HOUR_S
    answer = past.vitals(from_s, to_s, None)
    rows = {
        (t_s + MINUTE_S / 2 - from_s) / HOUR_S: bpm
        for t_s, bpm in zip(answer["t_s"], answer["heart_rate_bpm"], strict=True)
        if t_s + MINUTE_S <= to_s
    }
    seen = tab.evaluate(COLOURS, [list(rows), LANES_PX])
    assert seen == [{"isLine": bpm is not None, "isGrey": bpm is None} for bpm in rows.values()]
    first_unrecorded_s = (from_s // HOUR_S) * HOUR_S + 50 * MINUTE_S
    blank_s = first_unrecorded_s + 90 if first_unrecorded_s > from_s else first_unrecorded_s + HOUR_S + 90
    assert tab.evaluate(COLOURS, [[(blank_s - from_s) / HOUR_S], LANES_PX]) == [{"isLine": False, "isGrey": False}]
    valid = [bpm for bpm in answer["heart_rate_bpm"] if bpm]
    assert tab.text_content("#summary").startswith(f"{shown(min(valid))} to {shown(max(valid))} per minute, withheld 1")


@pytest.mark.parametrize(("name", "span_s"), [("24 h", 24 * HOUR_S), ("30 d", 30 * 24 * HOUR_S)])
def test_longer_ranges_ask_for_their_own_times(tab, past, name, span_s):
    select(tab, name)
    from_s, to_s = asked(past, "vitals")
    assert to_s - from_s == span_s
    assert asked(past, "events") == (from_s, to_s)
    assert tab.get_attribute(f'[data-range="{name}"]', "aria-pressed") == "true"
    assert tab.get_attribute('[data-range="1 h"]', "aria-pressed") == "false"
    assert f"from={int(from_s)}" in tab.get_attribute("#download", "href")


def test_a_click_opens_the_ecg_around_that_moment(tab, past):
    t_s = asked(past, "vitals")[0] + 0.3 * HOUR_S
    tab.mouse.click(*x_of(tab, past, t_s))
    wait_for_ecg(tab)
    from_s, to_s = asked(past, "ecg")
    a_pixel_s = HOUR_S / tab.locator("#strip .u-over").bounding_box()["width"]
    assert from_s == pytest.approx(t_s - 10, abs=1 + a_pixel_s)
    assert to_s == from_s + 20
    assert tab.text_content("#stored-message").endswith("20 R peaks")
    assert tab.is_visible('#stored [data-part="plot"] canvas')
    tab.click('[data-part="later"]')
    wait_for_ecg(tab)
    assert asked(past, "ecg") == (from_s + 20, to_s + 20)
    tab.click('[data-part="close"]')
    assert tab.is_hidden("#stored")
    assert tab.evaluate("document.activeElement.id") == "strip"


def test_dragging_chooses_a_stretch_for_ecg_and_downloads(tab, past):
    begin_s = asked(past, "vitals")[0] + 600
    tab.mouse.move(*x_of(tab, past, begin_s))
    tab.mouse.down()
    tab.mouse.move(*x_of(tab, past, begin_s + 900), steps=3)
    tab.mouse.up()
    wait_for_ecg(tab)
    a_pixel_s = HOUR_S / tab.locator("#strip .u-over").bounding_box()["width"]
    from_s, to_s = asked(past, "ecg")
    assert from_s == pytest.approx(begin_s, abs=1 + a_pixel_s)
    assert to_s == from_s + 20  # its first page
    for kind in ("csv", "edf"):
        path, _, query = tab.get_attribute(f'[data-part="{kind}"]', "href").partition("?")
        times = dict(pair.split("=") for pair in query.split("&"))
        assert path == f"api/v1/export.{kind}"
        assert float(times["from"]) == from_s
        assert float(times["to"]) == pytest.approx(begin_s + 900, abs=1 + a_pixel_s)
    tab.click('[data-part="enlarge"]')
    tab.wait_for_selector('#strip[data-shown="enlarged"]')
    assert asked(past, "vitals") == (from_s, float(times["to"]))


def test_the_keyboard_reads_the_strip_and_opens_the_ecg(tab, past):
    _, to_s = asked(past, "vitals")
    tab.focus("#strip")
    for key in ("ArrowLeft", "ArrowLeft", "PageUp", "PageDown"):
        tab.keyboard.press(key)
    cursor_s = to_s - 10 * MINUTE_S
    row = past.vitals(cursor_s - MINUTE_S, cursor_s + MINUTE_S, MINUTE_S)
    told = tab.get_attribute("#strip", "aria-valuetext")
    assert told == tab.text_content("#readout")
    bpm = dict(zip(row["t_s"], row["heart_rate_bpm"], strict=True)).get(cursor_s // MINUTE_S * MINUTE_S, "blank")
    expected = {None: "withheld", "blank": "not recorded"}.get(bpm) or f"{shown(bpm)} per minute, 95 % interval"
    assert expected in told
    tab.keyboard.press("Enter")
    wait_for_ecg(tab)
    assert asked(past, "ecg")[0] == int(cursor_s - 10)
    assert tab.evaluate("document.activeElement.id") == "stored"
    tab.keyboard.press("Escape")
    assert tab.is_hidden("#stored")
    tab.keyboard.press("Home")
    for _ in range(2):
        tab.keyboard.press("Shift+ArrowRight")
    tab.keyboard.press("Enter")
    wait_for_ecg(tab)
    assert asked(past, "ecg")[0] == int(to_s - HOUR_S)
    href = tab.get_attribute('[data-part="csv"]', "href")
    assert float(href.rpartition("to=")[2]) == pytest.approx(to_s - HOUR_S + 2 * MINUTE_S, abs=1)


def test_the_reason_is_shown_where_no_ecg_is_stored(tab, past):
    past.has_ecg = False
    tab.mouse.click(*x_of(tab, past, asked(past, "vitals")[0] + 1000))
    tab.wait_for_function("() => document.getElementById('stored-message').textContent.startsWith('No ECG is stored')")
    assert tab.is_hidden('#stored [data-part="plot"]')


def test_without_a_history_the_page_shows_what_it_has_received(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(), "Good signal")
    tab.wait_for_selector("#strip-note:not(:empty)")
    assert "stores no history" in tab.text_content("#strip-note")
    assert tab.is_disabled('[data-range="24 h"]')
    assert tab.is_enabled('[data-range="10 min"]')
    assert tab.is_hidden("#download")
    tab.wait_for_function("() => document.getElementById('summary').textContent.startsWith('68 to 68 per minute')")
    tell(page, tab, vitals(MOVING), "Moving")
    tab.wait_for_function("() => !document.getElementById('summary').textContent.includes('withheld 0 %')")
    tab.click("#strip")
    assert tab.is_hidden("#stored")


def test_a_devices_own_history_is_shown(tmp_path, opened):
    """A rate of 60 and an ECG with one R peak a second, for the two minutes before the page was opened."""
    file = tmp_path / "history.sqlite"
    fill(file, int(time.time()) - 120, 120, ecg=True)
    with speaking_page(history=file) as page:
        tab = opened(page)
        tell(page, tab, vitals(), "Good signal")
        tab.wait_for_function("() => document.getElementById('summary').textContent.startsWith('60 to 68 per minute')")
        box = tab.locator("#strip .u-over").bounding_box()
        tab.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + 20)
        wait_for_ecg(tab)
        assert tab.text_content("#stored-message").endswith("20 R peaks")
        assert tab.get_attribute("#download", "href").startswith("api/v1/export.csv?from=")
