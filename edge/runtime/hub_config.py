"""The settings of a hub (`radarecg fhir-bridge`, `radarecg ward`), apart from the device's.

A hub loads no signal processing and no network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge.core.settings import File
from edge.fhir.settings import FhirConfig
from edge.mqtt.settings import MqttConfig, SpoolConfig
from edge.runtime.settings_file import load_settings
from edge.ward.settings import WardConfig


class HubSpoolConfig(SpoolConfig, frozen=True, forbid_unknown_fields=True):
    """Settings of the bridge's own spool, a separate file because `radarecg run` may use the same folder."""

    file: File = "fhir-spool.db"


class HubConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The settings file of a hub.

    `fhir-bridge` uses the broker, the spool and the FHIR server; `ward` uses the broker and its own table.
    """

    mqtt: MqttConfig
    spool: HubSpoolConfig = HubSpoolConfig()
    fhir: FhirConfig = FhirConfig()
    ward: WardConfig = WardConfig()


def load_hub_config(path: Path, environ: Mapping[str, str] = os.environ) -> HubConfig:
    """Read a hub's settings file and apply overrides from the environment. Raises InputError, FileNotFoundError."""
    return load_settings(path, HubConfig, environ)
