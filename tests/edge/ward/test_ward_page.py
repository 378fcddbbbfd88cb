"""The ward's page in a real browser, with two hundred devices."""

import re

import numpy as np
import pytest

from edge.mqtt import payloads as p
from edge.mqtt.fields import iso_utc
from edge.mqtt.topics import VITALS, WAVEFORM
from edge.mqtt.watcher import Received
from edge.ward.notices import Limits
from tests.helpers.publishing import wait
from tests.helpers.ward import START_S, TOKENS, Hub, served

pytest_plugins = ["tests.helpers.browser"]

MANY, FEW = 200, 20
NAMES = [f"radar-{k:04d}" for k in range(1, MANY + 1)]
BED = NAMES[0]
many_devices = pytest.mark.parametrize("hub", [MANY], indirect=True)
WEAK, MOVING, NOBODY, OFFLINE, DEGRADED = NAMES[10:15]


@pytest.fixture
def hub(tmp_path, request):
    """Devices, most of them with a good signal; their time stands still."""
    hub = Hub(tmp_path, Limits(offline_min=0, no_rate_min=0.1))
    hub.count = getattr(request, "param", FEW)
    if not hub.count:
        return hub
    for k, name in enumerate(NAMES[: hub.count]):
        hub.say(name, 60.0 + k % 40)
    hub.say(WEAK, None, ["low_snr"])
    hub.say(MOVING, None, ["body_movement"], movement="extensive")
    hub.say(NOBODY, None, ["no_subject"])
    hub.say(DEGRADED, 75.0, ["frame_loss"], state="degraded")
    hub.clock.now_s += 1
    hub.say_status(OFFLINE, "offline")
    return hub


@pytest.fixture
def page(hub):
    with served(hub) as page:
        yield page


@pytest.fixture
def tab(hub, page, opened):
    tab = opened(page)
    tab.wait_for_function(f"() => document.querySelectorAll('.tile .rate:not(:empty)').length === {hub.count}")
    return tab


def text(tab, device: str, part: str) -> str:
    return tab.text_content(f'li[data-device="{device}"] .{part}')


def wait_for(tab, device: str, part: str, expected: str) -> None:
    selector = f'li[data-device="{device}"] .{part}'
    shows = "([selector, text]) => document.querySelector(selector)?.textContent === text"
    tab.wait_for_function(shows, arg=[selector, expected])


def shown(tab) -> list[str]:
    return tab.evaluate("[...document.querySelectorAll('#tiles li:not([hidden])')].map((item) => item.dataset.device)")


@many_devices
def test_each_device_has_a_tile_with_rate_or_reason(tab):
    assert shown(tab) == NAMES
    assert (text(tab, BED, "rate"), text(tab, BED, "title"), text(tab, BED, "breathing")) == (
        "60",
        "Good signal",
        "Breathing 15",
    )
    for device, title, reason in (
        (WEAK, "Too weak", "The heartbeat cannot be distinguished from noise."),
        (MOVING, "Moving a lot", "No heart rate during movement."),
        (NOBODY, "Nobody there", "No chest is detected."),
        (OFFLINE, "Offline", "Nothing received since "),
    ):
        assert (text(tab, device, "rate"), text(tab, device, "title")) == ("–", title)
        assert text(tab, device, "reason").startswith(reason)
    assert text(tab, DEGRADED, "rate") == "75"
    looks = [tab.get_attribute(f'li[data-device="{device}"] use', "href") for device in (BED, WEAK, NOBODY, OFFLINE)]
    assert looks == ["#good", "#unusable", "#nobody", "#offline"]  # a shape each, beside colour and words
    for href in looks:
        assert tab.inner_html(f"symbol{href}")
    assert "Not a clinical alarm" in tab.inner_text(".notice >> nth=0")


@pytest.mark.parametrize("hub", [0], indirect=True)
def test_without_devices_the_page_shows_what_it_waits_for(tab):
    tab.wait_for_function("() => document.getElementById('count').textContent.startsWith('No device yet.')")
    assert shown(tab) == []


