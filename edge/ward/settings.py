"""The table [ward] of a hub's settings, and what is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_secret
from edge.core.settings import END_OF_STRING, ConfigError, File, Host, Port, is_loopback, resolve_file
from edge.mqtt.broker import tls_context
from edge.mqtt.fields import DEVICE_PATTERN
from edge.ward.notices import Limits
from edge.ward.users import Users
from edge.ward.webhook import Webhook
from edge.web.access import read_token

HubName = Annotated[str, msgspec.Meta(pattern=DEVICE_PATTERN)]
UserName = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,32}$" + END_OF_STRING)]
TokenFiles = dict[UserName, File]


class WebhookConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where notices are posted.

    The first line of `token_file` is a bearer token, read for every request. `plain`: send notices unencrypted to
    another computer, in a network where nobody else can read them. `ca`: file with the certificate authority of the
    server (default: the system's).
    """

    url: str
    token_file: File | None = None
    plain: bool = False
    ca: File | None = None


class WardConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the ward's page. Files are relative to the settings file.

    `name` is the hub's name on the page and in notices. `read_tokens` and `admin_tokens`: token files by user, which is
    a role or a place; on a loopback address they are optional, and without any everybody is an administrator.
    `records`: file with the names of tiles and the open notices. `mqtt_notices`: publish notices on
    radarecg-hub/v1/NAME/notice.
    """

    name: HubName = "ward"
    host: Host = "127.0.0.1"
    port: Port = 8081
    read_tokens: TokenFiles = {}
    admin_tokens: TokenFiles = {}
    records: File = "ward.json"
    notices: Limits = Limits()
    webhook: WebhookConfig | None = None
    mqtt_notices: bool = False


def load_users(config: WardConfig, path: Path) -> Users:
    """Return the users whose token files the settings at `path` name. Raises AccessError."""

    def tokens(table: str, files: Mapping[str, str]) -> dict[str, str]:
        return {name: read_token(path.parent / file, f"ward.{table}.{name}") for name, file in files.items()}

    if both := set(config.read_tokens) & set(config.admin_tokens):
        raise ConfigError(f"{path}: ward: {min(both)} has both a read token and an admin token; name each user once")
    read, admin = tokens("read_tokens", config.read_tokens), tokens("admin_tokens", config.admin_tokens)
    return Users(config.host, read, admin)


def load_webhook(config: WebhookConfig, path: Path) -> Webhook:
    """Return the webhook that the settings at `path` name. Raises ConfigError."""
    try:
        parts = urlsplit(config.url)
        is_valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or any(character.isspace() for character in config.url):
        raise ConfigError(f"{path}: ward.webhook.url: {config.url} must be a URL with http:// or https://")
    is_encrypted = parts.scheme == "https"
    if not (is_encrypted or config.plain or is_loopback(parts.hostname or "")):
        raise ConfigError(
            f"{path}: ward.webhook: notices would be sent unencrypted to {parts.hostname}: use a URL with https:// "
            "(and ca); where nobody else can read the network, plain = true permits it"
        )
    if config.ca and not is_encrypted:
        raise ConfigError(f"{path}: ward.webhook: ca needs a URL with https://")

    def token() -> str | None:
        if config.token_file is None:
            return None
        try:
            found = read_secret(path.parent / config.token_file).strip()
        except (OSError, InputError) as error:
            raise ConfigError(f"{path}: ward.webhook.token_file: cannot read {config.token_file} ({error})") from error
        if not (found.isascii() and found.isprintable() and found and " " not in found):
            raise ConfigError(f"{path}: ward.webhook.token_file: the token must be printable ASCII without spaces")
        return found

    token()  # reports an unusable file at the start
    try:
        tls = tls_context(resolve_file(path, config.ca), None, None) if is_encrypted else None
    except OSError as error:
        raise ConfigError(f"{path}: ward.webhook: cannot use ca ({error})") from error
    return Webhook(config.url, token, tls)
