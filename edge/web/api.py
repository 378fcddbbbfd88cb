"""The routes below /api/v1: the history, read-only. `edge.web.openapi` describes them.

Every endpoint is a plain function, so it runs in a thread, and opens the history read-only: neither the chain nor the
event loop waits for the disk.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from edge.core.audit import audit
from edge.core.clock import unix_time_s
from edge.core.errors import InputError
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64
from edge.history.export import MAX_EDF_S, NO_ECG, csv_lines, edf_bytes
from edge.history.reader import RESOLUTIONS_S, HistoryReader, Resolution, Rows, open_reader
from edge.history.records import UNKNOWN_SAMPLE, EcgPiece
from edge.history.store import HistoryError
from edge.web import api_payloads as a
from edge.web.openapi import openapi

DEFAULT_RANGE_S = 600.0
PREFERRED_ROWS, MAX_ROWS, MAX_EVENTS = 2000, 10_000, 10_000
MAX_ECG_S = 600
MAX_TIME_S = 2**32
NO_HISTORY = "this device stores no history: its settings have no table [history]"

_encode = msgspec.json.Encoder().encode


class RequestError(Exception):
    """A request that cannot be answered, with its status and reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Range:
    """Which part of the history a request asks for: Unix times [from_s, to_s), and rows of `resolution_s`, if given."""

    from_s: float
    to_s: float
    resolution_s: Resolution | None = None


def api_routes(history: Path | None) -> list[Route]:
    """Return the routes; without a history, each answers 404 with the reason."""

    def route(path: str, answer: Callable[[HistoryReader, Range], Response], has_rows: bool = False) -> Route:
        def endpoint(request: Request) -> Response:
            try:
                asked = _range(request, has_rows)
                if history is None:
                    raise RequestError(404, NO_HISTORY)
                with open_reader(history) as reader:
                    return answer(reader, asked)
            except RequestError as error:
                return _json(a.ApiError(str(error)), error.status)
            except HistoryError as error:
                return _json(a.ApiError(str(error)), 503)

        return Route(path, endpoint)

    def export_csv(_: HistoryReader, asked: Range) -> Response:
        resolution_s = asked.resolution_s or _finest(asked, MAX_ROWS)
        return _file(_lines(history, asked, resolution_s), "text/csv; charset=utf-8", "csv", asked)

    return [
        route("/api/v1/vitals", _vitals, has_rows=True),
        route("/api/v1/events", _events),
        route("/api/v1/ecg", _ecg),
        route("/api/v1/export.csv", export_csv, has_rows=True),
        route("/api/v1/export.edf", _export_edf),
        Route("/api/v1/openapi.json", lambda _: Response(_encode(openapi()), media_type="application/json")),
    ]


def _vitals(reader: HistoryReader, asked: Range) -> Response:
    resolution_s = asked.resolution_s or _finest(asked, PREFERRED_ROWS)
    if (asked.to_s - asked.from_s) / resolution_s > MAX_ROWS:
        raise RequestError(
            400, f"more than {MAX_ROWS} rows: choose a shorter range or a larger resolution, or use /api/v1/export.csv"
        )
    rows = reader.vitals(asked.from_s, asked.to_s, resolution_s)
    if asked.resolution_s is None and resolution_s == 1 and not len(rows.t_s):
        rows = reader.vitals(asked.from_s, asked.to_s, 60)  # minutes are kept longer than seconds
    return _json(vitals_history(rows, asked))


def vitals_history(rows: Rows, asked: Range) -> a.VitalsHistory:
    """Convert rows to the payload."""
    fractions = {name: _rounded(rows.fraction(name), 3) for name in ("recorded", "valid", "good", "present", "moving")}
    return a.VitalsHistory(
        from_s=asked.from_s,
        to_s=asked.to_s,
        resolution_s=rows.resolution_s,
        t_s=rows.t_s.tolist(),
        heart_rate_bpm=_rounded(rows.mean("heart_rate"), 2),
        ci95_low_bpm=_rounded(rows.mean("ci95_low"), 2),
        ci95_high_bpm=_rounded(rows.mean("ci95_high"), 2),
        breathing_rate_bpm=_rounded(rows.mean("breathing_rate"), 2),
        chest_range_m=_rounded(rows.mean("chest_range"), 3),
        irregular=_rounded(rows.fraction("irregular"), 3),
        flags=rows.flags(),
        **fractions,  # type: ignore[arg-type]  # a row without recorded seconds is absent
    )


