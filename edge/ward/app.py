"""Routes of the ward's page: its content and events, and the trace of one device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge.ward.changes import change_routes
from edge.ward.metrics import WardMetrics
from edge.ward.traces import Traces
from edge.ward.users import Users
from edge.ward.ward import Ward
from edge.web.feed import Feed
from edge.web.guard import RequireToken
from edge.web.metrics import CONTENT_TYPE
from edge.web.server import HEALTH_PATH


def ward_app(
    users: Users, ward: Ward, traces: Traces, feed: Feed, hello: bytes, fault: Callable[[], str | None]
) -> Starlette:
    """Return the application. `fault` returns why the hub does not work, or None."""
    metrics = WardMetrics(ward, fault)

    async def healthz(_: Request) -> Response:
        found = fault()
        return PlainTextResponse(f"{found}\n", 503) if found else PlainTextResponse("ok\n")

    async def events(request: Request) -> Response:
        return _stream(request, feed.listen(b"retry: 1000\n" + hello))

    async def trace(request: Request) -> Response:
        device = request.path_params["device"]
        if not ward.has_device(device):  # such as a wildcard, which would subscribe to all of them
            return PlainTextResponse("There is no such device.\n", 404)
        return _stream(request, traces.listen(device))

    def tiles(request: Request) -> Response:
        user = users.user(request.headers)
        assert user  # RequireToken has refused the others
        content = msgspec.json.encode(ward.snapshot(user.name, user.is_admin))
        return Response(content, media_type="application/json")

    def metrics_text(_: Request) -> Response:
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE})

    with_token = [
        Route("/events", events),
        Route("/metrics", metrics_text),
        Route("/tiles", tiles),
        Route("/tiles/{device}/trace", trace),
        *change_routes(users, ward),
        # The first folder's files come before the second's: the ward's index.html, and the scripts of both.
        Mount("/", StaticFiles(packages=[("edge.ward", "static"), ("edge.web", "static")], html=True)),
    ]
    return Starlette(
        routes=[
            Route(HEALTH_PATH, healthz),  # no token: it contains no personal data
            Mount("/", routes=with_token, middleware=[Middleware(RequireToken, users)]),
        ]
    )


def _stream(request: Request, events: AsyncIterator[bytes]) -> Response:
    # Without X-Accel-Buffering, nginx as a proxy would buffer the events.
    headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
    return StreamingResponse(events if request.method == "GET" else (), 200, headers)
