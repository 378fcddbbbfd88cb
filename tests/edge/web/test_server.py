"""The web server over real sockets: what it sends and serves, how a replay is controlled, and how it ends."""

import asyncio
import base64
import re
import signal
import socket
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edge.core.placement import Placement
from edge.core.types import SstWindow
from edge.web.address import page_url
from edge.web.feed import MAX_QUEUED_MESSAGES, Feed
from edge.web.page import ECG_TIMEOUT_S
from tests.helpers.web import GOOD, MOVING, T_NS, Events, Replay, ecg, get, live_page, post, vitals, wave


@pytest.fixture
def page():
    with live_page() as page:
        yield page


@pytest.fixture
def events(page):
    events = Events(page.port)
    yield events
    events.close()


def test_a_browser_receives_the_pipelines_results(page, events):
    page.vitals(vitals(MOVING))
    message = events.next()
    assert message["heart_rate_bpm"] is None
    assert message["flags"] == ["body_movement", "frame_loss"]
    page.waveform(wave(T_NS, 100, 0.2))
    message = events.next()
    assert (message["of"], message["sample0"], len(message["samples"])) == ("waveform", 100, 10)
    assert message["t_ms"] == T_NS / 1e6 - 180


def test_with_a_network_the_waveform_is_shown_until_the_ecg_comes_and_while_it_pauses(monkeypatch):
    values = np.zeros((2, 71, 120), np.float32)
    values[0, 3, 60] = 1
    now_s = [100.0]
    monkeypatch.setattr("edge.web.page.time", SimpleNamespace(monotonic=lambda: now_s[0], time_ns=time.time_ns))
    stretch = ecg(T_NS, 1000, window=SstWindow(values, np.ones(2, np.float32)))
    nothing_known = replace(stretch, estimate=replace(stretch.estimate, valid_mask=np.zeros(200, bool)))
    with live_page(has_ecg=True) as page:
        events = Events(page.port)
        page.ecg(nothing_known, GOOD)
        page.waveform(wave(T_NS, 0, 0.2))
        assert events.next()["of"] == "waveform"
        page.ecg(stretch, GOOD)
        page.waveform(wave(T_NS, 10, 0.2))
        now_s[0] += ECG_TIMEOUT_S - 1
        page.ecg(nothing_known, GOOD)  # unknown samples are shown as a gap
        page.waveform(wave(T_NS, 20, 0.2))
        trace, picture, gap, _ = (events.next() for _ in range(4))
        now_s[0] += ECG_TIMEOUT_S + 1
        page.waveform(wave(T_NS, 30, 0.2))
        again = events.next()
        events.close()
    assert trace["samples"][:50] == [None] * 50
    assert trace["samples"][80] == 1000
    assert trace["r_peaks"] == [1080]
    assert picture["end_sample"] == 1000
    assert picture["rows"] * picture["columns_per_s"] == 71 * 30
    cells = np.frombuffer(base64.b64decode(picture["cells"]), np.uint8).reshape(30, 71)
    assert cells[0, 3] == 128  # the mean of two points
    assert cells.sum() == 128
    assert (gap["of"], set(gap["samples"])) == ("ecg", {None})
    assert (again["of"], again["sample0"]) == ("waveform", 30)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/"),
        ("radar.example", "http://radar.example:8080/"),
        ("::1", "http://[::1]:8080/"),
        ("0.0.0.0", "http://jetson.local:8080/"),
        ("::", "http://jetson.local:8080/"),
    ],
)
def test_the_address_of_the_page_is_one_that_can_be_opened(monkeypatch, host, url):
    monkeypatch.setattr(socket, "gethostname", lambda: "jetson")
    assert page_url(host, 8080) == url
    monkeypatch.setattr(socket, "gethostname", lambda: "jetson.ward.example")
    assert page_url("0.0.0.0", 8080) == "http://jetson.ward.example:8080/"


