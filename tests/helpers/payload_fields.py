"""The published schemas, and their fields by a path such as `hr.value` or `quality.flags.0`."""

import json

import jsonschema

from edge.mqtt.schemas import FOLDER


def schema(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((FOLDER / f"{name}.schema.json").read_text()))


def payload_field(suffix: str, path: str) -> dict:
    """Return the schema of a field of the payload on this topic. Raises KeyError."""
    document = json.loads((FOLDER / f"{suffix}.schema.json").read_text())
    part = document
    for name in path.split("."):
        part = _follow(document, part)
        part = part["items"] if name.isdigit() else part["properties"][name]
    return _follow(document, part)


def _follow(document: dict, part: dict) -> dict:
    """The schema that a reference names, or the one beside null."""
    options = [option for option in part.get("anyOf", [part]) if option.get("type") != "null"]
    [part] = options
    return document["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
