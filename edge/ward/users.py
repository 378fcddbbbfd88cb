"""Users of the ward's page: a token each, which permits to look, or as an administrator to change tiles and notices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from edge.core.settings import is_loopback
from edge.web.access import MAKE_TOKEN, Access, AccessError

COOKIE = "radarecg-ward"


@dataclass(frozen=True, slots=True)
class User:
    """Who sends a request. The name is that of a token in the settings: a role or a place, such as desk."""

    name: str
    is_admin: bool


LOCAL = User("local", is_admin=True)
"""Without any token the page is served on a loopback address only; whoever can open it also started the hub."""


class Users:
    """Authorises requests by the tokens of all users. Raises AccessError."""

    def __init__(self, host: str, read_tokens: Mapping[str, str], admin_tokens: Mapping[str, str]) -> None:
        if not (read_tokens or admin_tokens or is_loopback(host)):
            raise AccessError(
                f"ward.host is {host}, which other machines can reach: name token files under [ward.read_tokens] and "
                f"[ward.admin_tokens] ({MAKE_TOKEN} makes a token), or use 127.0.0.1"
            )
        tokens = [*read_tokens.values(), *admin_tokens.values()]
        if len(set(tokens)) < len(tokens):
            raise AccessError("ward: two users have the same token; give each user a token of its own")
        self._users = [
            (User(name, is_admin), Access(host, token, COOKIE))
            for is_admin, each in ((False, read_tokens), (True, admin_tokens))
            for name, token in each.items()
        ] or [(LOCAL, Access(host, None))]

    def user(self, headers: Mapping[str, str]) -> User | None:
        """Return who sends a request with these headers; None without authorisation."""
        return next((user for user, access in self._users if access.is_authorised(headers)), None)

    def is_authorised(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers is authorised."""
        return self.user(headers) is not None

    def cookie(self, query: str) -> str | None:
        """Return the cookie to set if the query string contains a user's token, else None."""
        return next((cookie for _, access in self._users if (cookie := access.cookie(query))), None)
