"""The web server over real sockets: which messages it sends, and that no browser blocks the runtime."""

import asyncio
import base64
import http.client
import re
import signal
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edge.core.placement import Placement
from edge.core.types import SstWindow
from edge.web.address import page_url
from edge.web.feed import MAX_QUEUED_MESSAGES, Feed
from edge.web.page import ECG_TIMEOUT_S
from edge.web.server import MAX_CONNECTIONS, MAX_REQUEST_BYTES
from tests.helpers.publishing import wait
from tests.helpers.web import GOOD, MOVING, Events, Replay, ecg, get, live_page, post, vitals, wave

T_NS = 1_795_196_400_000_000_000
TOKEN = "a-token-nobody-could-guess"


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


def test_a_stopped_browser_blocks_no_others(page):
    stopped = socket.create_connection(("127.0.0.1", page.port))
    stopped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stopped.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    first_bytes = b""
    while b"hello" not in first_bytes:
        first_bytes += stopped.recv(1024)
    awake = Events(page.port)
    big = wave(T_NS, 0, 40)
    for k in range(4 * MAX_QUEUED_MESSAGES):
        page.waveform(big)
        page.vitals(vitals(bpm=float(k)))
        while (message := awake.next())["event"] != "vitals":
            pass
        assert message["heart_rate_bpm"] == k  # none lost or late
    dropped = int(re.search(r"page_messages_dropped_total (\d+)", page_text(page)).group(1))
    assert dropped > MAX_QUEUED_MESSAGES
    awake.close()
    stopped.close()


def ask_without_reading(port: int, path: str) -> socket.socket:
    """A connection that asks for `path` and reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def test_clients_that_read_nothing_are_disconnected_and_free_their_places(page, monkeypatch):
    monkeypatch.setattr("edge.web.server.SEND_TIMEOUT_S", 0.3)
    stuck = [ask_without_reading(page.port, "/events") for _ in range(MAX_CONNECTIONS)]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(page.port, "/")
    big = wave(T_NS, 0, 200)

    def all_freed() -> bool:
        page.waveform(big)
        try:
            return "radarecg_pages 0.0\n" in page_text(page)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return False

    wait(all_freed)
    for client in stuck:
        client.close()


def test_a_client_that_reads_nothing_does_not_delay_closing(caplog):
    with live_page() as page:
        stuck = ask_without_reading(page.port, "/events")
        for k in range(2 * MAX_QUEUED_MESSAGES):
            page.waveform(wave(T_NS, k, 30))
        wait(lambda: "dropped_total 0.0" not in page_text(page))
    with suppress(ConnectionResetError):
        while stuck.recv(1 << 16):  # and then the stream ends
            pass
    stuck.close()
    assert not caplog.records


def test_a_closed_browser_frees_its_place_at_once(page):
    events = Events(page.port)
    assert "radarecg_pages 1.0\n" in page_text(page)
    events.close()
    wait(lambda: "radarecg_pages 0.0\n" in page_text(page))


def test_the_server_leaves_signals_to_the_runtime():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with live_page() as page:
        assert get(page.port, "/")[0] == 200
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def page_text(page) -> str:
    return get(page.port, "/metrics")[2]


def test_too_many_connections_are_refused_and_others_go_on(page):
    held = [Events(page.port) for _ in range(MAX_CONNECTIONS)]
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(page.port, "/")
    page.vitals(vitals())
    assert all(events.next()["event"] == "vitals" for events in held)
    for events in held:
        events.close()
    deadline = time.monotonic() + 10
    while True:  # the server detects a closed connection at the next message
        page.vitals(vitals())
        try:
            assert get(page.port, "/")[0] == 200
            return
        except (http.client.RemoteDisconnected, ConnectionResetError):
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_clients_that_send_no_request_displace_nobody_who_does(source):
    """Forty silent connections of one address, and then of ten; a supervisor and a browser get their answers."""
    with live_page(TOKEN) as page, ExitStack() as silent:
        page.vitals(vitals())
        for addresses in (1, 10):
            places = [(f"127.0.0.{2 + k % addresses}", 0) for k in range(40)]
            opened = [socket.create_connection(("127.0.0.1", page.port), 60, place) for place in places]
            for each in opened:
                silent.enter_context(each)
            with suppress(ConnectionResetError):
                assert opened[0].recv(1) == b""  # too many: the oldest is closed
            for _ in range(20):
                assert get(page.port, "/healthz", source=source)[0] == 200
                assert get(page.port, "/", source=source, Authorization=f"Bearer {TOKEN}")[0] == 200


def test_the_health_check_is_answered_while_all_connections_are_busy(page):
    held = [Events(page.port) for _ in range(MAX_CONNECTIONS)]
    page.vitals(vitals())
    for _ in range(5):
        assert get(page.port, "/healthz")[0] == 200
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        get(page.port, "/metrics")
    for events in held:
        events.close()


def answer_to(port: int, sent: bytes) -> bytes:
    """Returns everything received until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        try:
            client.sendall(sent)
            return b"".join(iter(lambda: client.recv(65536), b""))
        except ConnectionError:  # the server closed before reading all
            return b""


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET /" + b"y" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"404"),
        (b"GET / HTTP/9.9\r\n\r\n", b"401"),  # answered as HTTP/1.1, and there is no host name
        (b"GET / HTTP/x\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", b"400"),  # a TLS handshake
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", b"405"),
        (b"POST /events HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"405"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"200"),
        (b"GET /page.js HTTP/1.1\r\nHost: localhost\r\nRange: bytes=x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.0\r\nHost: \xff\xfe\r\nCookie: \xff\r\n\r\n", b"401"),
        (b"GET /healthz HTTP/1.0\r\n", b""),
    ],
)
def test_malformed_requests_are_answered_or_closed_without_a_log(page, sent, answer, caplog, monkeypatch):
    monkeypatch.setattr("edge.web.server.REQUEST_TIMEOUT_S", 0.3)
    got = answer_to(page.port, sent)
    assert answer == got[9:12]  # after "HTTP/1.1 "
    assert not caplog.records
    assert get(page.port, "/")[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.0\r\n" + b"x: y\r\n" * MAX_REQUEST_BYTES,
        b"GET / HTTP/1.0\r\nx: " + b"y" * 2 * MAX_REQUEST_BYTES,
        b"GET /" + b"y" * 2 * MAX_REQUEST_BYTES,
    ],
    ids=["many headers", "long header", "long address"],
)
def test_an_endless_request_is_not_read_to_its_end(page, sent, caplog):
    assert answer_to(page.port, sent)[9:12] in (b"400", b"")  # the answer is lost if the client goes on sending
    assert not caplog.records
    assert get(page.port, "/")[0] == 200


def test_a_slow_request_times_out(page, monkeypatch):
    monkeypatch.setattr("edge.web.server.REQUEST_TIMEOUT_S", 0.3)
    with socket.create_connection(("127.0.0.1", page.port)) as slow:

        def ended() -> bool:
            try:
                slow.sendall(b"x")
            except ConnectionError:
                return True
            return False

        wait(ended)


def test_the_request_timeout_does_not_end_a_stream(page, monkeypatch):
    monkeypatch.setattr("edge.web.server.REQUEST_TIMEOUT_S", 0.3)
    events = Events(page.port)
    time.sleep(0.4)
    page.vitals(vitals())
    assert events.next()["event"] == "vitals"
    events.close()


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
