"""FHIR client: stores resources on a server and interprets its responses.

With the URL of Observation, each one is a request. With the server's base URL, many are one request, a batch
(http://hl7.org/fhir/R4/http.html#transaction), whose entries the server processes independently.

A resource is stored only if its own request or entry is answered with 200 or 201.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from edge.core.errors import InputError
from edge.core.http_client import Answer, HttpClient
from edge.fhir.failures import (
    REFUSED_CODES,
    REFUSED_UPDATE_CODES,
    RefusedError,
    UnavailableError,
    explain_network_failure,
    explain_status,
    retry_after_s,
    status_text,
)
from edge.fhir.records import Record
from edge.fhir.terms import Resource
from edge.mqtt.payloads import encode

BATCH_SIZE = 100
FHIR_JSON = "application/fhir+json"
STORED_CODES = {200, 201}

Outcome = RefusedError | UnavailableError | None
"""None: the resource is stored."""


class Response(NamedTuple):
    """What became of one resource: an error, or whether it existed before and what the server has."""

    error: Outcome
    existed: bool = False
    resource: Resource | None = None


class FhirServer:
    """Stores resources at `url`. `token` is called for every request, since tokens expire and are renewed."""

    def __init__(self, url: str, token: Callable[[], str | None], tls: ssl.SSLContext | None) -> None:
        _check_url(url)
        base, _, last = url.rstrip("/").rpartition("/")
        is_observation = last == "Observation"
        self._base, self._token, self._client = base if is_observation else url.rstrip("/"), token, HttpClient(tls)
        self.batch_size = 1 if is_observation else BATCH_SIZE
        self.kinds: frozenset[str] | None = frozenset({"Observation"}) if is_observation else None
        """Types of resources that it accepts; None: all."""

    def store(self, records: Sequence[Record]) -> list[Outcome]:
        """Store resources; return what became of each. Raises RefusedError, UnavailableError for a whole batch."""
        responses = self._send(records, [record.handling == "update" for record in records])
        missing = [k for k, record in enumerate(records) if _lacks_value(record, responses[k])]
        if missing:
            replaced = self._send([records[k] for k in missing], [True] * len(missing))
            responses = [replaced[missing.index(k)] if k in missing else old for k, old in enumerate(responses)]
        return [response.error for response in responses]

    def _send(self, records: Sequence[Record], is_update: Sequence[bool]) -> list[Response]:
        if len(records) == 1:
            return [self._send_one(records[0], is_update[0])]
        entries = [_entry(record, update) for record, update in zip(records, is_update, strict=True)]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        answer = self._request("POST", self._base, bundle, {})
        if error := _failure(self._base, answer, is_update=False):
            raise error
        return _entry_responses(self._base, answer.body, is_update)

    def _send_one(self, record: Record, is_update: bool) -> Response:
        """Store a resource without a batch, so that the server's answer concerns it and nothing else."""
        url = f"{self._base}/{record.kind}"
        method, headers = "POST", {"If-None-Exist": record.search}
        if is_update:
            method, headers, url = "PUT", {}, f"{url}?{quote(record.search, safe='=/:')}"
        try:
            answer = self._request(method, url, record.resource, headers)
        except UnavailableError as error:
            return Response(error)
        failure = _failure(url, answer, is_update)
        return Response(failure, answer.status == 200, None if failure else _decode(answer.body))

    def _request(self, method: str, url: str, resource: Resource, extra: dict[str, str]) -> Answer:
        prefer = "return=representation"  # of one that exists, to know whether it has a value
        headers = {"Content-Type": FHIR_JSON, "Accept": FHIR_JSON, "Prefer": prefer, **extra}
        try:
            if token := self._token():
                headers["Authorization"] = f"Bearer {token}"
            return self._client.send(method, url, encode(resource), headers)
        except InputError as error:
            raise UnavailableError(str(error)) from error
        except (http.client.HTTPException, ValueError) as error:
            raise UnavailableError(f"{url} does not answer in HTTP: {error!r}") from error
        except OSError as error:
            raise UnavailableError(explain_network_failure(url, error)) from error


def _lacks_value(record: Record, response: Response) -> bool:
    """Return whether the server has an Observation of this period, but not one that is known to have a value."""
    if record.handling != "fill" or response.error is not None or not response.existed:
        return False
    return "valueQuantity" not in (response.resource or {})


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number
        is_complete = False
    if not is_complete or any(c.isspace() for c in url) or parts.query or parts.fragment:
        raise InputError(f"{url}: not a URL of the form http(s)://HOST[:PORT]/BASE or .../Observation")
    if parts.username is not None:
        raise InputError(
            "the URL must not contain a user name or password, which others could see: use [fhir] token_file or cert"
        )


def _entry(record: Record, is_update: bool) -> Resource:
    if is_update:
        request = {"method": "PUT", "url": f"{record.kind}?{quote(record.search, safe='=/:')}"}
    else:
        request = {"method": "POST", "url": record.kind, "ifNoneExist": record.search}
    return {"resource": record.resource, "request": request}


def _failure(url: str, answer: Answer, is_update: bool) -> Outcome:
    """Return what is wrong with an answer; None if a FHIR server confirms that it stored the resource."""
    if answer.status not in STORED_CODES:
        if answer.status in (REFUSED_UPDATE_CODES if is_update else REFUSED_CODES):
            return RefusedError(status_text(answer.status), answer.body.decode(errors="replace"))
        reason = explain_status(url, answer.status, answer.headers.get("Location"))
        return UnavailableError(reason, answer.status, retry_after_s(answer.headers.get("Retry-After")))
    if answer.body:
        is_fhir = b"resourceType" in answer.body or b"http://hl7.org/fhir" in answer.body
    else:
        is_fhir = answer.status == 201 or any(
            name in answer.headers for name in ("Location", "Content-Location", "ETag")
        )
    return (
        None
        if is_fhir
        else UnavailableError(f"{url} answers {answer.status}, but not as a FHIR server does: check the URL")
    )


def _entry_responses(url: str, body: bytes, is_update: Sequence[bool]) -> list[Response]:
    """Return the response of each entry of a batch. Raises UnavailableError unless there is one for each."""
    bundle = _decode(body)
    entries = bundle.get("entry") if bundle else None
    if not isinstance(entries, list) or len(entries) != len(is_update):
        raise UnavailableError(f"{url} does not answer a batch with a response for each entry")
    return [_entry_response(url, entry, update) for entry, update in zip(entries, is_update, strict=True)]


def _entry_response(url: str, entry: Any, is_update: bool) -> Response:
    entry = entry if isinstance(entry, dict) else {}
    response = entry.get("response")
    response = response if isinstance(response, dict) else {}
    digits = str(response.get("status", ""))[:3]
    status = int(digits) if digits.isascii() and digits.isdigit() else 0
    if status in STORED_CODES:
        resource = entry.get("resource")
        return Response(None, status == 200, resource if isinstance(resource, dict) else None)
    if status in (REFUSED_UPDATE_CODES if is_update else REFUSED_CODES):
        answer = response.get("outcome") or entry.get("resource")
        return Response(RefusedError(status_text(status), json.dumps(answer) if answer else ""))
    return Response(UnavailableError(explain_status(url, status, None), status))


def _decode(body: bytes) -> dict[str, Any] | None:
    """Return a JSON object; None for anything else."""
    try:
        decoded = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None
