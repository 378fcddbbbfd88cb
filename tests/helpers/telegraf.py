"""What Telegraf's plugin mqtt_consumer makes of a message, for the part of its settings that deploy/hub uses.

After the documentation of the parser json_v2 and of topic_parsing: a field that is null is left out, a missing one is
an error unless it is optional, and a message whose topic does not match gets no tag.
"""

import json
from typing import Any, NamedTuple

import msgspec

TYPES = {"float": float, "int": int, "string": str}


class MissingFieldError(Exception):
    """A field that is not optional is missing; Telegraf drops the message."""


class Point(NamedTuple):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, Any]
    t_ns: int | None

    def line(self, now_ns: int) -> str:
        """In InfluxDB's line protocol; `now_ns`: for a point without a time."""
        tags = "".join(f",{name}={value}" for name, value in self.tags.items())
        fields = ",".join(f"{name}={_literal(value)}" for name, value in self.fields.items())
        return f"{self.measurement}{tags} {fields} {self.t_ns or now_ns}"


class Telegraf:
    """The inputs of a settings file."""

    def __init__(self, text: str) -> None:
        self.settings = msgspec.toml.decode(text)
        self.inputs = self.settings["inputs"]["mqtt_consumer"]

    def point(self, topic: str, payload: bytes) -> Point | None:
        """The point of a message; None if no input subscribes to it."""
        for each in self.inputs:
            if any(_matches(pattern, topic) for pattern in each["topics"]):
                [metric] = each["json_v2"]
                return self._point(each, metric, topic, json.loads(payload))
        return None

    def _point(self, each: dict, metric: dict, topic: str, message: dict) -> Point:
        tags, levels = {}, topic.split("/")
        for rule in each["topic_parsing"]:
            if _matches(rule["topic"], topic):
                tags |= {
                    name: level for name, level in zip(rule["tags"].split("/"), levels, strict=True) if name != "_"
                }
        fields = {}
        for field in metric["field"]:
            try:
                value = _value(message, field["path"])
            except (KeyError, IndexError, TypeError) as error:
                if not field.get("optional"):
                    raise MissingFieldError(field["path"]) from error
                continue
            if value is not None:
                fields[field_name(field)] = TYPES[field["type"]](value)
        t_ns = message[metric["timestamp_path"]] if "timestamp_path" in metric else None
        return Point(metric["measurement_name"], tags, fields, t_ns)


def field_name(field: dict) -> str:
    """The name that a field gets."""
    return field.get("rename", field["path"].rpartition(".")[2])


def _value(message: Any, path: str) -> Any:
    for name in path.split("."):
        message = message[int(name) if isinstance(message, list) else name]
    return message


def _matches(pattern: str, topic: str) -> bool:
    wanted, levels = pattern.split("/"), topic.split("/")
    return len(wanted) == len(levels) and all(a in ("+", b) for a, b in zip(wanted, levels, strict=True))


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    return f"{value}i" if isinstance(value, int) else repr(value)
