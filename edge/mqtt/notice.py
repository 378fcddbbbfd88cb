"""The message of a hub's ward view about one device. It names the device, never a person or a place."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from edge.core.intended_use import INTENDED_USE, NOT_A_DEVICE
from edge.core.settings import END_OF_STRING
from edge.mqtt import fields as f

NOT_AN_ALARM = "Not a clinical alarm. Research use only."

NoticeKind = Literal["offline", "absent", "no_rate"]


class NoticePayload(Struct, frozen=True, tag_field="schema", tag="radarecg.notice/1"):
    """A notice that began or ended; never a clinical alarm. `t`: of this message; `began`: of the notice."""

    id: Annotated[
        str, Meta(pattern="^[0-9a-f]{16}$" + END_OF_STRING, description="The same when it begins and when it ends")
    ]
    hub: Annotated[str, Meta(pattern=f.DEVICE_PATTERN, description="The hub's name in its settings")]
    device: Annotated[str, Meta(pattern=f.DEVICE_PATTERN)]
    kind: NoticeKind
    state: Literal["began", "ended"]
    text: Annotated[str, Meta(description="The notice in words")]
    t: f.Instant
    began: f.Instant
    intended_use: Annotated[Literal["research"], Meta(description=NOT_A_DEVICE)] = INTENDED_USE
    notice: str = NOT_AN_ALARM