def test_the_server_leaves_signals_to_the_runtime():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with live_page() as page:
        assert get(page.port, "/")[0] == 200
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_port_in_use_is_reported(page):
    pattern = rf"cannot serve at 127.0.0.1:{page.port} .*another port"
    with pytest.raises(OSError, match=pattern), live_page(port=page.port):
        pass


def test_closing_ends_every_stream():
    with live_page() as page:
        events = Events(page.port)
    assert events.next() is None
    events.close()


def test_every_file_of_the_page_is_served_locally(page):
    status, headers, html = get(page.port, "/")
    assert status == 200
    assert "Research use only. Not a medical device." in html
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    for name in re.findall(r'(?:src|href)="([^#"]+)"', html):
        assert get(page.port, f"/{name}")[0] == 200, name
    assert get(page.port, "/uPlot.LICENSE.txt")[2].startswith("The MIT License")
    for path in ("/../server.py", "/static/page.js", "/%2e%2e/config.py"):
        assert get(page.port, path)[0] == 404


def test_a_feed_drops_and_counts_the_oldest():
    async def check() -> None:
        feed = Feed(asyncio.get_running_loop())
        feed.send(b"nobody is connected")
        await asyncio.sleep(0)
        messages = feed.listen(b"first")
        assert await anext(messages) == b"first"
        assert feed.listeners == 1
        for k in range(MAX_QUEUED_MESSAGES + 3):
            feed.send(b"%d" % k)
        assert await anext(messages) == b"3"
        assert feed.dropped == 3
        feed.close()
        assert [message async for message in messages] == []
        assert feed.listeners == 0
        assert [message async for message in feed.listen(b"first")] == []

    asyncio.run(check())


def test_a_replay_is_controlled_by_the_page_itself():
    replay = Replay()
    with live_page(replay=replay) as page:
        own = f"http://127.0.0.1:{page.port}"
        assert post(page.port, "/replay/pause", Origin=own)[0] == 204
        assert post(page.port, "/replay/resume")[0] == 204  # a program that is no browser
        assert post(page.port, "/replay/seek?s=12.5", Origin=own)[0] == 204
        for origin in ("http://other.example", f"http://127.0.0.1:{page.port + 1}", "null", "http://["):
            assert post(page.port, "/replay/pause", Origin=origin)[0] == 403
        for wrong in ("", "?s=", "?s=x", "?s=nan", "?s=-1", "?s=inf"):
            status, text = post(page.port, f"/replay/seek{wrong}", Origin=own)
            assert status == 400
            assert "number of seconds" in text
        assert get(page.port, "/replay/pause")[0] in (404, 405)
    assert replay.calls == ["pause", "resume", 12.5]


def test_the_control_of_a_replay_needs_the_token_and_a_replay():
    token = "a-token-nobody-could-guess"
    replay = Replay()
    with live_page(token=token, replay=replay) as page:
        assert post(page.port, "/replay/pause")[0] == 401
        assert post(page.port, "/replay/pause", Authorization=f"Bearer {token}")[0] == 204
    with live_page() as page:
        assert post(page.port, "/replay/pause")[0] in (404, 405)
    assert replay.calls == ["pause"]


def test_the_placement_is_sent_with_the_vitals_while_a_page_is_open():
    calls = []
    placement = Placement(np.array([0.4, 0.5]), np.array([1.0, 40.04]), 0.463, 40.04, np.array([0.123]), "Good.")
    with live_page(placement=lambda: calls.append(1) or placement) as page:
        page.vitals(vitals())
        assert not calls  # nobody looks
        events = Events(page.port)
        page.vitals(vitals())
        assert events.next()["event"] == "vitals"
        assert events.next() == {
            "event": "placement",
            "range_m": [0.4, 0.5],
            "power_db": [1.0, 40.0],
            "chest_range_m": 0.46,
            "contrast_db": 40.0,
            "breathing_mm": [0.12],
            "advice": "Good.",
        }
        events.close()
