"""Notices about devices: what begins one, and how it is worded. Never a clinical alarm."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.mqtt.fields import iso_utc
from edge.mqtt.notice import NoticeKind, NoticePayload

KINDS: tuple[NoticeKind, ...] = ("offline", "absent", "no_rate")
"""From the strongest to the weakest: of several that apply to one device, only the strongest is open."""
_TEXTS: dict[NoticeKind, str] = {
    "offline": "Device offline for {} min",
    "absent": "Nobody present for {} min",
    "no_rate": "No valid heart rate for {} min",
}

Minutes = Annotated[float, Meta(ge=0, le=1440)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """After how many minutes each notice begins; 0: never."""

    offline_min: Minutes = 1
    absent_min: Minutes = 15
    no_rate_min: Minutes = 5

    def seconds(self, kind: NoticeKind) -> float:
        """Return the limit in seconds; infinite without such a notice."""
        minutes = {"offline": self.offline_min, "absent": self.absent_min, "no_rate": self.no_rate_min}[kind]
        return 60 * minutes or float("inf")


class Notice(msgspec.Struct, frozen=True):
    """A notice, with times in Unix milliseconds of the hub; `ended_ms` is null while it is open."""

    id: str
    device: str
    kind: NoticeKind
    text: str
    began_ms: int
    ended_ms: int | None = None
    acknowledged_by: str | None = None


def notice_text(kind: NoticeKind, limits: Limits) -> str:
    """Return the notice in words."""
    return _TEXTS[kind].format(f"{limits.seconds(kind) / 60:g}")


def encode_notice(notice: Notice, hub: str) -> bytes:
    """Return the message about a notice that began, or has ended."""
    began = iso_utc(notice.began_ms * 1_000_000)
    message = NoticePayload(
        notice.id,
        hub,
        notice.device,
        notice.kind,
        "began" if notice.ended_ms is None else "ended",
        notice.text,
        began if notice.ended_ms is None else iso_utc(notice.ended_ms * 1_000_000),
        began,
    )
    return msgspec.json.encode(message)
