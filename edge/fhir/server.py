"""FHIR client: creates Observations on a server and interprets its responses.

An Observation is stored only if the POST itself is answered with 200 or 201. Redirects are never followed, because
clients replace the POST by another request (RFC 9110, section 15.4).
"""

from __future__ import annotations

import email.utils
import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from typing import IO
from urllib.parse import urlsplit

from edge.core.errors import InputError
from edge.fhir.observation import MESSAGE_SYSTEM, Resource
from edge.mqtt.payloads import encode

HTTP_TIMEOUT_S = 10.0
MAX_RETRY_AFTER_S = 3600.0
MAX_ANSWER_BYTES = 1 << 16
REFUSED_CODES = {400, 409, 412, 422}
"""HTTP status codes that mean that the resource itself is invalid; it is not retried."""
SUSPECT_CODES = {413, 500}
"""HTTP status codes that may concern this resource only; it must not block others for ever."""

_ADVICE = {
    401: "set a valid token: [fhir] token_file",
    403: "grant this client the right to create Observations",
    404: "check the URL: it must be the server's base URL followed by /Observation",
    405: "check the URL: it must be the server's base URL followed by /Observation",
    407: "a proxy requires authentication: see the variables http_proxy and https_proxy",
    413: "raise the maximum request size of the server, or of the proxy before it",
}


class RefusedError(Exception):
    """The server refuses this resource permanently, with HTTP `status` and body `answer`."""

    def __init__(self, status: str, answer: str) -> None:
        super().__init__(status)
        self.status, self.answer = status, answer


class UnavailableError(OSError):
    """The Observation was not stored; a retry may succeed. `retry_after_s`: minimum wait that the server requested."""

    def __init__(self, reason: str, code: int | None = None, retry_after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.code, self.retry_after_s = code, retry_after_s


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None  # urllib then raises the redirect as an HTTPError


class FhirServer:
    """Creates resources at `url`. `token` is called for every request, since tokens expire and are renewed."""

    def __init__(self, url: str, token: Callable[[], str | None], tls: ssl.SSLContext | None) -> None:
        _check_url(url)
        self._url, self._token = url, token
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=tls))
        self._opener = urllib.request.build_opener(*handlers)

    def create(self, resource: Resource) -> None:
        """Create a resource unless one with its identifier exists. Raises RefusedError, UnavailableError."""
        identifier = resource["identifier"][0]["value"]
        headers = {
            "Content-Type": "application/fhir+json",
            "Accept": "application/fhir+json",
            "If-None-Exist": f"identifier={MESSAGE_SYSTEM}|{identifier}",
        }
        if token := self._current_token():
            headers["Authorization"] = f"Bearer {token}"
        try:
            request = urllib.request.Request(self._url, encode(resource), headers, method="POST")
            with self._opener.open(request, timeout=HTTP_TIMEOUT_S) as response:
                _check_stored(self._url, response.status, response.headers, response.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                raise _failure(self._url, error) from error
        except (http.client.HTTPException, ValueError) as error:
            raise UnavailableError(f"{self._url} does not answer in HTTP: {error!r}") from error
        except UnavailableError:
            raise
        except OSError as error:
            raise UnavailableError(_network_failure(self._url, error)) from error

    def _current_token(self) -> str | None:
        try:
            return self._token()
        except InputError as error:
            raise UnavailableError(str(error)) from error


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is not a number
        is_complete = False
    if not is_complete or any(c.isspace() for c in url):
        raise InputError(f"{url}: not a URL of the form http(s)://HOST[:PORT]/.../Observation")
    if parts.username is not None:
        raise InputError(
            "the URL must not contain a user name or password, which others could see: use [fhir] token_file or cert"
        )


def _check_stored(url: str, status: int, headers: HTTPMessage, body: bytes) -> None:
    """Raise UnavailableError unless the response confirms creation by a FHIR server (FHIR section 3.2.0.8)."""
    if status not in (200, 201):
        raise UnavailableError(f"{url} answers {status}, which does not confirm that the Observation is stored")
    if body:
        is_fhir = b"resourceType" in body or b"http://hl7.org/fhir" in body
    else:
        is_fhir = status == 201 or any(name in headers for name in ("Location", "Content-Location", "ETag"))
    if not is_fhir:
        raise UnavailableError(f"{url} answers {status}, but not as a FHIR server does: check the URL")


def _failure(url: str, error: urllib.error.HTTPError) -> RefusedError | UnavailableError:
    code, status = error.code, f"{error.code} {error.reason}".strip()
    if code in REFUSED_CODES:
        return RefusedError(status, _error_body(error))
    if 300 <= code < 400:
        location = error.headers.get("Location", "no address")
        return UnavailableError(
            f"{url} answers {status} and names {location}: redirects are not followed; if that is the right server, "
            "give its URL to fhir-bridge",
            code,
        )
    advice = f": {_ADVICE[code]}" if code in _ADVICE else ""
    return UnavailableError(f"{url} answers {status}{advice}", code, _retry_after_s(error.headers.get("Retry-After")))


def _error_body(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(MAX_ANSWER_BYTES).decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return ""


def _retry_after_s(text: str | None) -> float:
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


def _network_failure(url: str, error: OSError) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"{url}: its certificate is not trusted ({reason.verify_message}): set its certificate authority, [fhir] ca"
        )
    if isinstance(reason, ssl.SSLError):
        return f"{url}: TLS fails ({reason}): the server may require a client certificate, [fhir] cert and key"
    return f"cannot reach {url} ({reason})"
