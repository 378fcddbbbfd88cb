"""What Home Assistant shows and names for a discovery message."""

import re
from functools import cache

from jinja2.sandbox import ImmutableSandboxedEnvironment

compiled = cache(ImmutableSandboxedEnvironment().from_string)  # as in Home Assistant


def shown(discovered: dict, payload: dict, suffix: str = "vitals") -> dict[str, str]:
    """Returns the state of each entity of this topic; "None" means unknown in Home Assistant."""
    return {
        entity: compiled(settings["value_template"]).render(value_json=payload)
        for entity, settings in discovered["components"].items()
        if settings.get("state_topic", discovered["state_topic"]).endswith(f"/{suffix}")
    }


def entity_ids(discovered: dict) -> set[str]:
    """The ids that Home Assistant gives to new entities: of the device's name and the entity's."""
    device = discovered["device"]["name"]
    return {f"{entity['platform']}.{_slug(device, entity['name'])}" for entity in discovered["components"].values()}


def _slug(*names: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", " ".join(names).lower()).strip("_")
