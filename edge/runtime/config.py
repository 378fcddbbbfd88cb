"""The runtime's settings: one small TOML file, validated when it is read; an unknown key is an error.

Environment variables override the file (`edge.runtime.environment`). The tables [mqtt], [spool], [network] and [fhir]
stand in the `settings` module of the room that builds something from them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from edge.core.files import read_text_file
from edge.core.settings import ConfigError, File, Host, Port
from edge.fhir.settings import FhirConfig
from edge.inference.settings import NetworkConfig
from edge.mqtt.fields import DEVICE_PATTERN
from edge.mqtt.settings import MqttConfig, SpoolConfig
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.iq import IqOrder
from edge.runtime.environment import override

DeviceId = Annotated[str, msgspec.Meta(pattern=DEVICE_PATTERN)]
_Settings = TypeVar("_Settings", bound=msgspec.Struct)


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
