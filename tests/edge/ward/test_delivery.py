"""Notices reach their receiver in order, through failures; a webhook that redirects, refuses or times out."""

import json
import socket
import threading

import pytest

from edge.core.settings import ConfigError
from edge.ward import delivery
from edge.ward.delivery import Delivery
from edge.ward.settings import WebhookConfig, load_webhook
from tests.helpers.disk import write_private
from tests.helpers.fhir import Answer, running_server

MESSAGES = [json.dumps({"id": k}).encode() for k in range(3)]


@pytest.fixture
def deliver():
    """Starts a delivery with short waits; it is closed at the end."""
    started = []

    def start(send) -> Delivery:
        started.append(Delivery("the webhook", send, first_wait_s=0.01))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_failures_are_retried_in_order_and_logged_once(deliver, caplog):
    caplog.set_level("INFO")
    failures, received, done = [3], [], threading.Event()

    def send(content: bytes) -> None:
        if failures[0]:
            failures[0] -= 1
            raise OSError("no route")
        received.append(content)
        if len(received) == len(MESSAGES):
            done.set()

    each = deliver(send)
    for message in MESSAGES:
        each.put(message)
    assert done.wait(60)
    assert received == MESSAGES
    assert caplog.text.count("no route") == 1
    assert "notices reach the webhook again" in caplog.text


def test_the_oldest_is_dropped_if_too_many_wait(deliver, monkeypatch, caplog):
    monkeypatch.setattr(delivery, "MAX_WAITING", 2)
    is_sending, go, received, done = threading.Event(), threading.Event(), [], threading.Event()

    def send(content: bytes) -> None:
        is_sending.set()
        go.wait(60)
        received.append(content)
        if content == b"4":
            done.set()

    each = deliver(send)
    each.put(b"0")
    assert is_sending.wait(60)
    for k in range(1, 5):
        each.put(str(k).encode())
    go.set()
    assert done.wait(60)
    assert received == [b"0", b"3", b"4"]
    assert each.dropped == 2
    assert caplog.text.count("the oldest are dropped") == 1


def test_a_webhook_gets_json_with_its_token_which_may_change(tmp_path):
    write_private(tmp_path / "token", "first-token\n")
    with running_server(204, 200) as server:
        webhook = load_webhook(WebhookConfig(server.url, "token"), tmp_path / "hub.toml")
        webhook.post(MESSAGES[0])
        write_private(tmp_path / "token", "next-token\n")
        webhook.post(MESSAGES[1])
    first, second = server.requests
    assert (first.resource, second.resource) == ({"id": 0}, {"id": 1})
    assert (first.headers["Authorization"], second.headers["Authorization"]) == (
        "Bearer first-token",
        "Bearer next-token",
    )
    assert first.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 401, 408, 429, 500, 503])
def test_answers_that_are_worth_a_retry(tmp_path, status):
    with running_server(Answer(status, {"Location": "http://127.0.0.1:1/"})) as server:
        with pytest.raises(OSError, match=str(status)):
            load_webhook(WebhookConfig(server.url), tmp_path / "hub.toml").post(MESSAGES[0])
        assert len(server.requests) == 1  # a redirect is not followed


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422])
def test_a_refused_notice_is_logged_and_not_retried(tmp_path, caplog, status):
    with running_server(status) as server:
        load_webhook(WebhookConfig(server.url), tmp_path / "hub.toml").post(MESSAGES[0])
    assert f"refuses a notice ({status}" in caplog.text


def test_a_webhook_that_does_not_answer_times_out(tmp_path, monkeypatch):
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 0.2)
    go = threading.Event()
    with running_server() as server:
        server.RequestHandlerClass = type("Silent", (server.RequestHandlerClass,), {"do_POST": lambda _: go.wait(60)})
        with pytest.raises(OSError, match=r"no complete answer in 0\.2 s"):
            load_webhook(WebhookConfig(server.url), tmp_path / "hub.toml").post(MESSAGES[0])
        go.set()


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"url": "ftp://hub.example/"}, "must be a URL"),
        ({"url": "http://hub.example:x/"}, "must be a URL"),
        ({"url": "http:// hub.example/"}, "must be a URL"),
        ({"url": "http://hub.example/"}, r"unencrypted to hub\.example.*plain = true permits it"),
        ({"url": "http://hub.example/", "token_file": "token"}, "unencrypted"),
        ({"url": "http://127.0.0.1/", "ca": "ca.crt"}, "ca needs"),
        ({"url": "https://hub.example/", "ca": "missing.crt"}, "cannot use ca"),
        ({"url": "https://hub.example/", "token_file": "missing"}, "cannot read missing"),
        ({"url": "https://hub.example/", "token_file": "spaces"}, "without spaces"),
    ],
)
def test_settings_of_a_webhook_that_cannot_be(tmp_path, settings, reason):
    write_private(tmp_path / "spaces", "two words\n")
    with pytest.raises(ConfigError, match=f"hub.toml: ward.webhook.*{reason}"):
        load_webhook(WebhookConfig(**settings), tmp_path / "hub.toml")


@pytest.mark.parametrize(("url", "plain"), [("http://hub.example/", True), ("http://[::1]:8123/", False)])
def test_a_notice_may_be_sent_unencrypted_within_this_computer_or_where_permitted(tmp_path, url, plain):
    assert load_webhook(WebhookConfig(url, plain=plain), tmp_path / "hub.toml")


def test_a_receiver_that_is_not_http_or_not_there_is_tried_again(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        webhook = load_webhook(WebhookConfig(f"http://127.0.0.1:{listening.getsockname()[1]}/"), tmp_path / "hub.toml")

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(OSError, match="does not answer in HTTP"):
            webhook.post(MESSAGES[0])
        thread.join()
    with pytest.raises(OSError, match="refused"):
        webhook.post(MESSAGES[0])
