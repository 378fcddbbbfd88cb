"""What the FHIR bridges of fleet.py have stored."""

from __future__ import annotations

import re

from fleet_hub import Hub

Key = tuple[str, str, int]  # device, boot and seq
NAME = re.compile("([0-9a-f]{8})-([0-9]+)")  # a breathing rate, which comes with a heart rate, has a longer one


def stored_observations(hub: Hub) -> set[Key]:
    """Return the messages that were stored as Observations, in files BOOT-SEQ.json below the device's folder."""
    folder, keys = hub.folder / "fhir", set()
    for path in folder.rglob("*.json"):
        if found := NAME.fullmatch(path.stem):
            keys.add((path.relative_to(folder).parts[0], found[1], int(found[2])))
    return keys
