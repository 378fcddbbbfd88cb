"""Failures of a FHIR server: whether they concern the resource, and what to do about them."""

from __future__ import annotations

import email.utils
import ssl
import time
import urllib.error
from http import HTTPStatus

MAX_RETRY_AFTER_S = 3600.0
REFUSED_CODES = {400, 409, 412, 422}
"""HTTP status codes that mean that the resource itself is invalid; it is not retried."""
REFUSED_UPDATE_CODES = REFUSED_CODES | {403, 405, 501}
"""The same for an update, which a server may not offer to this client although it accepts new resources."""
CONFLICT = 409
"""The status of two requests at once for one resource, as of two bridges: it may end, and is refused if it does not."""
SUSPECT_CODES = {CONFLICT, 413, 500}
"""HTTP status codes that may concern this resource only; it must not block others for ever."""

_CHECK_URL = "check the URL: it must be the server's base URL, or that followed by /Observation"
_ADVICE = {
    401: "set a valid token: [fhir] token_file",
    403: "grant this client the right to create Observations",
    404: _CHECK_URL,
    405: f"{_CHECK_URL}, for a server without batches",
    407: "a proxy requires authentication: see the variables http_proxy and https_proxy",
    413: "raise the maximum request size of the server, or of the proxy before it",
    501: f"{_CHECK_URL}, for a server without batches",
}


class RefusedError(Exception):
    """The server refuses this resource permanently, with HTTP `status` and body `answer`."""

    def __init__(self, status: str, answer: str) -> None:
        super().__init__(status)
        self.status, self.answer = status, answer


class UnavailableError(OSError):
    """The resource was not stored; a retry may succeed. `retry_after_s`: minimum wait that the server requested."""

    def __init__(self, reason: str, code: int | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.code, self.retry_after_s = code, retry_after_s


def status_text(code: int) -> str:
    """Return a status code with its standard phrase, not the server's: that could name a patient."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def explain_status(url: str, code: int, location: str | None) -> str:
    """Return why a response with this status does not confirm anything, and what to do. `location`: of a redirect."""
    text = f"{url} answers {status_text(code)}"
    if 300 <= code < 400:
        return (
            f"{text} and names {location or 'no address'}: redirects are not followed; if that is the right server, "
            "give its URL to fhir-bridge"
        )
    if code < 300:
        return f"{text}, which does not confirm that the resource is stored"
    return f"{text}: {_ADVICE[code]}" if code in _ADVICE else text


def explain_network_failure(url: str, error: OSError) -> str:
    """Return why a request failed without a response, and what to do."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"{url}: its certificate is not trusted ({reason.verify_message}): set its certificate authority, [fhir] ca"
        )
    if isinstance(reason, ssl.SSLError):
        return f"{url}: TLS fails ({reason}): the server may require a client certificate, [fhir] cert and key"
    return f"cannot reach {url} ({reason})"


def retry_after_s(text: str | None) -> float:
    """Parse Retry-After, seconds or a date (RFC 9110, section 10.2.3); return 0 for anything else."""
    if not text:
        return 0.0
    try:
        seconds = float(text) if text.strip().isdigit() else _until_s(text)
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _until_s(date: str) -> float:
    return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