def _events(reader: HistoryReader, asked: Range) -> Response:
    events = reader.events(asked.from_s, asked.to_s, MAX_EVENTS + 1)
    if len(events) > MAX_EVENTS:
        raise RequestError(400, f"more than {MAX_EVENTS} events: choose a shorter range")
    return _json(a.EventHistory([a.HistoryEvent(event.t_s, event.kind, event.flag) for event in events]))


def _ecg(reader: HistoryReader, asked: Range) -> Response:
    if asked.to_s - asked.from_s > MAX_ECG_S:
        raise RequestError(400, f"the range must be at most {MAX_ECG_S} s; /api/v1/export.edf takes more")
    pieces = reader.ecg(asked.from_s, asked.to_s)
    if not pieces:
        raise RequestError(404, NO_ECG)
    return _json(a.EcgHistory(RCG_RATE_HZ, [_block(piece) for piece in pieces]))


def _block(piece: EcgPiece) -> a.EcgHistoryBlock:
    samples = [None if sample == UNKNOWN_SAMPLE else sample for sample in piece.samples.tolist()]
    peaks_s = [round(peak_s, 4) for peak_s in piece.r_peaks_s]
    return a.EcgHistoryBlock(piece.t_us / 1e6, samples, peaks_s, piece.continues, piece.personalised)


def _export_edf(reader: HistoryReader, asked: Range) -> Response:
    if asked.to_s - asked.from_s > MAX_EDF_S:
        raise RequestError(400, f"the range must be at most {MAX_EDF_S} s")
    try:
        content = edf_bytes(reader, asked.from_s, asked.to_s)
    except InputError as error:
        raise RequestError(404, str(error)) from error
    return _file(iter([content]), "application/edf", "edf", asked)


def _lines(history: Path | None, asked: Range, resolution_s: Resolution) -> Iterator[str]:
    assert history is not None
    with open_reader(history) as reader:  # of its own: the request's is closed before the answer is sent
        yield from csv_lines(reader, asked.from_s, asked.to_s, resolution_s)


def _file(content: Iterator[str] | Iterator[bytes], kind: str, suffix: str, asked: Range) -> Response:
    name = f"radarecg-{int(asked.from_s)}-{int(asked.to_s)}.{suffix}"
    audit("history exported", file=name)
    return StreamingResponse(
        content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _json(answer: msgspec.Struct, status: int = 200) -> Response:
    return Response(_encode(answer), status, media_type="application/json")


def _finest(asked: Range, max_rows: int) -> Resolution:
    return next((step for step in RESOLUTIONS_S if (asked.to_s - asked.from_s) / step <= max_rows), 3600)


def _rounded(values: Float64, digits: int) -> list[float | None]:
    """Round values [n] and return them as a list, in which msgspec encodes NaN as null."""
    rounded: list[float | None] = values.round(digits).tolist()
    return rounded


def _range(request: Request, has_rows: bool) -> Range:
    """Return the range that a request asks for. Raises RequestError."""
    query = dict(request.query_params)
    to_s = _time("to", query.pop("to", None), time.time())
    from_s = _time("from", query.pop("from", None), to_s - DEFAULT_RANGE_S)
    resolution = query.pop("resolution", None) if has_rows else None
    if query:
        known = "from, to, resolution" if has_rows else "from, to"
        raise RequestError(400, f"unknown parameter {next(iter(query))!r}; known parameters are {known}")
    if not from_s < to_s:
        raise RequestError(400, "from must be before to")
    if resolution is None:
        return Range(from_s, to_s)
    for step in RESOLUTIONS_S:
        if resolution == str(step):
            return Range(from_s, to_s, step)
    raise RequestError(400, f"resolution: {resolution!r} must be 1, 60 or 3600 (seconds)")


def _time(name: str, text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        try:
            value = unix_time_s(text.replace(" ", "+") if "T" in text else text)  # a + that is not escaped
        except ValueError as error:
            raise RequestError(400, f"{name}: must be Unix seconds, or RFC 3339 with a time zone ({error})") from error
    if not 0 <= value <= MAX_TIME_S:
        raise RequestError(400, f"{name}: {text} must be from 0 to {MAX_TIME_S} (Unix seconds, 1970 to 2106)")
    return value
