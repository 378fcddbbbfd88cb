"""A request has a deadline as a whole, with and without TLS and a length; a server that drips bytes cannot hold it."""

import contextlib
import http.client
import itertools
import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from edge.core.http_client import HttpClient, RequestTimeoutError
from tests.helpers.certificates import Authority


@contextmanager
def dripping_server(start: bytes, tls: ssl.SSLContext | None = None):
    """A server that answers with `start` and then one byte after another, until its client ends; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ended = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError):
                client, _ = listening.accept()
                client = tls.wrap_socket(client, server_side=True) if tls else client
                with client:
                    client.recv(1 << 16)
                    client.sendall(start)
                    for _ in itertools.count():
                        client.sendall(b"x")
                        if ended.wait(0.01):
                            break

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}"
        ended.set()
        thread.join()


STARTS = {
    "status line": b"HTTP/1.1 201 Creat",
    "headers": b"HTTP/1.1 201 Created\r\nX-Name: ",
    "body with a length": b"HTTP/1.1 201 Created\r\nContent-Length: 1000000\r\n\r\n",
    "body without a length": b'HTTP/1.1 201 Created\r\n\r\n{"resourceType": "Observation", "',
    "body of an error": b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 1000000\r\n\r\n",
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_an_answer_without_an_end_is_cut(monkeypatch, start):
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 0.2)
    with dripping_server(start) as url, pytest.raises(RequestTimeoutError, match=r"no complete answer in 0\.2 s"):
        HttpClient(None).send("POST", url, b"{}", {})


def test_an_answer_through_tls_is_cut_too(monkeypatch, tmp_path):
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 0.5)
    authority = Authority(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.issue("server"))
    trusting = ssl.create_default_context(cafile=authority.certificate)
    with dripping_server(STARTS["headers"], context) as url, pytest.raises(RequestTimeoutError):
        HttpClient(trusting).send("POST", url, b"{}", {})


def test_a_proxy_that_drips_is_cut_too(monkeypatch):
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 0.2)
    with dripping_server(b"HTTP/1.1 200 OK\r\nX-Name: ") as url:
        monkeypatch.setenv("https_proxy", url)
        with pytest.raises(RequestTimeoutError):
            HttpClient(None).send("POST", "https://fhir.example/", b"{}", {})


def test_an_answer_that_is_too_large_is_a_failure(monkeypatch):
    monkeypatch.setattr("edge.core.http_client.MAX_ANSWER_BYTES", 100)
    start = b"HTTP/1.1 201 Created\r\n\r\n" + b"x" * 101
    with dripping_server(start) as url, pytest.raises(ValueError, match="the answer has more than"):
        HttpClient(None).send("POST", url, b"{}", {})


def test_a_request_after_a_timeout_is_a_new_one(monkeypatch):
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 0.2)
    client = HttpClient(None)
    with dripping_server(STARTS["headers"]) as url, pytest.raises(RequestTimeoutError):
        client.send("POST", url, b"{}", {})
    monkeypatch.setattr("edge.core.http_client.REQUEST_TIMEOUT_S", 60.0)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

        thread = threading.Thread(target=serve)
        thread.start()
        answer = client.send("POST", f"http://127.0.0.1:{listening.getsockname()[1]}/", b"{}", {})
        thread.join()
    assert (answer.status, answer.body) == (http.client.OK, b"ok")
