"""The table [history] of the settings."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge.core.settings import File

Days = Annotated[int, msgspec.Meta(ge=1, le=3650)]


class HistoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of the history. `file` is relative to the settings file.

    `days`: how long the vitals of every second are kept; their minutes are kept for a year. `ecg`: how many days the
    ECG is kept, 0 to store none. `max_mb`: size of the file, above which the oldest data are deleted.
    """

    file: File = "radarecg-history.sqlite"
    days: Days = 30
    ecg: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 0
    max_mb: Annotated[int, msgspec.Meta(ge=1, le=1 << 20)] = 256
