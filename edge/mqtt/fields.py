"""Field types shared by several payloads: their limits and descriptions, for decoding and for the schemas."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, get_args

from msgspec import Meta

from edge.core.clock import SyncSource
from edge.core.settings import END_OF_STRING
from edge.core.types import QualityFlag

DEVICE_PATTERN = "^[a-z0-9-]{1,64}$" + END_OF_STRING
BOOT_PATTERN = "^[0-9a-f]{8}$" + END_OF_STRING
MAX_PAYLOAD_BYTES = 256 << 10
"""A hub receives no larger message. The largest that a device sends, an ECG block, has about 2 KB."""
MAX_EXACT_INTEGER = 2**53
"""Up to here JavaScript and other readers of JSON represent integers exactly."""

UNUSABLE_FLAGS: frozenset[QualityFlag] = frozenset(
    {"radar_fault", "stale", "no_subject", "body_movement", "warming_up", "low_snr", "model_uncertain"}
)
"""With one of these flags, the quality is unusable and no heart rate is valid (`edge.vitals.quality.FLAGS`)."""
CHEST_LOST_FLAGS: frozenset[QualityFlag] = frozenset({"radar_fault", "stale", "no_subject", "body_movement"})
"""With one of these flags, no breathing rate is valid either (`edge.vitals.quality.CHEST_LOST`)."""

Boot = Annotated[
    str, Meta(pattern=BOOT_PATTERN, description="Random id of one run of the device; (boot, seq) is unique")
]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
Seq = Annotated[
    int,
    Meta(ge=0, le=MAX_EXACT_INTEGER, description="Increases within a boot, over all topics; gaps have no meaning"),
]
Sample = Annotated[int, Meta(ge=0, le=MAX_EXACT_INTEGER, description="Number of the first sample since the boot")]
Amplitude = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$" + END_OF_STRING)]
ModelId = Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$" + END_OF_STRING)]
Continues = Annotated[
    bool, Meta(description="False if not contiguous with the previous block, or measured at another point of the chest")
]
Replayed = Annotated[bool, Meta(description="The messages are of a recording and have its times")]
Instant = Annotated[str, Meta(pattern="Z$", extra_json_schema={"format": "date-time"})]
InstantNs = Annotated[
    int, Meta(description="In ns since 1970; above 2^53, so JavaScript should use the text field instead")
]
# Decoded as words, not as enumerations: messages of other versions, with values that this one does not know, are valid.
WORD_PATTERN = "^[a-z0-9_]{1,40}$" + END_OF_STRING
Flag = Annotated[str, Meta(pattern=WORD_PATTERN, extra_json_schema={"enum": list(get_args(QualityFlag))})]
Flags = Annotated[tuple[Flag, ...], Meta(max_length=32, extra_json_schema={"uniqueItems": True})]
ClockSource = Annotated[str, Meta(pattern=WORD_PATTERN, extra_json_schema={"enum": sorted(get_args(SyncSource))})]
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
