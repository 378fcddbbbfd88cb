"""The service `radarecg fhir-bridge`: connects broker, spool and FHIR server according to the settings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edge.core.errors import InputError
from edge.fhir.bridge import Store, folder_store, run_bridge
from edge.fhir.dead_letters import DeadLetters
from edge.fhir.observation import Version
from edge.fhir.server import FhirServer
from edge.mqtt.broker import tls_context
from edge.runtime.config import ConfigError, FhirConfig, HubConfig, broker_of, load_hub_config, spool_of


def serve_hub(path: Path, target: str, version: Version, on_stop: Callable[[Callable[[], object]], None]) -> None:
    """Run the bridge with the settings at `path` until the callback passed to `on_stop` is called.

    Raises InputError, OSError.
    """
    config, stopping = load_hub_config(path), threading.Event()
    store, broker = open_store(target, config, path), broker_of(config, path)
    letters = DeadLetters(path.parent / config.fhir.dead_letters)
    on_stop(stopping.set)
    run_bridge(broker, spool_of(config, path), store, letters, version, stopping)


def open_store(target: str, config: HubConfig, path: Path) -> Store:
    """Open the store for Observations: a URL to POST them to, or a folder. Raises InputError."""
    scheme = target.lower().partition("://")[0] if "://" in target else ""
    if scheme not in ("", "http", "https"):
        raise InputError(f"{target}: the target must be a folder, or a URL that begins with http:// or https://")
    if not scheme:
        return folder_store(target)
    f = config.fhir
    if f.token is not None and f.token_file is not None:
        raise ConfigError(f"{path}: fhir: set token or token_file, not both")
    if (f.cert is None) != (f.key is None):
        raise ConfigError(f"{path}: fhir: cert and key must be set together")
    tls = None
    if scheme == "https":
        ca, cert, key = (path.parent / name if name is not None else None for name in (f.ca, f.cert, f.key))
        try:
            tls = tls_context(ca, cert, key)
        except OSError as error:
            raise ConfigError(f"{path}: fhir: cannot use ca, cert and key ({error})") from error
    elif f.ca or f.cert:
        raise ConfigError(f"{path}: fhir: ca, cert and key need a URL that begins with https://")
    read_token(f, path)
    return FhirServer(target, lambda: read_token(f, path), tls).create


def read_token(fhir: FhirConfig, path: Path) -> str | None:
    """Read the current bearer token of the settings at `path`; None without one. Raises ConfigError."""
    token = fhir.token
    if fhir.token_file is not None:
        try:
            token = (path.parent / fhir.token_file).read_text(encoding="utf-8-sig").strip().splitlines()[0]
        except (OSError, IndexError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: fhir.token_file: cannot read {fhir.token_file} ({error})") from error
    if token is not None and not (token.isascii() and token.isprintable() and token and " " not in token):
        raise ConfigError(f"{path}: fhir: the token must be printable ASCII without spaces")
    return token
