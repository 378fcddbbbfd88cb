"""Sends notices by POST to a URL: JSON, with a bearer token from a file. Redirects are not followed."""

from __future__ import annotations

import http.client
import logging
import ssl
from collections.abc import Callable
from http import HTTPStatus

from edge.core.errors import InputError
from edge.core.http_client import HttpClient

REFUSED_CODES = {400, 404, 405, 410, 413, 415, 422}
"""HTTP status codes after which the same request fails again; the notice is logged and not retried."""

log = logging.getLogger(__name__)


class Webhook:
    """A URL that notices are posted to. `token` is called for every request, since tokens are renewed."""

    def __init__(self, url: str, token: Callable[[], str | None], tls: ssl.SSLContext | None) -> None:
        self._url, self._token, self._client = url, token, HttpClient(tls)

    def post(self, content: bytes) -> None:
        """Send one notice; only a status from 200 to 299 counts as received. Raises OSError if it is worth a retry."""
        headers = {"Content-Type": "application/json"}
        try:
            if token := self._token():
                headers["Authorization"] = f"Bearer {token}"
            status = self._client.send("POST", self._url, content, headers).status
        except InputError as error:
            raise OSError(str(error)) from error
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"{self._url} does not answer in HTTP: {error!r}") from error
        if status in REFUSED_CODES:
            phrase = HTTPStatus(status).phrase
            log.error("%s refuses a notice (%d %s); it is not sent again", self._url, status, phrase)
        elif not 200 <= status < 300:
            raise OSError(f"{self._url} answers {status}")
