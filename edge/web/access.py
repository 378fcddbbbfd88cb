"""Who may see the page: on loopback this machine's users; elsewhere whoever has the token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import parse_qs

from edge.core.errors import InputError
from edge.core.files import read_text_file

COOKIE = "radarecg"
MIN_TOKEN_CHARS = 16
"""Characters: fewer could be guessed."""


class AccessError(InputError):
    """The page would be open to a network, or its token cannot be used; the message says what to do."""


class Access:
    """Decides about requests. `token` None: no token is asked for, but only this machine is answered."""

    def __init__(self, host: str, token: str | None) -> None:
        if token is None and not _is_loopback(host):
            raise AccessError(
                f"web.host is {host}, which others can reach: name a token_file under [web] "
                "(python3 -c 'import secrets; print(secrets.token_urlsafe())' makes a token), or use 127.0.0.1"
            )
        self._token = token
        # The browser keeps a digest, so that the token cannot be read there.
        self._cookie_digest = hashlib.sha256(f"radarecg page {token}".encode()).hexdigest()

    def cookie(self, query: str) -> str | None:
        """The cookie for who brings the token in the address; None for anyone else."""
        given = parse_qs(query).get("token", [""])[0]
        if self._token is None or not _equal_in_constant_time(given, self._token):
            return None
        # Lax, not Strict: a link in a message must still open the page.
        return f"{COOKIE}={self._cookie_digest}; Path=/; HttpOnly; SameSite=Lax"

    def admits(self, headers: Mapping[str, str]) -> bool:
        """Whether the request shows the token, or needs none."""
        if self._token is None:
            # A page elsewhere may give its own name this machine's address, and so read what is only for this machine.
            return _is_loopback(_hostname(headers.get("Host", "")))
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _equal_in_constant_time(given.strip(), self._token):
            return True
        try:
            cookie = SimpleCookie(headers.get("Cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and _equal_in_constant_time(cookie.value, self._cookie_digest)


def read_token(path: Path) -> str:
    """A token file's first line. Raises AccessError."""
    try:
        token = read_text_file(path).splitlines()[0].strip()
    except (OSError, IndexError, InputError) as error:
        raise AccessError(f"web.token_file: cannot read {path} ({error})") from error
    if len(token) < MIN_TOKEN_CHARS:
        raise AccessError(f"web.token_file: the token in {path} is shorter than {MIN_TOKEN_CHARS} characters")
    return token


def _equal_in_constant_time(given: str, expected: str) -> bool:
    """In constant time: how long it takes says nothing about how much was right."""
    return hmac.compare_digest(given.encode(errors="replace"), expected.encode())


def _hostname(host: str) -> str:
    """Without port and brackets."""
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
