"""The runtime's settings: one small TOML file, checked on reading; an unknown or misspelt key is an error.

Variables of the environment come before the file (`edge.runtime.environment`).
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
from edge.mqtt.fields import DEVICE_PATTERN, TO_ITS_END
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
_LABEL = r"[^\s\0.]{1,63}"  # of a name; Python takes no longer one, and no empty one, and says so late
Host = Annotated[str, msgspec.Meta(pattern=rf"^{_LABEL}(\.{_LABEL})*\.?$" + TO_ITS_END)]
_LEVEL = r"[^+#/\x00-\x1f\x7f]+"  # of a topic that may be published to
TopicPrefix = Annotated[str, msgspec.Meta(pattern=rf"^(?!\$){_LEVEL}(/{_LEVEL})*$" + TO_ITS_END)]
File = Annotated[str, msgspec.Meta(pattern=r"^[^\0]+$")]


_Settings = TypeVar("_Settings", bound=msgspec.Struct)


class ConfigError(InputError):
    """The settings file cannot be used; the message names file and key."""


class RadarConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`cfg`, `calibration` and `card` are relative to the settings file.

    `serial` is the radar's command port, or "auto"; without it others start and stop the boards. `calibration` is what
    `radarecg calibrate` wrote; `card` the card's own settings (firmware_config/dca1000.toml), without it its defaults;
    `data_host` this machine's address towards the card.
    """

    cfg: File
    serial: File | None = None
    calibration: File | None = None
    card: File | None = None
    iq_order: IqOrder = "sdk"
    data_host: Host = "0.0.0.0"
    data_port: Port = DEFAULT_DATA_PORT


class MqttConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files are relative to the settings file; the first line of `password_file` is the password.

    `tls`: encrypted, to a broker whose certificate `ca` vouches for (without it, the system's authorities); with `cert`
    and `key` the device shows one too. `home_assistant`: have Home Assistant find the device; `discovery_prefix`: the
    one that is set in its MQTT integration.
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
    """Where messages wait for the broker: `file` is relative to the settings file; when it is full, the oldest go."""

    file: File = "radarecg-spool.db"
    max_mb: Annotated[int, msgspec.Meta(ge=1)] = 256
    backfill_per_s: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = BACKFILL_PER_S


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What makes the ECG: a bundle on a backend; "none": there is no ECG.

    `bundle` is a folder, without it the one that comes with radarecg; `engine`, for the backend "tensorrt", is what
    `export.build_engine` made of it; with `public_key` (ed25519, PEM) its owner must have signed the bundle. All three
    are relative to the settings file. `threads`: cores for the backend "onnxruntime". `decide_after_s`: how long a beat
    waits to be seen by more windows before it is told.
    """

    bundle: File | None = None
    backend: Literal["onnxruntime", "tensorrt", "none"] = "onnxruntime"
    decide_after_s: Annotated[float, msgspec.Meta(ge=0.5, le=3)] = DELAY_S
    engine: File | None = None
    public_key: File | None = None
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The live page, /healthz and /metrics. `token_file` is relative to the settings file; its first line is the token.

    On loopback no token is needed; elsewhere the page is not served without one.
    """

    host: Host = "127.0.0.1"
    port: Port = 8080
    token_file: File | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`device` is the name in every topic: a serial number, never a person's. Without `web` there is no page.

    `log` "json": a JSON object a line.
    """

    device: DeviceId
    radar: RadarConfig
    mqtt: MqttConfig = MqttConfig()
    spool: SpoolConfig = SpoolConfig()
    network: NetworkConfig = NetworkConfig()
    web: WebConfig | None = None
    log: Literal["text", "json"] = "text"


class HubSpoolConfig(SpoolConfig, frozen=True, forbid_unknown_fields=True):
    """A bridge's own: `radarecg run` may use the same folder."""

    file: File = "fhir-spool.db"


class FhirConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to be let in by the FHIR server. Files are relative to the settings file.

    The first line of `token_file` is a bearer token; it is read again for every request, so it may be renewed. `token`
    is for the environment (RADARECG_FHIR__TOKEN). `ca`, `cert` and `key` as for the broker. Messages that the server
    refuses are kept in the folder `dead_letters`.
    """

    token_file: File | None = None
    token: str | None = None
    ca: File | None = None
    cert: File | None = None
    key: File | None = None
    dead_letters: File = "fhir-dead-letters"


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings of `radarecg fhir-bridge`: the broker, where messages wait for the FHIR server, and that server."""

    mqtt: MqttConfig
    spool: HubSpoolConfig = HubSpoolConfig()
    fhir: FhirConfig = FhirConfig()


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Reads a settings file and what overrides it. Raises InputError, FileNotFoundError."""
    return _load(path, Config, environ)


def load_hub_config(path: Path, environ: Mapping[str, str] = os.environ) -> HubConfig:
    """Reads a hub's settings file and what overrides it. Raises InputError, FileNotFoundError."""
    return _load(path, HubConfig, environ)


def _load(path: Path, kind: type[_Settings], environ: Mapping[str, str]) -> _Settings:
    try:
        settings = msgspec.toml.decode(read_text_file(path))
        override(settings, kind, environ)
        return msgspec.convert(settings, kind)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def card_of(config: Config, path: Path) -> CardConfig:
    """The card's settings, from the file beside the settings at `path`. Raises InputError, FileNotFoundError."""
    return load_card(path.parent / config.radar.card) if config.radar.card else CardConfig()


def broker_of(config: Config | HubConfig, path: Path) -> Broker:
    """The broker with password, certificates and key from files beside the settings at `path`. Raises ConfigError."""
    m = config.mqtt
    password = tls = None
    if m.password_file is not None:
        try:
            password = read_text_file(path.parent / m.password_file).splitlines()[0]
        except (OSError, IndexError, InputError) as error:
            raise ConfigError(f"{path}: mqtt.password_file: cannot read {m.password_file} ({error})") from error
    ca, cert, key = (path.parent / name if name is not None else None for name in (m.ca, m.cert, m.key))
    if (ca or cert or key) and not m.tls:
        raise ConfigError(f"{path}: mqtt: ca, cert and key are for tls = true")
    if (cert is None) != (key is None):
        raise ConfigError(f"{path}: mqtt: cert and key belong together")
    if m.tls:
        try:
            tls = tls_context(ca, cert, key)
        except OSError as error:
            raise ConfigError(f"{path}: mqtt: cannot use ca, cert and key ({error})") from error
    return Broker(m.host, m.port, m.username, password, tls)


def spool_of(config: Config | HubConfig, path: Path) -> Spool:
    """The spool, opened, where the settings at `path` want it. Raises SpoolError."""
    return Spool(path.parent / config.spool.file, config.spool.max_mb << 20)


def calibration_of(config: Config, path: Path, chirp: ChirpConfig) -> Calibration:
    """The board's, from the file beside the settings at `path`; none named: none. Raises InputError, OSError."""
    name = config.radar.calibration
    return load_calibration(path.parent / name, chirp) if name is not None else UNCALIBRATED


def network_of(config: Config, path: Path) -> Network | None:
    """The network of the settings at `path`, ready; None: none is wanted. Raises InputError, OSError."""
    wanted = config.network
    if wanted.backend == "none":
        return None
    files = (wanted.bundle, wanted.engine, wanted.public_key)
    folder, engine, public_key = (path.parent / name if name is not None else None for name in files)
    return load_network(folder, wanted.backend, engine, wanted.threads, public_key)


def token_of(web: WebConfig, path: Path) -> str | None:
    """The page's token, from the file beside the settings at `path`; none named: none. Raises AccessError."""
    return read_token(path.parent / web.token_file) if web.token_file is not None else None
