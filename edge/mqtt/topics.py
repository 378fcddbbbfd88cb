"""Every topic, once: suffix under radarecg/v1/{device}/, quality of service, retained or not, life in the broker.

Adding one: a row here, a struct in `payloads.py`, a schema in `schemas/`, a row in `tests/test_mqtt_payloads.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "radarecg/v1"


@dataclass(frozen=True, slots=True)
class Topic:
    """Live measurements are never retained: a hub must not read an old heart rate as a new one."""

    suffix: str
    qos: int
    retain: bool
    expiry_s: int | None

    def name(self, device: str) -> str:
        """The full topic of one device."""
        return f"{ROOT}/{device}/{self.suffix}"


STATUS = Topic("status", qos=1, retain=True, expiry_s=None)
INFO = Topic("info", qos=1, retain=True, expiry_s=None)
VITALS = Topic("vitals", qos=1, retain=False, expiry_s=10)
WAVEFORM = Topic("waveform", qos=0, retain=False, expiry_s=10)
ECG = Topic("ecg", qos=1, retain=False, expiry_s=30)

TOPICS = (STATUS, INFO, VITALS, WAVEFORM, ECG)
