"""The settings of `radarecg run`: one small TOML file, validated when it is read; an unknown key is an error.

The tables [mqtt], [spool], [network] and [history] are in the `settings` module of the room that builds something from
them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from edge.core.settings import File, Host, Port
from edge.history.settings import HistoryConfig
from edge.inference.settings import NetworkConfig
from edge.mqtt.fields import DEVICE_PATTERN
from edge.mqtt.settings import MqttConfig, SpoolConfig
from edge.radar.dca1000.data_port import DEFAULT_DATA_PORT
from edge.radar.iq import IqOrder
from edge.runtime.settings_file import load_settings

DeviceId = Annotated[str, msgspec.Meta(pattern=DEVICE_PATTERN)]


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

    `device` is the name in every topic: a serial number, never a person's name. Without `web`, no page is served;
    without `history`, nothing is kept. `log` "json": one JSON object per line.
    """

    device: DeviceId
    radar: RadarConfig
    mqtt: MqttConfig = MqttConfig()
    spool: SpoolConfig = SpoolConfig()
    network: NetworkConfig = NetworkConfig()
    web: WebConfig | None = None
    history: HistoryConfig | None = None
    log: Literal["text", "json"] = "text"


def load_config(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a settings file and apply overrides from the environment. Raises InputError, FileNotFoundError."""
    return load_settings(path, Config, environ)
