"""HTTP server of a page in a thread of its own: uvicorn, with limits against slow and hostile clients."""

from __future__ import annotations

import asyncio
import socket
import threading
from asyncio import Transport
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.web.feed import Feed

HEALTH_PATH = "/healthz"
MAX_CONNECTIONS = 32
"""Connections that are being answered. /healthz is answered above this limit too, since a supervisor depends on it."""
MAX_SILENT, MAX_SILENT_PER_ADDRESS, SILENT_AFTER_S = 32, 8, 0.2
"""Connections without a complete request in this time. Above a limit, the oldest of them is closed: clients that
only occupy connections displace each other, and no client that sends its request at once."""
SEND_TIMEOUT_S = 10.0
"""A browser that receives nothing for this time is disconnected; it reconnects by itself."""
REQUEST_TIMEOUT_S, MAX_REQUEST_BYTES = 10.0, 1 << 15
"""Limits of a whole request, against clients that only occupy a connection."""
CLOSE_TIMEOUT_S = 1.0
"""When the server is closed, a connection that does not end in this time is aborted."""
SEND_BUFFER_BYTES = 1 << 15  # kept small: buffered data arrive late

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the URL may contain the token
    "Cache-Control": "no-store",
    "Server": "radarecg",
    "Connection": "close",  # an idle connection would occupy a place
}


class WebServer:
    """Serves `app`, which sends the messages of the feed, until closed. Raises OSError if the port is not available."""

    def __init__(self, host: str, port: int, app: Callable[[Feed], ASGIApp]) -> None:
        self._socket = _listening_socket(host, port)
        self.port = int(self._socket.getsockname()[1])
        self._loop = asyncio.new_event_loop()
        self.feed = Feed(self._loop)
        config = uvicorn.Config(
            app(self.feed),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # not each malformed request
            access_log=False,  # a URL may contain the token
            proxy_headers=False,
            server_header=False,
            headers=list(HEADERS.items()),
            h11_max_incomplete_event_size=MAX_REQUEST_BYTES,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End every stream, then stop the server."""
        self.feed.close()
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._server.serve([self._socket]))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()
            self._socket.close()


class Connection(H11Protocol):
    """One connection. The limits are enforced here because uvicorn waits for clients without end."""

    _send_timer: asyncio.TimerHandle | None = None
    _is_silent = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Limit the time of the connection's request, and the number of connections without one."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # pause_writing is called as soon as the client does not keep up
        self._request_timer = self.loop.call_later(REQUEST_TIMEOUT_S, transport.abort)
        self.loop.call_later(SILENT_AFTER_S, self._limit_silent)

    def data_received(self, data: bytes) -> None:
        """Receive a part of the request; refuse the request above MAX_CONNECTIONS."""
        super().data_received(data)
        if self.cycle:  # the request is complete
            self._request_timer.cancel()
            if self._is_limited() and sum(each._is_limited() for each in self._others()) >= MAX_CONNECTIONS:
                self.transport.abort()

    def _limit_silent(self) -> None:
        self._is_silent = not self.cycle
        silent = [each for each in self._others() if each._is_silent and not each.cycle]
        same_address = [each for each in silent if each.client and self.client and each.client[0] == self.client[0]]
        for group, limit in ((same_address, MAX_SILENT_PER_ADDRESS), (silent, MAX_SILENT)):
            if self._is_silent and len(group) >= limit:
                min(group, key=lambda each: each._request_timer.when()).transport.abort()
                return

    def _others(self) -> list[Connection]:
        """Return the other open connections."""
        return [
            each
            for each in self.connections
            if isinstance(each, Connection) and each is not self and not each.transport.is_closing()
        ]

    def _is_limited(self) -> bool:
        return bool(self.cycle) and self.scope["path"] != HEALTH_PATH

    def pause_writing(self) -> None:
        """Limit the time until the client has received everything."""
        super().pause_writing()
        self._send_timer = self.loop.call_later(SEND_TIMEOUT_S, self.transport.abort)

    def resume_writing(self) -> None:
        """End the limit: the client has received everything."""
        super().resume_writing()
        if self._send_timer:
            self._send_timer.cancel()

    def shutdown(self) -> None:
        """End the connection, at the latest after CLOSE_TIMEOUT_S."""
        super().shutdown()
        self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(f"web: cannot serve at {host}:{port} ({error.strerror}); choose another port") from error
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # inherited by connections
    return listening
