"""Explains how to convert TI's cf.json to dca1000.toml, for users who pass the JSON file instead."""

from __future__ import annotations

import json
from typing import Any

# Path in cf.json of each key of dca1000.toml (DCA1000 CLI software developer guide).
_KEYS = {
    "card_address": ("ethernetConfig", "DCA1000IPAddress"),
    "host_address": ("ethernetConfigUpdate", "systemIPAddress"),
    "control_port": ("ethernetConfig", "DCA1000ConfigPort"),
    "packet_delay_us": ("packetDelay_us",),
}


def is_json(text: str) -> bool:
    """Whether the text is JSON: no TOML file begins with a brace."""
    return text.lstrip().startswith("{")


def explain_json(text: str) -> str:
    """Return the error message for JSON; for the capture program's file, it contains the same settings as TOML."""
    try:
        settings = json.loads(text)["DCA1000Config"]
        lines = [f"{key} = {json.dumps(_at(settings, path))}" for key, path in _KEYS.items() if _at(settings, path)]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "this is JSON; the card's settings are TOML, such as firmware_config/dca1000.toml"
    return f"this is the capture program's JSON; the same in dca1000.toml is: {'; '.join(lines)} (each on its own line)"


def _at(settings: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = settings
    for key in path:
        value = value.get(key, {}) if isinstance(value, dict) else {}
    return value
