"""HTTP requests with a deadline for the whole exchange, without redirects.

The timeout of a socket starts again with every byte, so a server that sends one byte a second would hold the program
for ever. Redirects are never followed, because clients replace the POST by another request (RFC 9110, section 15.4).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from functools import partial
from http.client import HTTPMessage
from typing import IO, Any, NamedTuple

SOCKET_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 16 << 20  # of a bundle with the resources that were stored


class Answer(NamedTuple):
    """A server's response to a request, of any status."""

    status: int
    headers: HTTPMessage
    body: bytes


class RequestTimeoutError(OSError):
    """The server did not answer completely in REQUEST_TIMEOUT_S."""


class HttpClient:
    """Sends requests, one at a time, through the proxies that the environment names."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._deadline = _Deadline()
        watched = (_HttpHandler(self._deadline), _HttpsHandler(self._deadline, tls))
        self._opener = urllib.request.build_opener(_NoRedirects(), *watched)

    def send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Send a request and return the response. Raises OSError, http.client.HTTPException, ValueError."""
        request = urllib.request.Request(url, body, headers, method=method)
        with self._deadline:
            return self._exchange(request)

    def _exchange(self, request: urllib.request.Request) -> Answer:
        try:
            response = self._opener.open(request, timeout=SOCKET_TIMEOUT_S)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            body = response.read(MAX_ANSWER_BYTES + 1)
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError(f"the answer has more than {MAX_ANSWER_BYTES >> 20} MB")
            return Answer(response.status, response.headers, body)


class _Deadline:
    """Ends the connection of a request that takes longer than REQUEST_TIMEOUT_S. Raises RequestTimeoutError."""

    def __init__(self) -> None:
        self._is_over, self._timer = False, threading.Timer(0, self._end)
        self._socket: socket.socket | None = None

    def __enter__(self) -> None:
        self._is_over, self._socket = False, None
        self._timer = threading.Timer(REQUEST_TIMEOUT_S, self._end)
        self._timer.start()

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        self._timer.cancel()
        if self._is_over:  # without an error too: an answer without a length seems complete when it is cut
            raise RequestTimeoutError(f"no complete answer in {REQUEST_TIMEOUT_S:g} s") from error

    def watch(self, connected: socket.socket) -> None:
        """Set the socket to end."""
        self._socket = connected
        if self._is_over:
            self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)  # the TCP connection, also below TLS


class _HttpConnection(http.client.HTTPConnection):
    def __init__(self, deadline: _Deadline, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline

    def connect(self) -> None:
        super().connect()
        self._deadline.watch(self.sock)

    def send(self, data: Any) -> None:
        if self.sock is not None:  # in `connect` too: the request to a proxy
            self._deadline.watch(self.sock)
        super().send(data)


class _HttpsConnection(_HttpConnection, http.client.HTTPSConnection):
    """Its TLS handshake is limited by SOCKET_TIMEOUT_S as a whole."""


class _HttpHandler(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._connection = partial(_HttpConnection, deadline)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)


class _HttpsHandler(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline, tls: ssl.SSLContext | None) -> None:
        super().__init__(context=tls)
        self._connection = partial(_HttpsConnection, deadline, context=tls)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._connection, req)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None  # urllib then raises the redirect as an HTTPError
