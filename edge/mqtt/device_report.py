"""Parts of the payload `health`: the device's computer, its spool and its history."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge.mqtt import fields as f


class DeviceReport(msgspec.Struct, frozen=True, kw_only=True):
    """State of the device's computer; null where its kernel does not report it. `temperature_c`: of the hottest sensor.

    `throttled`: the kernel slows CPU or GPU because of heat. `overcurrent_events`: since the computer started.
    """

    temperature_c: float | None = None
    gpu_temperature_c: float | None = None
    gpu_load: f.Share | None = None
    gpu_clock_mhz: Annotated[float, Meta(ge=0)] | None = None
    gpu_max_clock_mhz: Annotated[float, Meta(ge=0)] | None = None
    throttled: bool | None = None
    overcurrent_events: f.Count | None = None


class SpoolReport(msgspec.Struct, frozen=True):
    """Spooled messages and their bytes on disk; since the boot: evicted messages, and those not written to disk."""

    messages: f.Count
    bytes: f.Count
    evicted: f.Count
    unstored: f.Count
    persistent: Annotated[bool, Meta(description="False: the file cannot be written; a restart loses them")] = True


class HistoryReport(msgspec.Struct, frozen=True):
    """The history on the device, null if it keeps none. `failing`: its file cannot be written now.

    `bytes`: on disk. `unstored`: seconds of vitals that were lost since the boot.
    """

    failing: bool
    bytes: f.Count
    unstored: f.Count
