"""Sends notices by POST to a URL: JSON, with a bearer token from a file. Redirects are not followed."""

from __future__ import annotations

import http.client
import logging
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPMessage
from typing import IO

from edge.core.errors import InputError

HTTP_TIMEOUT_S = 10.0
REFUSED_CODES = {400, 404, 405, 410, 413, 415, 422}
"""HTTP status codes after which the same request fails again; the notice is logged and not retried."""

log = logging.getLogger(__name__)


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None  # urllib then raises the redirect as an HTTPError


class Webhook:
    """A URL that notices are posted to. `token` is called for every request, since tokens are renewed."""

    def __init__(self, url: str, token: Callable[[], str | None], tls: ssl.SSLContext | None) -> None:
        self._url, self._token = url, token
        handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        if tls is not None:
            handlers.append(urllib.request.HTTPSHandler(context=tls))
        self._opener = urllib.request.build_opener(*handlers)

    def post(self, content: bytes) -> None:
        """Send one notice; only a status from 200 to 299 counts as received. Raises OSError if it is worth a retry."""
        headers = {"Content-Type": "application/json"}
        try:
            if token := self._token():
                headers["Authorization"] = f"Bearer {token}"
            request = urllib.request.Request(self._url, content, headers, method="POST")
            with self._opener.open(request, timeout=HTTP_TIMEOUT_S):
                pass
        except urllib.error.HTTPError as error:
            with error:
                if error.code not in REFUSED_CODES:
                    raise OSError(f"{self._url} answers {error.code} {error.reason}") from error
                log.error("%s refuses a notice (%d %s); it is not sent again", self._url, error.code, error.reason)
        except InputError as error:
            raise OSError(str(error)) from error
        except (http.client.HTTPException, ValueError) as error:
            raise OSError(f"{self._url} does not answer in HTTP: {error!r}") from error
