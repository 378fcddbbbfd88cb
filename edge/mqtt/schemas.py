"""Generates a JSON Schema for each payload and an AsyncAPI document of the topics.

`python -m edge.mqtt.schemas` writes `schemas/` from the structs and the table of topics; a test fails if it is out of
date.
"""

from __future__ import annotations

import json
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec

from edge.core.intended_use import NOT_A_DEVICE
from edge.core.settings import END_OF_STRING
from edge.mqtt import fields as f
from edge.mqtt import payloads as p
from edge.mqtt.notice import NoticePayload
from edge.mqtt.topics import ECG, EVENT, HEALTH, INFO, NOTICE, ROOT, STATUS, TOPICS, VITALS, WAVEFORM, Topic

FOLDER = Path(__file__).with_name("schemas")

PAYLOADS: dict[Topic, type[p.Payload]] = {
    STATUS: p.Status,
    INFO: p.Info,
    HEALTH: p.HealthPayload,
    VITALS: p.VitalsPayload,
    WAVEFORM: p.WaveformPayload,
    ECG: p.EcgPayload,
    EVENT: p.EventPayload,
}
HUB_PAYLOADS: dict[Topic, type[msgspec.Struct]] = {NOTICE: NoticePayload}
"""Published by a hub, so not in the AsyncAPI document of a device."""


def _forbid_valid(rate: str, quality: dict[str, Any]) -> dict[str, Any]:
    """Return the rule that a rate is not valid where the quality has these properties."""
    return {
        "if": {"properties": {"quality": {"properties": quality}}},
        "then": {"properties": {rate: {"properties": {"valid": {"const": False}}}}},
    }


# Constraints that structs check in __post_init__ and that types cannot express.
RULES: dict[type[msgspec.Struct], dict[str, Any]] = {
    p.VitalsPayload: {
        "allOf": [
            _forbid_valid("hr", {"state": {"const": "unusable"}}),
            _forbid_valid("hr", {"flags": {"contains": {"enum": sorted(f.UNUSABLE_FLAGS)}}}),
            _forbid_valid("breathing", {"flags": {"contains": {"enum": sorted(f.CHEST_LOST_FLAGS)}}}),
        ]
    }
}


def documents() -> dict[str, Any]:
    """Return the content of each file in `schemas/` by name."""
    payloads = {**PAYLOADS, **HUB_PAYLOADS}
    schemas = {f"{topic.suffix}.schema.json": build_json_schema(payload) for topic, payload in payloads.items()}
    return {**schemas, "asyncapi.json": asyncapi()}


def schema_of(payload: type[msgspec.Struct]) -> str:
    """Return the schema's name and version, such as radarecg.vitals/1."""
    return str(payload.__struct_config__.tag)


def build_json_schema(payload: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a strict schema: every field is required, even if null, and no other is allowed."""
    schema = msgspec.json.schema(payload)
    definitions = schema["$defs"]
    for definition in definitions.values():
        definition["description"] = cleandoc(definition["description"])
        definition["required"] = list(definition["properties"])
        definition["additionalProperties"] = False
        for field in definition["properties"].values():
            field.pop("default", None)
            for constrained in (field, *field.get("anyOf", ()), field.get("items", {})):
                if "pattern" in constrained:
                    constrained["pattern"] = constrained["pattern"].removesuffix(END_OF_STRING)
    main_schema = definitions.pop(payload.__name__)
    name = schema_of(payload)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:{name.replace('.', ':').replace('/', ':')}",
        **main_schema,
        **RULES.get(payload, {}),
        **({"$defs": definitions} if definitions else {}),
    }


def asyncapi() -> dict[str, Any]:
    """Return the topics as an AsyncAPI 3.0 document for the device, which sends on all and receives on none."""
    channels, operations = {}, {}
    for topic in TOPICS:
        live = topic.suffix.removeprefix("backfill/")
        name = topic.suffix.replace("/", "-")
        channels[name] = {
            "address": topic.name("{device}"),
            "description": _description(topic),
            "parameters": {"device": {"description": "The device's id; with mutual TLS, its certificate's name"}},
            "messages": {live: {"$ref": f"#/components/messages/{live}"}},
        }
        binding = {"qos": topic.qos, "retain": topic.retain, "bindingVersion": "0.2.0"}
        if topic.expiry_s is not None:
            binding["messageExpiryInterval"] = topic.expiry_s
        operations[f"send-{name}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "bindings": {"mqtt": binding},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "radarecg", "version": "1.0.0", "description": NOT_A_DEVICE},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {
            "messages": {
                topic.suffix: {
                    "name": schema_of(payload),
                    "contentType": "application/json",
                    "payload": {
                        "schemaFormat": "application/schema+json;version=draft-2020-12",
                        "schema": {"$ref": f"./{topic.suffix}.schema.json"},
                    },
                }
                for topic, payload in PAYLOADS.items()
            }
        },
    }


def _description(topic: Topic) -> str:
    if topic in PAYLOADS:
        return (PAYLOADS[topic].__doc__ or "").splitlines()[0]
    return f"Messages that could not be delivered live on {ROOT}/{{device}}/{topic.suffix.removeprefix('backfill/')}"


def main() -> None:
    """Write all documents to `schemas/`."""
    for name, document in documents().items():
        (FOLDER / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
