"""MQTT discovery message for Home Assistant 2024.11 and newer: the device and its entities.

No entity shows an old or assumed value: an invalid or unmeasured value is unknown ("None" in Home Assistant's MQTT
documentation), every entity of a measurement becomes unavailable when vitals stop, and every entity of the device's
state when `health` stops. Those of `info`, which is sent once, are only unavailable while the device is offline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge import __version__
from edge.core.types import QualityFlag
from edge.mqtt.payloads import encode
from edge.mqtt.topics import DISCOVERY, HEALTH, INFO, STATUS, VITALS, Topic

DISCOVERY_PREFIX = "homeassistant"
"""Home Assistant's default."""
SUPPORT_URL = "https://example.org/radarecg"  # the project has no public address yet
EXPIRE_AFTER_S = 15  # vitals come every second


# Jinja conditions on vitals. The absence of a flag is no evidence: each state needs positive evidence.
def _raised(flag: QualityFlag) -> str:
    return f"'{flag}' in value_json.quality.flags"


def _not_raised(flag: QualityFlag) -> str:
    return f"'{flag}' not in value_json.quality.flags"


_STALE = _raised("stale")
_RECEIVING = f"{_not_raised('stale')} and value_json.frames.received > 0"
_USABLE = f"{_RECEIVING} and {_not_raised('radar_fault')}"
_MOVING = _raised("body_movement")
_EMPTY = _raised("no_subject")
_CHEST = "value_json.chest_range_m is not none"  # null before the first search for a chest, and if none was found
_POOR_FLAGS: tuple[QualityFlag, ...] = ("radar_fault", "frame_loss", "low_snr", "model_uncertain")
_POOR = " or ".join(map(_raised, _POOR_FLAGS))


def discovery_topic(prefix: str) -> Topic:
    """Return the topic of the discovery message for this discovery prefix."""
    return replace(DISCOVERY, root=f"{prefix}/device")


def discovery(device: str, model: str, page_url: str | None = None) -> bytes:
    """Return the discovery message for a device; `page_url` is the address of its live page, if enabled."""
    return encode(
        {
            "device": {
                "identifiers": [f"radarecg_{device}"],
                "name": f"Radar ECG {device}",
                "manufacturer": "radarecg",
                "model": model,
                "serial_number": device,
                "sw_version": __version__,
                **({"configuration_url": page_url} if page_url else {}),
            },
            "origin": {"name": "radarecg", "sw_version": __version__, "support_url": SUPPORT_URL},
            "availability": [
                {
                    "topic": STATUS.name(device),
                    "value_template": "{{ value_json.state }}",
                    "payload_available": "online",
                    "payload_not_available": "offline",
                }
            ],
            "state_topic": VITALS.name(device),
            "qos": VITALS.qos,
            "components": {
                name: entity | {"unique_id": f"radarecg_{device}_{name}"}
                for name, entity in {
                    **{name: entity | {"expire_after": EXPIRE_AFTER_S} for name, entity in _entities().items()},
                    **_device_entities(device),
                }.items()
            },
        }
    )


def _entities() -> dict[str, dict[str, Any]]:
    return {
        "heart_rate": _sensor(
            "Heart rate",
            "value_json.hr.value if value_json.hr.valid else None",
            unit_of_measurement="bpm",
            icon="mdi:heart-pulse",  # no device class exists for heart rates
            suggested_display_precision=0,
        ),
        "breathing_rate": _sensor(
            "Breathing rate",
            "value_json.breathing.value if value_json.breathing.valid else None",
            unit_of_measurement="br/min",
            icon="mdi:lungs",
            suggested_display_precision=0,
        ),
        "chest_distance": _sensor(
            "Chest distance",
            "value_json.chest_range_m",
            device_class="distance",
            unit_of_measurement="m",
            suggested_display_precision=2,
        ),
        "signal_quality": _sensor(
            "Signal quality",
            f"(value_json.quality.sqi * 100) | round(0) if {_RECEIVING} else None",
            unit_of_measurement="%",
            entity_category="diagnostic",
        ),
        "frames_lost": _sensor(
            "Frames lost",
            "value_json.frames.lost if value_json.frames.received + value_json.frames.lost > 0 else None",
            state_class="total_increasing",  # since the start of the device
            unit_of_measurement="frames",
            icon="mdi:close-network-outline",
            entity_category="diagnostic",
        ),
        "quality_state": {
            "platform": "sensor",
            "name": "Quality",
            "device_class": "enum",
            "options": ["good", "degraded", "unusable"],
            "value_template": "{{ value_json.quality.state }}",
        },
        "movement": _binary(
            "Body movement", "moving", on=f"{_USABLE} and {_MOVING}", off=f"{_USABLE} and ({_CHEST} or {_EMPTY})"
        ),
        "presence": _binary(
            "Person present", "occupancy", on=f"{_USABLE} and ({_CHEST} or {_MOVING})", off=f"{_USABLE} and {_EMPTY}"
        ),
        "problem": _binary(
            "Signal problem",
            "problem",
            on=f"{_RECEIVING} and (value_json.quality.state == 'degraded' or {_POOR})",
            off=f"{_RECEIVING} and {_not_raised('warming_up')}",
        ),
        "radar": _binary("Radar", "connectivity", on=_RECEIVING, off=_STALE) | {"entity_category": "diagnostic"},
    }


def _device_entities(device: str) -> dict[str, dict[str, Any]]:
    """Return the entities of the device itself, from `health` and `info`."""
    health = {"state_topic": HEALTH.name(device), "entity_category": "diagnostic", "expire_after": HEALTH.expiry_s}
    count = {"unit_of_measurement": "messages", "suggested_display_precision": 0}
    return {
        "temperature": health
        | _sensor(
            "Device temperature",
            "value_json.computer.temperature_c if value_json.computer else None",
            device_class="temperature",
            unit_of_measurement="°C",
            suggested_display_precision=0,
        ),
        "throttled": health
        | _binary(
            "Slowed by heat",
            "heat",
            on="value_json.computer and value_json.computer.throttled",
            off="value_json.computer and value_json.computer.throttled == false",
        ),
        "messages_waiting": health
        | _sensor("Messages waiting", "value_json.spool.messages", icon="mdi:tray-full", **count),
        "messages_lost": health
        | _sensor(
            "Messages lost",
            "value_json.spool.evicted + value_json.spool.unstored",
            icon="mdi:email-remove-outline",
            **count | {"state_class": "total_increasing"},  # since the start of the device
        ),
        "model": {
            "platform": "sensor",
            "name": "Model",
            "icon": "mdi:brain",
            "entity_category": "diagnostic",
            "state_topic": INFO.name(device),
            "value_template": "{{ value_json.network.id if value_json.network else value_json.model.id }}",
        },
    }


def _sensor(name: str, value: str, **settings: object) -> dict[str, Any]:
    sensor = {"platform": "sensor", "name": name, "state_class": "measurement", "value_template": f"{{{{ {value} }}}}"}
    return sensor | settings


def _binary(name: str, device_class: str, on: str, off: str) -> dict[str, Any]:
    """Return a binary sensor that is on or off if that condition holds, `on` first; otherwise unknown."""
    template = f"{{{{ 'ON' if {on} else 'OFF' if {off} else None }}}}"
    return {"platform": "binary_sensor", "name": name, "device_class": device_class, "value_template": template}
