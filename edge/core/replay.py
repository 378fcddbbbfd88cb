"""State and control of a replay, for the page and the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ReplayState:
    """Position in the recording; `speed` 1 is real time."""

    position_s: float
    duration_s: float
    speed: float
    is_paused: bool


class ReplayControl(Protocol):
    """What a viewer can change. Every method may be called from any thread."""

    def pause(self) -> None:
        """Stop at the present position."""

    def resume(self) -> None:
        """Continue."""

    def seek(self, position_s: float) -> None:
        """Continue at another position; one outside the recording means its nearest end."""
