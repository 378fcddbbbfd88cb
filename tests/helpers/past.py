"""A device with a history, made up from a formula: what /api/v1 answers, beside the real page, over real HTTP."""

import math
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from edge.web import page as live_page
from tests.helpers.web import speaking_page

RESOLUTIONS_S = (1, 60, 3600)
MAX_ROWS, MAX_ECG_S = 2000, 600
ECG_RATE_HZ = 200
HOUR_S, DAY_S = 3600, 86400


class Past:
    """Of each hour, somebody moves in minutes 20 and 21 and is away in minutes 40 to 44: then, the rate is withheld.

    Nothing is recorded in minutes 50 to 52. `requests` are those that were received: path and query.
    """

    def __init__(self, has_ecg: bool = True) -> None:
        self.has_ecg = has_ecg
        self.requests: list[tuple[str, dict[str, str]]] = []

    def vitals(self, from_s: float, to_s: float, resolution_s: int | None) -> dict:
        res = resolution_s or next(r for r in RESOLUTIONS_S if r == 3600 or (to_s - from_s) / r <= MAX_ROWS)
        t_s = np.arange(math.ceil(from_s / res) * res, to_s, res)
        seconds = t_s[:, None] + np.arange(0, res, 60)  # one second a minute is enough
        minute = seconds % HOUR_S // 60
        recorded = (minute < 50) | (minute > 52)
        moving = recorded & (minute // 2 == 10)
        away = recorded & (minute // 5 == 8)
        valid = recorded & ~moving & ~away
        rate = 62 - 9 * np.cos(2 * np.pi * (seconds - 4 * HOUR_S) / DAY_S)
        rate += 5 * np.sin(seconds / 407) * np.sin(seconds / 97)
        kept = recorded.any(axis=1)
        mean = [float(r[v].mean().round(1)) if v.any() else None for r, v in zip(rate[kept], valid[kept], strict=True)]
        flags = [
            [name for name, is_set in (("body_movement", m), ("no_subject", a)) if is_set.any()]
            for m, a in zip(moving[kept], away[kept], strict=True)
        ]

        def fraction(mask: np.ndarray) -> list[float]:
            return (mask.sum(axis=1) / recorded.sum(axis=1).clip(1))[kept].round(3).tolist()

        return {
            "from_s": from_s,
            "to_s": to_s,
            "resolution_s": res,
            "t_s": t_s[kept].tolist(),
            "heart_rate_bpm": mean,
            "ci95_low_bpm": [bpm and bpm - 2.5 for bpm in mean],
            "ci95_high_bpm": [bpm and bpm + 3 for bpm in mean],
            "breathing_rate_bpm": [bpm and 14.0 for bpm in mean],
            "valid": fraction(valid),
            "present": fraction(recorded & ~away),
            "moving": fraction(moving),
            "irregular": [bpm and 0.0 for bpm in mean],
            "recorded": recorded.mean(axis=1)[kept].round(3).tolist(),
            "flags": flags,
        }

    def events(self, from_s: float, to_s: float) -> list[dict]:
        hours = range(math.ceil(from_s / HOUR_S), math.ceil(to_s / HOUR_S))
        moves = [{"t_s": h * HOUR_S + 1200, "kind": "flag_began", "flag": "body_movement"} for h in hours]
        starts = [{"t_s": h * HOUR_S, "kind": "device_started", "flag": None} for h in hours if h % 24 == 4]
        losses = [{"t_s": h * HOUR_S + 600, "kind": "flag_began", "flag": "frame_loss"} for h in hours if h % 5 == 1]
        events = sorted(moves + starts + losses, key=lambda event: event["t_s"])
        return [event for event in events if from_s <= event["t_s"] < to_s]

    def ecg(self, from_s: float, to_s: float) -> dict:
        """One beat a second, 0.4 s into it; the samples of the range's third second are unknown."""
        k = np.arange(round((to_s - from_s) * ECG_RATE_HZ))
        phase = (from_s + k / ECG_RATE_HZ) % 1

        def wave(at: float, height: float, width: float) -> np.ndarray:
            return height * np.exp(-0.5 * ((phase - at) / width) ** 2)

        samples = wave(0.24, 90, 0.025) + wave(0.375, -90, 0.01) + wave(0.4, 1000, 0.012)
        samples += wave(0.43, -180, 0.012) + wave(0.65, 220, 0.04)
        known = (k < 2 * ECG_RATE_HZ) | (k >= 3 * ECG_RATE_HZ)
        block = {
            "t_s": from_s,
            "samples": [round(x) if is_known else None for x, is_known in zip(samples, known, strict=True)],
            "r_peaks_s": [second + 0.4 for second in range(math.ceil(from_s), math.floor(to_s))],
            "continues": False,
            "personalised": False,
        }
        return {"rate_hz": ECG_RATE_HZ, "blocks": [block]}

    def routes(self) -> list[Route]:
        def read(request: Request) -> tuple[float, float]:
            self.requests.append((request.url.path.removeprefix("/api/v1/"), dict(request.query_params)))
            return float(request.query_params["from"]), float(request.query_params["to"])

        def vitals(request: Request) -> Response:
            resolution = request.query_params.get("resolution")
            return JSONResponse(self.vitals(*read(request), resolution and int(resolution)))

        def events(request: Request) -> Response:
            return JSONResponse({"events": self.events(*read(request))})

        def ecg(request: Request) -> Response:
            from_s, to_s = read(request)
            if not self.has_ecg:
                return JSONResponse({"error": "No ECG is stored on this device ([history] ecg = false)."}, 404)
            if to_s - from_s > MAX_ECG_S:
                return JSONResponse({"error": f"at most {MAX_ECG_S} s are possible"}, 400)
            return JSONResponse(self.ecg(from_s, to_s))

        def export(request: Request) -> Response:
            read(request)
            return PlainTextResponse("research use only\n")

        paths = {"vitals": vitals, "events": events, "ecg": ecg, "export.csv": export, "export.edf": export}
        return [Route(f"/{path}", answer) for path, answer in paths.items()]


@contextmanager
def remembering_page(past: Past, **options):
    """A live page, as `speaking_page`, whose device has a history."""
    original = live_page.web_app

    def with_past(*args, **kwargs) -> Starlette:
        return Starlette(routes=[Mount("/api/v1", routes=past.routes()), Mount("/", original(*args, **kwargs))])

    with patch.object(live_page, "web_app", with_past), speaking_page(**options) as page:
        yield page
