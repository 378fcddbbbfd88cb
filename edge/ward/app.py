"""Routes of the ward's page: its content and events, the trace of one device, and what an administrator may change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from edge.core.audit import audit
from edge.ward.records import Label
from edge.ward.traces import Traces
from edge.ward.users import User, Users
from edge.ward.ward import Ward
from edge.web.feed import Feed
from edge.web.guard import RequireToken, is_from_other_site
from edge.web.server import HEALTH_PATH

MAX_BODY_BYTES, BODY_TIMEOUT_S = 1024, 5.0


class LabelChange(msgspec.Struct, forbid_unknown_fields=True):
    """A tile's name on this hub; "" for none."""

    label: Label


class HiddenChange(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a tile is hidden."""

    hidden: bool


_Change = TypeVar("_Change", LabelChange, HiddenChange)


def ward_app(
    users: Users, ward: Ward, traces: Traces, feed: Feed, hello: bytes, fault: Callable[[], str | None]
) -> Starlette:
    """Return the application. `fault` returns why the hub does not work, or None."""

    async def healthz(_: Request) -> Response:
        found = fault()
        return PlainTextResponse(f"{found}\n", 503) if found else PlainTextResponse("ok\n")

    async def events(request: Request) -> Response:
        return _stream(request, feed.listen(b"retry: 1000\n" + hello))

    async def trace(request: Request) -> Response:
        device = request.path_params["device"]
        if not ward.has_device(device):  # such as a wildcard, which would subscribe to all of them
            return _done(False, "device")
        return _stream(request, traces.listen(device))

    def tiles(request: Request) -> Response:
        user = users.user(request.headers)
        assert user  # RequireToken has refused the others
        content = msgspec.json.encode(ward.snapshot(user.name, user.is_admin))
        return Response(content, media_type="application/json")

    async def label(request: Request) -> Response:
        return await _apply(request, LabelChange, lambda device, new, user: ward.rename(device, new.label, user))

    async def hidden(request: Request) -> Response:
        return await _apply(request, HiddenChange, lambda device, new, user: ward.hide(device, new.hidden, user))

    async def acknowledge(request: Request) -> Response:
        user = _administrator(request)
        if isinstance(user, Response):
            return user
        notice = request.path_params["notice"]
        return _done(await asyncio.to_thread(ward.acknowledge, notice, user.name), "open notice")

    async def _apply(request: Request, kind: type[_Change], change: Callable[[str, _Change, str], bool]) -> Response:
        user = _administrator(request)
        if isinstance(user, Response):
            return user
        try:
            new = msgspec.json.decode(await asyncio.wait_for(_body(request), BODY_TIMEOUT_S), type=kind)
        except (msgspec.DecodeError, ValueError, asyncio.TimeoutError) as error:
            return PlainTextResponse(f"The request's content cannot be used: {error}\n", 400)
        # In a thread, since it writes a file.
        return _done(await asyncio.to_thread(change, request.path_params["device"], new, user.name), "device")

    def _administrator(request: Request) -> User | Response:
        """Return the administrator who sends the request, or the response that refuses it."""
        user = users.user(request.headers)
        assert user
        if is_from_other_site(request):
            return PlainTextResponse("Another site cannot change this page.\n", 403)
        if user.is_admin:
            return user
        audit("access denied", user=user.name, path=request.url.path)
        return PlainTextResponse("Only an administrator may change this.\n", 403)

    with_token = [
        Route("/events", events),
        Route("/tiles", tiles),
        Route("/tiles/{device}/trace", trace),
        Route("/tiles/{device}/label", label, methods=["POST"]),
        Route("/tiles/{device}/hidden", hidden, methods=["POST"]),
        Route("/notices/{notice}/acknowledge", acknowledge, methods=["POST"]),
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


async def _body(request: Request) -> bytes:
    """Return the request's content. Raises ValueError if it is too large."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise ValueError(f"it has more than {MAX_BODY_BYTES} bytes")
    return content


def _done(is_found: bool, what: str) -> Response:
    return Response(status_code=204) if is_found else PlainTextResponse(f"There is no such {what}.\n", 404)