def test_sparklines_of_a_row_are_at_one_height_whatever_is_above_them(hub, tab):
    hub.wait(7, lambda: [hub.say(name, None, ["low_snr"]) if name == WEAK else hub.say(name) for name in NAMES[:FEW]])
    wait_for(tab, WEAK, "badge", "Notice: no valid rate")
    tops = """() => [...document.querySelectorAll("#tiles li")].map((item) =>
      [item.offsetTop, Math.round(item.querySelector(".sparkline").getBoundingClientRect().top)])"""
    found = tab.evaluate(tops)
    assert len({tuple(pair) for pair in found}) == len({row for row, _ in found}) > 1


def test_what_nobody_has_acknowledged_is_first_in_the_notices(hub, tab):
    hub.wait(7, lambda: [hub.say(name, None, ["low_snr"]) for name in (WEAK, MOVING)])
    hub.ward.acknowledge(hub.delivered[0].id, "boss")
    hub.ward.tick(True)
    tab.wait_for_function("() => document.getElementById('open-notices').textContent.includes('acknowledged by boss')")
    assert tab.text_content("#open-count") == "2"
    acknowledged = "[...document.querySelectorAll('#open-notices li')].map((item) => item.dataset.acknowledged)"
    assert tab.evaluate(acknowledged) == ["false", "true"]
    assert tab.text_content("#open-notices b") == hub.delivered[1].device


@many_devices
def test_only_what_changed_is_drawn(hub, tab):
    tab.evaluate("""() => {
        globalThis.touched = new Set();
        const watch = new MutationObserver((records) => records.forEach(({ target }) => {
            const node = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
            const item = node.closest("li[data-device]");
            if (item) touched.add(item.dataset.device);
        }));
        const every = { subtree: true, childList: true, characterData: true, attributes: true };
        watch.observe(document.getElementById("tiles"), every);
    }""")
    hub.say(BED, 91.0)
    hub.say(NAMES[50], 60.0 + 50 % 40)  # the same as before
    wait_for(tab, BED, "rate", "91")
    assert tab.evaluate("[...touched]") == [BED]


@many_devices
def test_search_sort_and_filter(hub, tab):
    hub.ward.rename(NAMES[6], "Bed 12", "boss")
    wait_for(tab, NAMES[6], "name", "Bed 12")
    tab.fill("#search", "bed 1")
    assert shown(tab) == [NAMES[6]]
    assert tab.text_content("#count") == f"1 of {MANY} devices shown"
    tab.fill("#search", "RADAR-001")
    assert shown(tab) == NAMES[9:19]
    tab.fill("#search", "")
    tab.select_option("#sort", "state")
    assert shown(tab)[:5] == [OFFLINE, WEAK, MOVING, NOBODY, DEGRADED]
    tab.select_option("#sort", "rate")
    assert [text(tab, device, "rate") for device in shown(tab)[:5]] == ["99"] * 5
    tab.select_option("#sort", "name")
    counts = {}
    for name in ("good", "degraded", "unusable", "offline", "notice", "all"):
        button = tab.locator(f'[data-filter="{name}"]')
        button.click()
        assert button.get_attribute("aria-pressed") == "true"
        counts[name] = len(shown(tab))
        assert button.locator("b").text_content() == str(counts[name])
    assert counts == {"good": MANY - 5, "degraded": 1, "unusable": 3, "offline": 1, "notice": 0, "all": MANY}


