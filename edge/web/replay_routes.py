"""Control of a replay: POST /replay/pause, /replay/resume and /replay/seek?s=SECONDS. They exist only in a replay."""

from __future__ import annotations

import math
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from edge.core.replay import ReplayControl
from edge.web.guard import is_from_other_site


def replay_routes(replay: ReplayControl) -> list[Route]:
    """Return the routes; each answers 204, or 403 to a request that another site sends from the user's browser."""

    async def pause(request: Request) -> Response:
        return _apply(request, replay.pause)

    async def resume(request: Request) -> Response:
        return _apply(request, replay.resume)

    async def seek(request: Request) -> Response:
        position_s = _seconds(request.query_params.get("s", ""))
        if position_s is None:
            return PlainTextResponse("s must be a number of seconds from 0 on, for example /replay/seek?s=30\n", 400)
        return _apply(request, lambda: replay.seek(position_s))

    return [Route(f"/replay/{name.__name__}", name, methods=["POST"]) for name in (pause, resume, seek)]


def _apply(request: Request, change: Callable[[], None]) -> Response:
    """Make the change, unless another site requests it."""
    if is_from_other_site(request):
        return PlainTextResponse("Another site cannot control this replay.\n", 403)
    change()
    return Response(status_code=204)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
