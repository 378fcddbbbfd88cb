"""What the FHIR bridges of fleet.py have stored."""

from __future__ import annotations

from fleet_hub import Hub

Key = tuple[str, str, int]  # device, boot and seq


def stored_observations(hub: Hub) -> set[Key]:
    """Return the messages that were stored as Observations, in files DEVICE/DATE/BOOT-SEQ.json.

    Those of breathing rates have longer names, and come of the same messages.
    """
    keys = set()
    for path in (hub.folder / "fhir").glob("*/*/*.json"):
        boot, _, seq = path.stem.partition("-")
        if seq.isdigit():
            keys.add((path.parents[1].name, boot, int(seq)))
    return keys
