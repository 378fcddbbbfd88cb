"""The table of topics: suffix under radarecg/v1/{device}/, QoS, retain flag, and message expiry.

To add a topic: a row here, a struct in `payloads.py` and its line in `schemas.py`, then `python -m edge.mqtt.schemas`.
"""

from __future__ import annotations

from dataclasses import dataclass

ROOT = "radarecg/v1"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. Live measurements are never retained: a hub must not mistake an old heart rate for a new one."""

    suffix: str
    qos: int
    retain: bool
    expiry_s: int | None
    root: str = ROOT

    def name(self, device: str) -> str:
        """Return the full topic name for a device."""
        return f"{self.root}/{device}/{self.suffix}"


STATUS = Topic("status", qos=1, retain=True, expiry_s=None)
INFO = Topic("info", qos=1, retain=True, expiry_s=None)
HEALTH = Topic("health", qos=0, retain=True, expiry_s=120)
VITALS = Topic("vitals", qos=1, retain=False, expiry_s=10)
WAVEFORM = Topic("waveform", qos=0, retain=False, expiry_s=10)
ECG = Topic("ecg", qos=1, retain=False, expiry_s=30)
EVENT = Topic("event", qos=1, retain=False, expiry_s=3600)
SPOOLED = (VITALS, ECG, EVENT)
"""Topics whose messages are spooled until the broker has confirmed them."""


def backfill(suffix: str) -> Topic:
    """Return the topic for messages that could not be delivered live on the topic with this suffix."""
    return Topic(f"backfill/{suffix}", qos=1, retain=False, expiry_s=86_400)


LIVE = (STATUS, INFO, HEALTH, VITALS, WAVEFORM, ECG, EVENT)
TOPICS = (*LIVE, *(backfill(live.suffix) for live in SPOOLED))
NOTICE = Topic("notice", qos=1, retain=False, expiry_s=3600, root="radarecg-hub/v1")
"""Where a hub's ward view publishes: below a root of its own, since everything below radarecg/v1 is a device's."""
DISCOVERY = Topic("config", qos=1, retain=True, expiry_s=None, root="homeassistant/device")
