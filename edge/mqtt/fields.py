"""Field types shared by several payloads: their limits and descriptions, for decoding and for the schemas."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated

from msgspec import Meta

from edge.core.settings import END_OF_STRING

RESERVED_FLAGS = ("out_of_range", "multiple_subjects")
"""Flags reserved in version 1 of the schemas; no device publishes them yet."""
FLAGS = (
    *("radar_fault", "stale", "no_subject", *RESERVED_FLAGS, "body_movement", "warming_up"),
    *("low_snr", "model_uncertain", "frame_loss", "clock_unsynced"),
)
DEVICE_PATTERN = "^[a-z0-9-]{1,64}$" + END_OF_STRING
BOOT_PATTERN = "^[0-9a-f]{8}$" + END_OF_STRING

Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Seq = Annotated[int, Meta(ge=0, description="Increases within a boot, over all topics; gaps have no meaning")]
Sample = Annotated[int, Meta(ge=0, description="Number of the first sample since the boot")]
Continues = Annotated[
    bool, Meta(description="False if not contiguous with the previous block, or measured at another point of the chest")
]
Instant = Annotated[str, Meta(pattern="Z$", extra_json_schema={"format": "date-time"})]
InstantNs = Annotated[
    int, Meta(description="In ns since 1970; above 2^53, so JavaScript should use the text field instead")
]
Flag = Annotated[str, Meta(extra_json_schema={"enum": list(FLAGS)})]
Flags = Annotated[tuple[Flag, ...], Meta(extra_json_schema={"uniqueItems": True})]
VALID_OR_NULL = {
    "if": {"properties": {"valid": {"const": True}}},
    "then": {"properties": {"value": {"type": "number"}}},
    "else": {"properties": {"value": {"type": "null"}}},
}


def iso_utc(t_ns: int) -> str:
    """Format a time as RFC 3339 with microseconds, such as 2026-11-20T17:40:00.000000Z."""
    seconds, rest_ns = divmod(t_ns, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1000:06d}Z"