@many_devices
def test_the_keyboard_reaches_every_tile_and_its_trace(hub, page, tab):
    tab.locator("#filters button:visible").last.focus()
    tab.keyboard.press("Tab")
    focused = "document.activeElement.closest('li')?.dataset.device"
    assert tab.evaluate(focused) == BED  # one tab stop
    columns = tab.evaluate("getComputedStyle(document.getElementById('tiles')).gridTemplateColumns.split(' ').length")
    for key, number in (("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowLeft", columns), ("End", MANY - 1)):
        tab.keyboard.press(key)
        assert tab.evaluate(focused) == NAMES[number], key
    tab.keyboard.press("Home")
    assert page.subscriptions.watched == set()
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#details[open]")
    wait(lambda: page.subscriptions.watched == {BED})
    tab.keyboard.press("Escape")
    tab.wait_for_selector("#details", state="hidden")
    assert tab.evaluate(focused) == BED
    wait(
        lambda: (
            page.traces.receive(Received(BED, VITALS.suffix, hub.vitals(BED), 0.0)) or not page.subscriptions.watched
        )
    )


def test_screen_readers_get_names(tab):
    assert tab.get_by_role("button", name=f"{BED}. heart rate 60 per minute. Good signal").count() == 1
    assert tab.get_by_role("button", name=f"{WEAK}. no valid heart rate. Too weak. The heartbeat").count() == 1
    for role, name in (("searchbox", "Search"), ("combobox", "Sort"), ("search", "Devices"), ("group", "Show only")):
        assert tab.get_by_role(role, name=name).count() == 1, name


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


def test_a_gap_in_the_sparkline_is_a_gap(hub, tab):
    device = "radar-9999"

    def minute(bpm: float | None, flags=()) -> None:
        hub.wait(60, lambda: hub.say(device, bpm, flags))

    minute(70.0)
    minute(None, ["low_snr"])
    hub.wait(60)
    minute(80.0)
    hub.say(device, 81.0)
    wait_for(tab, device, "rate", "81")  # and with it everything before
    assert text(tab, device, "range") == "70–80/min"
    paths = (tab.locator(f'li[data-device="{device}"] path.{name}') for name in ("line", "withheld"))
    line, withheld = (path.get_attribute("d") for path in paths)
    pieces = [[float(x) for x in re.findall(r"[ML]([\d.]+) ", piece)] for piece in re.findall(r"M[^M]+", line)]
    widths = [piece[-1] - piece[0] + 1 for piece in pieces if len(piece) > 1]
    assert len(widths) == 2
    assert all(11 <= width <= 13 for width in widths)  # a minute has twelve bins
    assert pieces[-1][0] - pieces[-2][-1] >= 24 - 2  # two minutes without a rate
    assert 11 <= withheld.count("M") <= 13  # only where vitals came


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


CONTRAST = """() => {
  const pixel = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
  const luminance = (colour) => {
    pixel.fillStyle = colour;
    pixel.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = (node) => getComputedStyle(node);
  const parts = ["name", "rate", "title", "reason", "breathing", "range"];
  const pairs = [...document.querySelectorAll(".tile")].slice(0, 20).flatMap((tile) =>
    parts.map((part) => [style(tile.querySelector(`.${part}`)).color, style(tile).backgroundColor]));
  for (const selector of [".notice", "#link", "#count", "#tools label"])
    pairs.push([style(document.querySelector(selector)).color, style(document.body).backgroundColor]);
  return Math.min(...pairs.map((pair) => {
    const [low, high] = pair.map(luminance).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  }));
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes(page, opened, theme):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    tab = opened(page, color_scheme=theme)
    wait_for(tab, NAMES[FEW - 1], "rate", str(60 + FEW - 1))
    assert tab.evaluate(CONTRAST) >= 4.5


def test_a_phone_needs_no_scrolling_sideways(hub, page, opened):
    hub.ward.rename(BED, "x" * 40, "boss")
    tab = opened(page, width=360, height=740, device_scale_factor=2)
    wait_for(tab, BED, "name", "x" * 40)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.click(f'li[data-device="{BED}"] button')
    tab.wait_for_selector("#details[open]")
    assert tab.evaluate("document.getElementById('details').scrollWidth") <= 360
    box = tab.locator('#details [data-part="rate"]').bounding_box()
    assert box["y"] + box["height"] <= 740
