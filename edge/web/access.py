"""Access control of the page: no token on loopback, a token on every other address."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs

from edge.core.errors import InputError
from edge.core.files import read_secret
from edge.core.settings import is_loopback

COOKIE = "radarecg"
MAKE_TOKEN = "python3 -c 'import secrets; print(secrets.token_urlsafe())'"
MIN_TOKEN_CHARS = 16
MIN_TOKEN_VARIETY = 6
"""A shorter token could be guessed, and so could one of fewer different characters, or steps between neighbours.

Sixteen random decimal digits have fewer different ones with a probability of 1 in 300, random hexadecimal digits or
letters practically never; `aaaa...`, `abab...` and `12345678...` have fewer.
"""


class AccessError(InputError):
    """The page would be open to a network, or its token is unusable; the message says what to do."""


class Access:
    """Authorises requests. Without `token`, only requests to a loopback host name are accepted.

    `cookie_name`: pages at other ports of this host receive the cookie too, so each kind of page has its own name.
    """

    def __init__(self, host: str, token: str | None, cookie_name: str = COOKIE) -> None:
        if token is None and not is_loopback(host):
            raise AccessError(
                f"web.host is {host}, which other machines can reach: set token_file under [web] "
                f"({MAKE_TOKEN} makes a token), or use 127.0.0.1"
            )
        self._token, self._cookie_name = token, cookie_name
        # The cookie holds a digest, so that the token cannot be read from the browser.
        self._cookie_digest = hashlib.sha256(f"radarecg page {token}".encode()).hexdigest()

    def cookie(self, query: str) -> str | None:
        """Return the cookie to set if the query string contains the token, else None."""
        given = parse_qs(query).get("token", [""])[0]
        if self._token is None or not _equal_in_constant_time(given, self._token):
            return None
        # Lax, not Strict: a link from another site or an e-mail must open the page.
        return f"{self._cookie_name}={self._cookie_digest}; Path=/; HttpOnly; SameSite=Lax"

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers is authorised."""
        if self._token is None:
            # Prevents DNS rebinding: another site's name that resolves to this machine must not be accepted.
            return is_loopback(_hostname(headers.get("Host", "")))
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal_in_constant_time(given.strip(), self._token):
            return True
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(self._cookie_name)
        except CookieError:
            return False
        return cookie is not None and _equal_in_constant_time(cookie.value, self._cookie_digest)


def read_token(path: Path, setting: str = "web.token_file") -> str:
    """Return the first line of the token file that `setting` names. Raises AccessError."""
    try:
        token = read_secret(path).strip()
    except (OSError, InputError) as error:
        raise AccessError(f"{setting}: cannot read {path} ({error})") from error
    if len(token) < MIN_TOKEN_CHARS:
        raise AccessError(f"{setting}: the token in {path} is shorter than {MIN_TOKEN_CHARS} characters")
    steps = {ord(right) - ord(left) for left, right in pairwise(token)}
    if min(len(set(token)), len(steps)) < MIN_TOKEN_VARIETY:
        raise AccessError(f"{setting}: the token in {path} can be guessed: {MAKE_TOKEN} makes a good one")
    return token


def _equal_in_constant_time(given: str, expected: str) -> bool:
    """Compare in constant time, so that the duration does not reveal how many characters match."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _hostname(host: str) -> str:
    """Return the host name of a Host header, without port and brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
