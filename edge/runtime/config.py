"""The runtime's settings: one small TOML file, validated when it is read; an unknown key is an error.

Environment variables override the file (`edge.runtime.environment`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from edge.core.errors import InputError
from edge.core.files import read_text_file
from edge.ecg.stitcher import DELAY_S
from edge.inference.loader import Network, load_network
from edge.mqtt.broker import Broker, tls_context
from edge.mqtt.fields import DEVICE_PATTERN, END_OF_STRING
from edge.mqtt.homeassistant import DISCOVERY_PREFIX
from edge.mqtt.outbox import BACKFILL_PER_S
from edge.mqtt.spool import Spool
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.calibration_file import load_calibration
from edge.radar.chirp import ChirpConfig
from edge.radar.dca1000.control import CardConfig, load_card
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.iq import IqOrder
from edge.runtime.environment import override
from edge.web.access import read_token

DeviceId = Annotated[str, msgspec.Meta(pattern=DEVICE_PATTERN)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
_LABEL = r"[^\s\0.]{1,63}"  # of a host name; Python rejects empty or longer labels only when it resolves the name
Host = Annotated[str, msgspec.Meta(pattern=rf"^{_LABEL}(\.{_LABEL})*\.?$" + END_OF_STRING)]
_LEVEL = r"[^+#/\x00-\x1f\x7f]+"  # one level of a topic for publishing, so without wildcards
TopicPrefix = Annotated[str, msgspec.Meta(pattern=rf"^(?!\$){_LEVEL}(/{_LEVEL})*$" + END_OF_STRING)]
File = Annotated[str, msgspec.Meta(pattern=r"^[^\0]+$")]


_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class ConfigError(InputError):
    """The settings file is invalid; the message names the file and the key."""


class RadarConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the radar and the capture card. `cfg`, `calibration` and `card` are relative to the settings file.

    `serial` is the radar's command port, or "auto"; without it, radarecg does not start or stop the boards.
    `calibration` is a file written by `radarecg calibrate`. `card` is the card's settings file
    (firmware_config/dca1000.toml); without it, the defaults apply. `data_host` is this machine's address on the card's
    network.
    """

    cfg: File
    serial: File | None = None
    calibration: File | None = None
    card: File | None = None
    iq_order: IqOrder = "sdk"
    data_host: Host = "0.0.0.0"
    data_port: Port = DEFAULT_DATA_PORT


class MqttConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the broker. Files are relative to the settings file; `password_file` has the password in line 1.

    `tls`: encrypt, and verify the broker's certificate against `ca` (without it, against the system's certificate
    authorities); `cert` and `key` are the device's own certificate. `home_assistant`: publish discovery messages for
    Home Assistant; `discovery_prefix` must be the prefix set in its MQTT integration.
    """

    host: Host = "127.0.0.1"
    port: Port = 1883
    username: str | None = None
    password_file: File | None = None
    tls: bool = False
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


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the network that reconstructs the ECG: a bundle on a backend; with the backend "none", no ECG.

    `bundle` is a folder; without it, the bundle shipped with radarecg is used. `engine`, for the backend "tensorrt", is
    the engine that `export.build_engine` built from it. With `public_key` (ed25519, PEM) the bundle must be signed with
    that key. All three are relative to the settings file. `threads`: cores for the backend "onnxruntime".
    `decide_after_s`: delay in which further windows can confirm a beat before it is published.
    """

    bundle: File | None = None
    backend: Literal["onnxruntime", "tensorrt", "none"] = "onnxruntime"
    decide_after_s: Annotated[float, msgspec.Meta(ge=0.5, le=3)] = DELAY_S
    engine: File | None = None
    public_key: File | None = None
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the web server: live page, /healthz and /metrics.

    `token_file` is relative to the settings file; its first line is the token. The token is optional on a loopback
    address and required on any other.
    """

    host: Host = "127.0.0.1"
    port: Port = 8080
    token_file: File | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings file of `radarecg run`.

    `device` is the name in every topic: a serial number, never a person's name. Without `web`, no page is served.
    `log` "json": one JSON object per line.
    """

    device: DeviceId
    radar: RadarConfig
    mqtt: MqttConfig = MqttConfig()
    spool: SpoolConfig = SpoolConfig()
    network: NetworkConfig = NetworkConfig()
    web: WebConfig | None = None
    log: Literal["text", "json"] = "text"


