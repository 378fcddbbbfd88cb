"""Routes of the page, its events, the API, /healthz and /metrics. Read-only, but for the control of a replay."""

from __future__ import annotations

import math
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.core.audit import audit
from edge.core.replay import ReplayControl
from edge.web.access import Access
from edge.web.api import api_routes
from edge.web.feed import Feed
from edge.web.metrics import CONTENT_TYPE, Metrics
from edge.web.replay_routes import replay_routes

HEALTH_PATH = "/healthz"
DENIAL_INTERVAL_S, MAX_DENIED_ADDRESSES = 60.0, 1000


def web_app(
    access: Access,
    feed: Feed,
    metrics: Metrics,
    hello: bytes,
    history: Path | None,
    replay: ReplayControl | None = None,
) -> Starlette:
    """Return the application. An endpoint that may wait for a lock or a disk is a plain function: it gets a thread."""

    async def healthz(_: Request) -> Response:
        fault = metrics.fault()
        return PlainTextResponse(f"stale: {fault}\n", 503) if fault else PlainTextResponse("ok\n")

    async def events(request: Request) -> Response:
        # Without X-Accel-Buffering, nginx as a proxy would buffer the events.
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        return StreamingResponse(feed.listen(b"retry: 1000\n" + hello) if request.method == "GET" else (), 200, headers)

    def metrics_text(_: Request) -> Response:
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    with_token = [
        Route("/events", events),
        Route("/metrics", metrics_text),
        *api_routes(history),
        *(replay_routes(replay) if replay else ()),
        Mount("/", StaticFiles(packages=[("edge.web", "static")], html=True)),
    ]
    return Starlette(
        routes=[
            Route(HEALTH_PATH, healthz),  # no token: it contains no personal data
            Mount("/", routes=with_token, middleware=[Middleware(RequireToken, access)]),
        ]
    )


class RequireToken:
    """Passes authorised requests on; answers the others."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._denied_s: dict[str, float] = {}  # by address: when a denial was last recorded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that has the token in its address with a cookie, one without any authorisation with 401."""
        request = Request(scope)
        answer: ASGIApp = self._app
        if cookie := self._access.cookie(scope["query_string"].decode("latin-1")):
            answer = Response(status_code=303, headers={"Set-Cookie": cookie, "Location": "/"})
        elif not self._access.is_authorised(request.headers):
            self._record_denial(request.client.host if request.client else "unknown")
            answer = PlainTextResponse(
                "This page needs its token: add ?token=... to the address.\n", 401, {"WWW-Authenticate": "Bearer"}
            )
        await answer(scope, receive, send)

    def _record_denial(self, address: str) -> None:
        """Record the first denial of each address in DENIAL_INTERVAL_S."""
        now_s = time.monotonic()
        if now_s - self._denied_s.get(address, -math.inf) >= DENIAL_INTERVAL_S:
            if len(self._denied_s) >= MAX_DENIED_ADDRESSES:
                self._denied_s.clear()
            self._denied_s[address] = now_s
            audit("access denied", address=address)
