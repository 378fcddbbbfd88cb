"""The tables [mqtt] and [spool] of the settings, and what is built from them."""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_secret, require_private
from edge.core.settings import END_OF_STRING, ConfigError, File, Host, Port, is_loopback, resolve_file
from edge.mqtt.broker import Broker, tls_context
from edge.mqtt.homeassistant import DISCOVERY_PREFIX
from edge.mqtt.outbox import BACKFILL_PER_S
from edge.mqtt.spool import Spool, SpoolUnavailableError

MAX_TEMPORARY_MB = 16  # a temporary folder may be in memory

log = logging.getLogger(__name__)

_LEVEL = r"[^+#/\x00-\x1f\x7f]+"  # one level of a topic for publishing, so without wildcards
TopicPrefix = Annotated[str, msgspec.Meta(pattern=rf"^(?!\$){_LEVEL}(/{_LEVEL})*$" + END_OF_STRING)]


class MqttConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the broker. Files are relative to the settings file; `password_file` has the password in line 1.

    `tls`: encrypt, and verify the broker's certificate against `ca` (without it, against the system's certificate
    authorities); `cert` and `key` are the device's own certificate. `plain`: send the password unencrypted to another
    computer, in a network where nobody else can read it. `home_assistant`: publish discovery messages for
    Home Assistant; `discovery_prefix` must be the prefix set in its MQTT integration.
    """

    host: Host = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password_file: File | None = None
    tls: bool = False
    plain: bool = False
    ca: File | None = None
    cert: File | None = None
    key: File | None = None
    home_assistant: bool = False
    discovery_prefix: TopicPrefix = DISCOVERY_PREFIX


class SpoolConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the message spool. `file` is relative to the settings file; when full, the oldest are deleted."""

    file: File = "radarecg-spool.db"
    max_mb: Annotated[int, msgspec.Meta(ge=1)] = 256
    backfill_per_s: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = BACKFILL_PER_S


def load_broker(config: MqttConfig, path: Path) -> Broker:
    """Return the broker with password, certificates and key from the files that the settings at `path` name.

    Raises ConfigError.
    """
    ca, cert, key = (resolve_file(path, name) for name in (config.ca, config.cert, config.key))
    if (ca or cert or key) and not config.tls:
        raise ConfigError(f"{path}: mqtt: ca, cert and key need tls = true")
    if (cert is None) != (key is None):
        raise ConfigError(f"{path}: mqtt: cert and key must be set together")
    password = tls = None
    if config.password_file is not None:
        try:
            password = read_secret(path.parent / config.password_file)
        except (OSError, InputError) as error:
            raise ConfigError(f"{path}: mqtt.password_file: cannot read {config.password_file} ({error})") from error
        if not (config.tls or config.plain or is_loopback(config.host)):
            raise ConfigError(
                f"{path}: mqtt: the password would be sent unencrypted to {config.host}: set tls = true and ca "
                "(and the port, often 8883); where nobody else can read the network, plain = true permits it"
            )
    if config.tls:
        try:
            if key is not None:
                require_private(key)
            tls = tls_context(ca, cert, key)
        except (OSError, InputError) as error:
            raise ConfigError(f"{path}: mqtt: cannot use ca, cert and key ({error})") from error
    return Broker(config.host, config.port, config.username, password, tls)


def open_spool(config: SpoolConfig, path: Path) -> Spool:
    """Open the spool that the settings at `path` name. Raises SpoolError."""
    return Spool(path.parent / config.file, config.max_mb << 20)


def open_device_spool(config: SpoolConfig, path: Path) -> Spool:
    """Open the spool, or a temporary one where the file cannot be written: a device continues to measure.

    Raises SpoolError if another process uses the file, OSError if there is no temporary folder either.
    """
    try:
        return open_spool(config, path)
    except (SpoolUnavailableError, OSError) as error:
        log.error("%s; unconfirmed messages are stored in a temporary file and are lost at the next restart", error)
    folder = Path(tempfile.mkdtemp(prefix="radarecg-spool-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    spool = Spool(folder / "spool.db", min(config.max_mb, MAX_TEMPORARY_MB) << 20)
    spool.is_persistent = False
    return spool
