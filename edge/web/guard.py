"""Middleware that answers requests without authorisation, and the check against requests of other sites."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Protocol

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.core.audit import audit

DENIAL_INTERVAL_S, MAX_DENIED_ADDRESSES = 60.0, 1000


class Authorisation(Protocol):
    """Decides which requests are authorised; `edge.web.access.Access` with one token is the usual one."""

    def cookie(self, query: str) -> str | None:
        """Return the cookie to set if the query string contains a token, else None."""

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers is authorised."""


def is_from_other_site(request: Request) -> bool:
    """Whether another site sends this POST from the user's browser (CSRF).

    A browser sends Origin with every POST; other programs send none.
    """
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("Host")


class RequireToken:
    """Passes authorised requests on; answers the others."""

    def __init__(self, app: ASGIApp, access: Authorisation) -> None:
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
