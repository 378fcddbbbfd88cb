"""The table [fhir] of a hub's settings, and the store and the table of patients that are opened from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_secret, require_private
from edge.core.settings import ConfigError, File, is_loopback, resolve_file
from edge.fhir.folder import FolderStore
from edge.fhir.forwarder import Store
from edge.fhir.server import FhirServer
from edge.fhir.subjects import Subjects, SubjectsError
from edge.mqtt.broker import tls_context


class FhirConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings for the FHIR resources and for access to the server. Files are relative to the settings file.

    The first line of `token_file` is a bearer token; the file is read again for every request, so the token can be
    renewed. Set `token` through the environment (RADARECG_FHIR__TOKEN). `plain`: send resources and token unencrypted
    to another computer, in a network where nobody else can read them. `ca`, `cert` and `key`: as for the broker.
    Messages that the server rejects are stored in the folder `dead_letters`. `every_s`: a heart rate and a breathing
    rate of each device in this time; 1: of each message. `shared`: several bridges share the messages (see
    `edge.fhir.bridge` for what that costs). `subjects`: table of the devices' patients (`edge.fhir.subjects`).
    """

    every_s: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 60
    shared: bool = False
    subjects: File | None = None

    token_file: File | None = None
    token: str | None = None
    plain: bool = False
    ca: File | None = None
    cert: File | None = None
    key: File | None = None
    dead_letters: File = "fhir-dead-letters"


def open_store(target: str, config: FhirConfig, path: Path) -> Store:
    """Open the store for resources: a server's URL, or a folder. Raises InputError."""
    scheme = target.lower().partition("://")[0] if "://" in target else ""
    if scheme not in ("", "http", "https"):
        raise InputError(f"{target}: the target must be a folder, or a URL that begins with http:// or https://")
    if not scheme:
        return FolderStore(target)
    if config.token is not None and config.token_file is not None:
        raise ConfigError(f"{path}: fhir: set token or token_file, not both")
    if (config.cert is None) != (config.key is None):
        raise ConfigError(f"{path}: fhir: cert and key must be set together")
    tls = None
    if scheme == "https":
        ca, cert, key = (resolve_file(path, name) for name in (config.ca, config.cert, config.key))
        try:
            if key is not None:
                require_private(key)
            tls = tls_context(ca, cert, key)
        except (OSError, InputError) as error:
            raise ConfigError(f"{path}: fhir: cannot use ca, cert and key ({error})") from error
    elif config.ca or config.cert:
        raise ConfigError(f"{path}: fhir: ca, cert and key need a URL that begins with https://")
    server = FhirServer(target, lambda: read_token(config, path), tls)
    host = urlsplit(target).hostname or ""
    read_token(config, path)  # reports what is wrong with it before the first message
    if not (scheme == "https" or config.plain or is_loopback(host)):
        raise ConfigError(
            f"{path}: fhir: heart rates would be sent unencrypted to {host}: use a URL that begins with https:// "
            "(and ca); where nobody else can read the network, plain = true permits it"
        )
    return server


def open_subjects(config: FhirConfig, path: Path) -> Subjects | None:
    """Open the table of patients that the settings at `path` name; None if they name none. Raises ConfigError."""
    if config.subjects is None:
        return None
    try:
        return Subjects(path.parent / config.subjects)
    except SubjectsError as error:
        raise ConfigError(f"{path}: fhir.subjects: {error}") from error


def read_token(config: FhirConfig, path: Path) -> str | None:
    """Read the current bearer token of the settings at `path`; None without one. Raises ConfigError."""
    token = config.token
    if config.token_file is not None:
        try:
            token = read_secret(path.parent / config.token_file).strip()
        except (OSError, InputError) as error:
            raise ConfigError(f"{path}: fhir.token_file: cannot read {config.token_file} ({error})") from error
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ConfigError(f"{path}: fhir: the token must be printable ASCII without spaces")
    return token
