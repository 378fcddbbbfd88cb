"""No browser blocks the runtime or another: malformed, slow, silent and too many clients, over real sockets."""

import http.client
import re
import socket
import time
from contextlib import ExitStack, suppress

import pytest

from edge.web.feed import MAX_QUEUED_MESSAGES
from edge.web.server import MAX_CONNECTIONS, MAX_REQUEST_BYTES
from tests.helpers.publishing import wait
from tests.helpers.web import T_NS, Events, get, live_page, vitals, wave

TOKEN = "a-token-nobody-could-guess"


@pytest.fixture
def page():
    with live_page() as page:
        yield page


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
