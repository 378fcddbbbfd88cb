"""The ward's page in a real browser, with two hundred devices: tiles, sparklines, keyboard, and small screens."""

import re

import pytest

from edge.mqtt.topics import VITALS
from edge.mqtt.watcher import Received
from tests.helpers.publishing import wait
from tests.helpers.ward import (
    BED,
    DEGRADED,
    FEW,
    MANY,
    MOVING,
    NAMES,
    NOBODY,
    OFFLINE,
    WEAK,
    hub_of_devices,
    shown,
    text,
    wait_for,
)

pytest_plugins = ["tests.helpers.browser"]

many_devices = pytest.mark.parametrize("hub", [MANY], indirect=True)


@pytest.fixture
def hub(tmp_path, request):
    return hub_of_devices(tmp_path, getattr(request, "param", FEW))


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


COLOURS = """() => {
  const style = (node) => getComputedStyle(node);
  const parts = ["name", "rate", "title", "reason", "breathing", "range"];
  const pairs = [...document.querySelectorAll(".tile")].slice(0, 20).flatMap((tile) =>
    parts.map((part) => [style(tile.querySelector(`.${part}`)).color, style(tile).backgroundColor]));
  for (const selector of [".notice", "#link", "#count", "#tools label"])
    pairs.push([style(document.querySelector(selector)).color, style(document.body).backgroundColor]);
  return pairs;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everything_can_be_read_in_both_themes(page, opened, lowest_contrast, theme):
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    tab = opened(page, color_scheme=theme)
    wait_for(tab, NAMES[FEW - 1], "rate", str(60 + FEW - 1))
    assert lowest_contrast(tab, COLOURS) >= 4.5


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