class HubSpoolConfig(SpoolConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the bridge's own spool, a separate file because `radarecg run` may use the same folder."""

    file: File = "fhir-spool.db"


class FhirConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings for access to the FHIR server. Files are relative to the settings file.

    The first line of `token_file` is a bearer token; the file is read again for every request, so the token can be
    renewed. Set `token` through the environment (RADARECG_FHIR__TOKEN). `ca`, `cert` and `key`: as for the broker.
    Messages that the server rejects are stored in the folder `dead_letters`.
    """

    token_file: File | None = None
    token: str | None = None
    ca: File | None = None
    cert: File | None = None
    key: File | None = None
    dead_letters: File = "fhir-dead-letters"


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings file of `radarecg fhir-bridge`: the broker, the spool and the FHIR server."""

    mqtt: MqttConfig
    spool: HubSpoolConfig = HubSpoolConfig()
    fhir: FhirConfig = FhirConfig()


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a settings file and apply overrides from the environment. Raises InputError, FileNotFoundError."""
    return _load(path, Config, environ)


def load_hub_config(path: Path, environ: Mapping[str, str] = os.environ) -> HubConfig:
    """Read a hub's settings file and apply overrides from the environment. Raises InputError, FileNotFoundError."""
    return _load(path, HubConfig, environ)


def _load(path: Path, kind: type[_Settings], environ: Mapping[str, str]) -> _Settings:
    try:
        settings = msgspec.toml.decode(read_text_file(path))
        override(settings, kind, environ)
        return msgspec.convert(settings, kind)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def card_of(config: Config, path: Path) -> CardConfig:
    """Load the card's settings, relative to the settings at `path`. Raises InputError, FileNotFoundError."""
    return load_card(path.parent / config.radar.card) if config.radar.card else CardConfig()


def broker_of(config: Config | HubConfig, path: Path) -> Broker:
    """Return the broker with password, certificates and key from the files that the settings name.

    Raises ConfigError.
    """
    m = config.mqtt
    password = tls = None
    if m.password_file is not None:
        try:
            password = read_text_file(path.parent / m.password_file).splitlines()[0]
        except (OSError, IndexError, InputError) as error:
            raise ConfigError(f"{path}: mqtt.password_file: cannot read {m.password_file} ({error})") from error
    ca, cert, key = (path.parent / name if name is not None else None for name in (m.ca, m.cert, m.key))
    if (ca or cert or key) and not m.tls:
        raise ConfigError(f"{path}: mqtt: ca, cert and key need tls = true")
    if (cert is None) != (key is None):
        raise ConfigError(f"{path}: mqtt: cert and key must be set together")
    if m.tls:
        try:
            tls = tls_context(ca, cert, key)
        except OSError as error:
            raise ConfigError(f"{path}: mqtt: cannot use ca, cert and key ({error})") from error
    return Broker(m.host, m.port, m.username, password, tls)


def spool_of(config: Config | HubConfig, path: Path) -> Spool:
    """Open the spool that the settings at `path` name. Raises SpoolError."""
    return Spool(path.parent / config.spool.file, config.spool.max_mb << 20)


def calibration_of(config: Config, path: Path, chirp: ChirpConfig) -> Calibration:
    """Load the board's calibration, or return `UNCALIBRATED` if none is set. Raises InputError, OSError."""
    name = config.radar.calibration
    return load_calibration(path.parent / name, chirp) if name is not None else UNCALIBRATED


def network_of(config: Config, path: Path) -> Network | None:
    """Load the network of the settings at `path`; None for the backend "none". Raises InputError, OSError."""
    wanted = config.network
    if wanted.backend == "none":
        return None
    files = (wanted.bundle, wanted.engine, wanted.public_key)
    folder, engine, public_key = (path.parent / name if name is not None else None for name in files)
    return load_network(folder, wanted.backend, engine, wanted.threads, public_key)


def token_of(web: WebConfig, path: Path) -> str | None:
    """Read the page's token; None if the settings name no token file. Raises AccessError."""
    return read_token(path.parent / web.token_file) if web.token_file is not None else None
