"""The page in a real browser: rates and their reasons, gaps, lost connections, and the view for placement."""

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from edge.core.types import Quality
from edge.personal.shift import shift_ecg
from tests.helpers.brokers import free_port
from tests.helpers.web import GOOD, ecg, get, speaking_page, tell, vitals, wave

SECOND_NS = 1_000_000_000

pytest_plugins = ["tests.helpers.browser"]


def test_a_rate_is_shown_while_it_is_valid_and_blanked_when_not(page, opened):
    tab = opened(page)
    assert tab.text_content("#rate") == "--"  # before the first message
    tell(page, tab, vitals(), "Good signal")
    assert tab.text_content("#rate") == "68"
    assert tab.text_content("#breathing") == "15"
    assert tab.text_content("#loss") == "2"
    assert tab.text_content("#spoken") == "Heart rate 68 per minute. Good signal."
    tell(page, tab, vitals(Quality("unusable", 0.2, ("low_snr",))), "Too weak")
    assert tab.text_content("#rate") == "--"
    assert "68" not in tab.inner_text("#now")
    assert "68" not in tab.title()
    assert tab.text_content("#reason") == "The heartbeat cannot be distinguished from noise."
    assert tab.text_content("#spoken").startswith("No heart rate.")


def test_an_irregular_rhythm_is_a_hint(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(irregular=True), "Good signal")
    assert "a hint, not a diagnosis" in tab.text_content("#reason")


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
    tell(page, tab, vitals(), "Good signal")
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


def test_the_page_reconnects_after_a_server_restart(opened):
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


def test_a_server_that_sends_nothing_is_not_live(page, opened):
    tab = opened(page, clock=True)
    tell(page, tab, vitals(), "Good signal")
    page.say(None)
    tab.clock.fast_forward(4000)
    tab.wait_for_selector("#lost:visible")
    assert tab.text_content("#rate") == "--"
    tell(page, tab, vitals(), "Good signal")
    assert tab.is_hidden("#lost")


def test_a_token_in_the_address_opens_the_page(browser):
    token = "a-token-nobody-could-guess"
    with speaking_page(token=token) as page:
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{page.port}/?token={token}")
        tab.wait_for_selector("#device:not(:empty)")
        assert token not in tab.url
        context.close()


def test_without_frames_no_quality_is_shown(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(Quality("unusable", 0.0, ("radar_fault", "stale"))), "Radar fault")
    assert tab.text_content("#reason") == "No radar frames are being received."
    assert tab.text_content("#quality") == tab.text_content("#processing") == "--"


def test_an_unsynchronised_clock_is_a_note(page, opened):
    tab = opened(page)
    tell(page, tab, vitals(), "Good signal")
    assert tab.is_hidden("#note")
    page.say(vitals(Quality("good", 0.97, ("clock_unsynced",))))
    tab.wait_for_selector("#note:visible")
    assert "clock is not synchronised" in tab.text_content("#note")
    assert tab.text_content("#reason") == ""


def test_before_the_first_ecg_the_waveform_is_drawn(opened):
    with speaking_page(has_ecg=True) as page:
        tab = opened(page, color_scheme="light")
        tell(page, tab, vitals(), "Good signal")
        page.waveform(wave(time.time_ns(), 0, 6))
        tab.wait_for_function(f"() => ({DRAWN})().filter(Boolean).length > 100")
        assert tab.text_content("#trace-name") == "Heart waveform; the ECG follows"
        page.ecg(ecg(time.time_ns() - 4 * SECOND_NS, 0, 4), GOOD)
        tab.wait_for_function("() => document.getElementById('trace-name').textContent === 'Reconstructed ECG'")
        assert tab.text_content("#trace-caption") == "Shape only, not a measured lead; amplitude not to scale"
        tab.click("summary")
        assert tab.is_hidden("#personalised")
        page.ecg(shift_ecg(ecg(time.time_ns(), 800, 1), 0.03), GOOD)
        tab.wait_for_selector("#personalised:visible")
        tab.wait_for_function(f"() => ({DRAWN})().filter(Boolean).length > 100")


@pytest.mark.slow  # eight tabs; the others use the shared stream too
def test_more_tabs_than_a_browser_has_connections_share_one_stream(page, opened):
    first = opened(page)
    others = [opened(page, beside=first) for _ in range(7)]
    page.say(vitals())
    for tab in others:
        tab.wait_for_function("() => document.getElementById('rate').textContent === '68'")
    assert "radarecg_pages 1.0\n" in get(page.port, "/metrics")[2]
    first.close()
    page.say(vitals(bpm=71.0))
    for tab in others:
        tab.wait_for_function("() => document.getElementById('rate').textContent === '71'")
    others[0].goto("about:blank")
    others[0].go_back()
    others[0].wait_for_function("() => document.getElementById('rate').textContent === '71'")


def test_without_shared_workers_the_page_limit_is_explained(opened):
    with speaking_page() as page:
        tab = opened(page, before="delete globalThis.SharedWorker")
        tell(page, tab, vitals(), "Good signal")
    tab.wait_for_selector("#lost:visible")
    assert "no more than six" in tab.text_content("#lost")


def test_variability_and_time_are_shown(page, opened):
    tab = opened(page, timezone_id="Europe/Berlin")
    half_past_ten_utc = 1_795_257_000
    tell(page, tab, replace(vitals(irregular=False), t_ns=half_past_ten_utc * SECOND_NS), "Good signal")
    assert tab.text_content("#clock") == "11:30:00"
    assert tab.text_content("#rmssd") == "40"
    assert tab.text_content("#sdnn") == "50"
    assert tab.text_content("#beats") == "11"
    assert tab.is_hidden("#rmssd")
    tab.click("summary")
    assert tab.is_visible("#rmssd")


PLACEMENT = {
    "event": "placement",
    "range_m": [0.2, 0.4, 0.6, 0.8],
    "power_db": [1.0, 21.0, 3.0, 9.0],
    "chest_range_m": 0.41,
    "contrast_db": 14.2,
    "breathing_mm": [0.1 * k for k in range(100)],
    "advice": "The chest is clear.",
}


def test_the_placement_view_is_offered_while_the_device_sends_it(page, opened):
    tab = opened(page, clock=True)
    tell(page, tab, vitals(), "Good signal")
    assert tab.is_hidden("#placement-open")

    def send(**changes):
        page._server.feed.send(b"data: " + json.dumps(PLACEMENT | changes).encode() + b"\n\n")

    send()
    tab.click("#placement-open")
    send(contrast_db=15.6)
    tab.wait_for_function("() => document.getElementById('contrast').textContent === '16'")
    assert tab.text_content("#chosen-distance") == "0.41"
    assert tab.text_content("#advice") == "The chest is clear."
    assert tab.get_attribute("#profile", "aria-label").endswith("0.40 m")
    assert tab.locator("#placement canvas").count() == 2
    send(chest_range_m=None, contrast_db=None, advice="No chest is detected.")
    tab.wait_for_function("() => document.getElementById('contrast').textContent === '--'")
    tab.clock.fast_forward(6000)
    tab.wait_for_selector("#placement-open", state="hidden")
    assert tab.is_hidden("#placement")
