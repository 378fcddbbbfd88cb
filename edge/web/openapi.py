"""The OpenAPI 3.1 document of the API, generated from the structs of `edge.web.api_payloads`."""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Any

import msgspec

from edge import __version__
from edge.core.intended_use import NOT_A_DEVICE
from edge.web import api_payloads as a

JSON = "application/json"

_TIME = {"oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "format": "date-time"}]}
FROM = {
    "name": "from",
    "in": "query",
    "description": "Start of the range, included: Unix seconds or RFC 3339; default: ten minutes before `to`",
    "schema": _TIME,
}
TO = {
    "name": "to",
    "in": "query",
    "description": "End of the range, excluded: Unix seconds or RFC 3339; default: now",
    "schema": _TIME,
}
RESOLUTION = {
    "name": "resolution",
    "in": "query",
    "description": "Seconds of a row: 1, 60 or 3600; default: the finest that does not give too many rows",
    "schema": {"type": "integer", "enum": [1, 60, 3600]},
}


@cache
def openapi() -> dict[str, Any]:
    """Return the document."""
    answers = (a.VitalsHistory, a.EventHistory, a.EcgHistory, a.ApiError)
    schemas, components = msgspec.json.schema_components(answers, ref_template="#/components/schemas/{name}")
    vitals, events, ecg, error = schemas
    for component in components.values():
        component["description"] = cleandoc(component["description"])

    def path(summary: str, media_type: str, schema: Any, parameters: list[Any], absent: str) -> dict[str, Any]:
        reasons = {"400": "An impossible range or parameter", "404": absent, "503": "The history cannot be read now"}
        errors = {
            status: {"description": reason, "content": {JSON: {"schema": error}}} for status, reason in reasons.items()
        }
        found = {"200": {"description": summary, "content": {media_type: {"schema": schema}}}}
        refused = {"401": {"description": "The token is missing or wrong", "content": {"text/plain": {}}}}
        return {"get": {"summary": summary, "parameters": parameters, "responses": found | errors | refused}}

    no_history, no_ecg = "The device stores no history", "The device stores no history, or no ECG of this time"
    text, binary = {"type": "string"}, {"type": "string", "contentMediaType": "application/edf"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "radarecg history", "version": "1.0.0", "summary": __version__, "description": NOT_A_DEVICE},
        "paths": {
            "/api/v1/vitals": path("Vitals of a range", JSON, vitals, [FROM, TO, RESOLUTION], no_history),
            "/api/v1/events": path("Events of a range", JSON, events, [FROM, TO], no_history),
            "/api/v1/ecg": path("ECG of a range of at most 600 s", JSON, ecg, [FROM, TO], no_ecg),
            "/api/v1/export.csv": path("Vitals as a table", "text/csv", text, [FROM, TO, RESOLUTION], no_history),
            "/api/v1/export.edf": path("ECG as EDF+, at most 6 h", "application/edf", binary, [FROM, TO], no_ecg),
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Required beyond the loopback address"}
            },
        },
        "security": [{"token": []}, {}],
    }
