"""Routes of what an administrator may change: names of tiles, hidden tiles, acknowledged notices."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edge.core.audit import audit
from edge.ward.records import Label
from edge.ward.users import User, Users
from edge.ward.ward import Ward
from edge.web.guard import is_from_other_site

MAX_BODY_BYTES, BODY_TIMEOUT_S = 1024, 5.0


class LabelChange(msgspec.Struct, forbid_unknown_fields=True):
    """A tile's name on this hub; "" for none."""

    label: Label


class HiddenChange(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a tile is hidden."""

    hidden: bool


_Change = TypeVar("_Change", LabelChange, HiddenChange)


def change_routes(users: Users, ward: Ward) -> list[Route]:
    """Return the routes; each answers 204, 403 without the right, 404 without such a device or notice."""

    async def label(request: Request) -> Response:
        return await apply(request, LabelChange, lambda device, new, user: ward.rename(device, new.label, user))

    async def hidden(request: Request) -> Response:
        return await apply(request, HiddenChange, lambda device, new, user: ward.hide(device, new.hidden, user))

    async def acknowledge(request: Request) -> Response:
        user = _administrator(request, users)
        if isinstance(user, Response):
            return user
        return _answer(
            await asyncio.to_thread(ward.acknowledge, request.path_params["notice"], user.name), "open notice"
        )

    async def apply(request: Request, kind: type[_Change], change: Callable[[str, _Change, str], bool]) -> Response:
        user = _administrator(request, users)
        if isinstance(user, Response):
            return user
        try:
            new = msgspec.json.decode(await asyncio.wait_for(_body(request), BODY_TIMEOUT_S), type=kind)
        except (msgspec.DecodeError, ValueError, asyncio.TimeoutError, ClientDisconnect) as error:
            return PlainTextResponse(f"The request's content cannot be used: {error}\n", 400)
        # In a thread, since it writes a file.
        return _answer(await asyncio.to_thread(change, request.path_params["device"], new, user.name), "device")

    return [
        Route("/tiles/{device}/label", label, methods=["POST"]),
        Route("/tiles/{device}/hidden", hidden, methods=["POST"]),
        Route("/notices/{notice}/acknowledge", acknowledge, methods=["POST"]),
    ]


def _administrator(request: Request, users: Users) -> User | Response:
    """Return the administrator who sends the request, or the response that refuses it."""
    user = users.user(request.headers)
    assert user  # RequireToken has refused the others
    if is_from_other_site(request):
        return PlainTextResponse("Another site cannot change this page.\n", 403)
    if user.is_admin:
        return user
    audit("access denied", user=user.name, path=request.url.path)
    return PlainTextResponse("Only an administrator may change this.\n", 403)


async def _body(request: Request) -> bytes:
    """Return the request's content. Raises ValueError if it is too large."""
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > MAX_BODY_BYTES:
            raise ValueError(f"it has more than {MAX_BODY_BYTES} bytes")
    return content


def _answer(is_found: bool, what: str) -> Response:
    return Response(status_code=204) if is_found else PlainTextResponse(f"There is no such {what}.\n", 404)
