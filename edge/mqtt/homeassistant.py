"""What Home Assistant must know to show a device by itself: one retained message, read at any time.

Every entity is blanked by its value when that is not valid, and by silence when nothing comes: the last heart rate of
someone who left never stays on a wall.
"""

from __future__ import annotations

from typing import Any

from edge import __version__
from edge.mqtt.payloads import encode
from edge.mqtt.topics import STATUS, VITALS

SILENCE_S = 15  # vitals come every second


def discovery(device: str, model: str) -> bytes:
    """The device with its entities, for `topics.DISCOVERY`; the format of its device discovery (2024.11 and newer)."""
    sensor: dict[str, Any] = {"platform": "sensor", "state_class": "measurement"}
    components: dict[str, dict[str, Any]] = {
        "heart_rate": sensor
        | {
            "name": "Heart rate",
            "icon": "mdi:heart-pulse",  # there is no device class for it
            "unit_of_measurement": "bpm",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.hr.value if value_json.hr.valid else None }}",
        },
        "breathing_rate": sensor
        | {
            "name": "Breathing rate",
            "icon": "mdi:lungs",
            "unit_of_measurement": "br/min",
            "suggested_display_precision": 0,
            "value_template": "{{ value_json.breathing.value if value_json.breathing.valid else None }}",
        },
        "signal_quality": sensor
        | {
            "name": "Signal quality",
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
            "value_template": "{{ (value_json.quality.sqi * 100) | round(0) }}",
        },
        "quality_state": {
            "platform": "sensor",
            "name": "Quality",
            "device_class": "enum",
            "options": ["good", "degraded", "unusable"],
            "value_template": "{{ value_json.quality.state }}",
        },
        "movement": _binary("Body movement", "moving", "'body_movement' in value_json.quality.flags"),
        "presence": _binary("Person present", "occupancy", "'no_subject' not in value_json.quality.flags"),
        "problem": _binary("Signal problem", "problem", "value_json.quality.state != 'good'"),
    }
    return encode(
        {
            "device": {
                "identifiers": [f"radarecg_{device}"],
                "name": f"Radar ECG {device}",
                "manufacturer": "radarecg",
                "model": model,
                "serial_number": device,
                "sw_version": __version__,
            },
            "origin": {"name": "radarecg", "sw_version": __version__},
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
                name: entity | {"unique_id": f"radarecg_{device}_{name}", "expire_after": SILENCE_S}
                for name, entity in components.items()
            },
        }
    )


def _binary(name: str, device_class: str, condition: str) -> dict[str, Any]:
    template = f"{{{{ 'ON' if {condition} else 'OFF' }}}}"
    return {"platform": "binary_sensor", "name": name, "device_class": device_class, "value_template": template}
