"""Routes of the page, its events, the API, /healthz and /metrics. Read-only, but for the control of a replay."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge.core.replay import ReplayControl
from edge.web.access import Access
from edge.web.api import api_routes
from edge.web.feed import Feed
from edge.web.guard import RequireToken
from edge.web.metrics import CONTENT_TYPE, Metrics
from edge.web.replay_routes import replay_routes
from edge.web.server import HEALTH_PATH


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
