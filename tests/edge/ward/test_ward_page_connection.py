"""The ward's page and its hub in a real browser: an open trace, lost connections, and what users may change."""

import numpy as np
import pytest

from edge.mqtt import payloads as p
from edge.mqtt.fields import iso_utc
from edge.mqtt.topics import VITALS, WAVEFORM
from edge.mqtt.watcher import Received
from tests.helpers.publishing import wait
from tests.helpers.ward import BED, START_S, TOKENS, WEAK, hub_of_devices, served, shown, text, wait_for

pytest_plugins = ["tests.helpers.browser"]


@pytest.fixture
def hub(tmp_path):
    return hub_of_devices(tmp_path)


DRAWN = """() => {
  const canvas = document.querySelector("#details [data-part=trace] canvas");
  if (!canvas) return 0;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.filter((value, k) => k % 4 === 3 && value > 0).length;
}"""


def test_the_trace_is_drawn_while_it_is_open(hub, page, tab):
    tab.click(f'li[data-device="{BED}"] button')
    wait(lambda: page.subscriptions.watched == {BED})
    sample0 = 0

    def send() -> None:
        nonlocal sample0
        t_ns = round(START_S * 1e9) + sample0 * 20_000_000
        samples = np.rint(1000 * np.sin(np.arange(50))).astype(int).tolist()
        wave = p.WaveformPayload(
            **{"device": BED, "boot": "5f0c6a9e", "seq": sample0, "sample0": sample0, "fs": 50, "n": 50, "scale": 0.01},
            **{"t": iso_utc(t_ns), "t_ns": t_ns, "samples": samples, "coverage": 1.0, "continues": True},
        )
        page.traces.receive(Received(BED, WAVEFORM.suffix, p.encode(wave), 0.0))
        page.traces.receive(Received(BED, VITALS.suffix, hub.vitals(BED), 0.0))
        sample0 += 50

    def is_drawn() -> bool:
        send()
        return tab.evaluate(DRAWN) > 1000

    wait(is_drawn)
    assert tab.text_content('[data-part="trace-name"]') == "Heart waveform"
    assert tab.text_content('#details [data-part="rate"]') == "60"
    assert tab.text_content('#details [data-part="chest"]') == "0.50"


def test_a_lost_connection_blanks_every_rate(hub, page, opened):
    tab = opened(page, clock=True)
    wait_for(tab, BED, "rate", "60")
    page.is_paused = True
    tab.clock.fast_forward(4000)
    tab.wait_for_selector("#lost:visible")
    assert "Nothing below is live" in tab.text_content("#lost")
    rates = tab.evaluate("[...new Set([...document.querySelectorAll('.tile .rate')].map((rate) => rate.textContent))]")
    assert rates == ["–"]
    assert tab.text_content("#link") == "Not live"
    page.is_paused = False
    wait_for(tab, BED, "rate", "60")  # though it has not changed
    assert tab.is_hidden("#lost")


def test_a_lost_broker_is_prominent(page, tab):
    page.is_connected = False
    tab.wait_for_selector("#lost:visible")
    assert "nothing is known about the devices" in tab.text_content("#lost")
    page.is_connected = True
    tab.wait_for_selector("#lost", state="hidden")


def test_lost_updates_are_made_up_for(hub, page, tab):
    page.is_paused = True
    hub.say(BED, 95.0)
    hub.ward.tick(True)  # an update that no page receives
    page.is_paused = False
    wait_for(tab, BED, "rate", "95")


def test_an_administrator_names_hides_and_acknowledges(hub, page, tab):
    tab.click(f'li[data-device="{BED}"] button')
    tab.fill('[data-part="label"]', "<b>Bed</b> 12")
    tab.click('#details button[type="submit"]')
    wait_for(tab, BED, "name", "<b>Bed</b> 12")
    tab.wait_for_function("() => document.getElementById('details-name').textContent === '<b>Bed</b> 12 (radar-0001)'")
    tab.click('[data-part="hide"]')
    tab.wait_for_function("() => document.querySelector('[data-filter=hidden] b').textContent === '1'")
    tab.keyboard.press("Escape")
    assert BED not in shown(tab)
    hub.wait(7, lambda: hub.say(WEAK, None, ["low_snr"]))
    tab.wait_for_selector("#notices:visible")
    assert text(tab, WEAK, "badge") == "Notice: no valid rate"
    tab.get_by_role("button", name=f"Acknowledge: {WEAK}").click()
    tab.wait_for_function("() => document.getElementById('open-notices').textContent.includes('acknowledged by local')")
    assert "not a clinical alarm" in tab.text_content("#notices-name")
    hub.say(WEAK, 66.0)
    hub.ward.tick(True)
    wait_for(tab, WEAK, "badge", "")
    assert "No valid heart rate for 0.1 min" in tab.text_content("#ended-notices")


def test_a_reader_sees_nothing_to_change(hub, browser):
    with served(hub, {"desk": TOKENS["desk"]}) as page:
        context = browser.new_context()
        tab = context.new_page()
        tab.goto(f"http://127.0.0.1:{page.port}/?token={TOKENS['desk']}")
        wait_for(tab, BED, "rate", "60")
        assert TOKENS["desk"] not in tab.url
        tab.click(f'li[data-device="{BED}"] button')
        assert tab.is_hidden('[data-part="admin"]')
        assert tab.is_hidden('[data-filter="hidden"]')
        context.close()
