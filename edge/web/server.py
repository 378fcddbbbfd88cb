"""HTTP server of the page, its events, /healthz and /metrics, with one thread per connection."""

from __future__ import annotations

import io
import logging
import socket
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from socketserver import TCPServer
from typing import Any, cast
from urllib.parse import urlsplit

from edge.web.access import Access
from edge.web.feed import Feed
from edge.web.messages import Hello, event
from edge.web.metrics import Metrics

MAX_CONNECTIONS = 32
SEND_TIMEOUT_S = 10.0
"""A browser that receives nothing for this time is disconnected; it reconnects by itself."""
REQUEST_TIMEOUT_S, MAX_REQUEST_BYTES = 10.0, 1 << 15
"""Limits of a whole request, against clients that only occupy a connection."""
SEND_BUFFER_BYTES = 1 << 15  # kept small: buffered data arrive late

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the URL may contain the token
    "Cache-Control": "no-store",
}

log = logging.getLogger(__name__)


class WebServer(ThreadingHTTPServer):
    """Serves until closed. Raises OSError if the port is not available."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, access: Access, feed: Feed, metrics: Metrics, hello: Hello) -> None:
        self.access, self.feed, self.metrics = access, feed, metrics
        self.hello = event(hello)
        self.files = _static_files()
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise OSError(f"web: cannot serve at {host}:{port} ({error.strerror}); choose another port") from error
        self._thread = threading.Thread(target=self.serve_forever, args=(0.1,), name="web", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The TCP port in use."""
        return int(self.server_address[1])

    def close(self) -> None:
        """End every stream, then stop the server."""
        self.feed.close()
        self.shutdown()
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Refuses connections above MAX_CONNECTIONS."""
        return self._free.acquire(blocking=False)

    def server_bind(self) -> None:
        """Binds without a reverse DNS lookup, which could delay the start."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # inherited by connections
        TCPServer.server_bind(self)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle one connection, then frees its slot."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log an exception; a browser that disconnected or stalled is not an error."""
        level = logging.DEBUG if isinstance(sys.exc_info()[1], OSError) else logging.ERROR
        log.log(level, "a request failed", exc_info=True)


class _Request(io.RawIOBase):
    """The bytes of a request, within its time and size limits. Raises TimeoutError, ConnectionError."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection, self._deadline_s, self._left = (
            connection,
            time.monotonic() + REQUEST_TIMEOUT_S,
            MAX_REQUEST_BYTES,
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0 or self._left <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        count = self._connection.recv_into(buffer, min(len(buffer), self._left))
        self._left -= count
        return count


class Handler(BaseHTTPRequestHandler):
    """Handles one request."""

    server: WebServer
    server_version, sys_version = "radarecg", ""
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Limits the time and the size of the request."""
        super().setup()
        self.rfile = io.BufferedReader(_Request(self.connection))

    def do_GET(self) -> None:
        """Serve files, events and metrics; all are read-only."""
        self.connection.settimeout(SEND_TIMEOUT_S)
        try:
            address = urlsplit(self.path)
        except ValueError:
            self._answer(HTTPStatus.BAD_REQUEST, b"Invalid address.\n")
            return
        if address.path == "/healthz":  # no token: it contains no personal data
            self._healthz()
        elif cookie := self.server.access.cookie(address.query):
            self._answer(HTTPStatus.SEE_OTHER, b"", headers={"Set-Cookie": cookie, "Location": "/"})
        elif not self.server.access.is_authorised(cast("dict[str, str]", self.headers)):
            self._answer(
                HTTPStatus.UNAUTHORIZED,
                b"This page needs its token: add ?token=... to the address.\n",
                headers={"WWW-Authenticate": "Bearer"},
            )
        elif address.path == "/events":
            self._events()
        elif address.path == "/metrics":
            text = self.server.metrics.text().encode()
            self._answer(HTTPStatus.OK, text, "text/plain; version=0.0.4; charset=utf-8")
        elif file := self.server.files.get(address.path):
            self._answer(HTTPStatus.OK, *file)
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"Page not found.\n")

    def do_HEAD(self) -> None:
        """Send the headers of the GET response only."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests: the URL may contain the token."""

    def _healthz(self) -> None:
        fault = self.server.metrics.fault()
        if fault is None:
            self._answer(HTTPStatus.OK, b"ok\n")
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, f"stale: {fault}\n".encode())

    def _events(self) -> None:
        # Otherwise nginx, as a proxy, would buffer the events.
        self._head(HTTPStatus.OK, "text/event-stream", {"X-Accel-Buffering": "no"})
        if self.command == "HEAD":
            return
        with self.server.feed.listen() as events:
            self.wfile.write(b"retry: 1000\n" + self.server.hello)
            for message in events:
                self.wfile.write(message)

    def _answer(
        self,
        status: HTTPStatus,
        content: bytes,
        kind: str = "text/plain; charset=utf-8",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._head(status, kind, {"Content-Length": str(len(content)), **(headers or {})})
        if self.command != "HEAD":
            self.wfile.write(content)

    def _head(self, status: HTTPStatus, kind: str, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **SECURITY_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()


def _static_files() -> dict[str, tuple[bytes, str]]:
    """Return content and type of every static file by URL path; reading them once prevents path traversal."""
    files = {}
    for file in resources.files("edge.web").joinpath("static").iterdir():
        kind = _TYPES.get(file.name[file.name.rfind(".") :], "text/plain")
        files[f"/{file.name}"] = (file.read_bytes(), f"{kind}; charset=utf-8")
    files["/"] = files.pop("/index.html")
    return files
