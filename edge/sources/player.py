"""Plays a recording in real time, or a multiple of it; a viewer can pause it and seek."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from edge.core.replay import ReplayState
from edge.core.types import RadarFrame
from edge.radar.chirp import ChirpConfig
from edge.sources import FrontEnd
from edge.sources.points import PointsRecording, PointsSource
from edge.sources.recording import Recording
from edge.sources.replay import ReplaySource

WARM_UP_S = 10.0
"""After a seek, frames of this time before the target are processed first, so that a heart rate is soon there."""
MAX_STEP_S = 1.0  # a longer gap in the recording, or a clock that was set, is not waited for
STATE_PERIOD_S = 0.5
MAX_LATE_S = 0.5  # a chain that is slower than the speed is not followed by a burst


class ReplayPlayer:
    """Source of a recording's frames at their own pace; a `ReplayControl`.

    Process the frames of each `stretch`: after a seek a new one begins, whose first WARM_UP_S are not paced
    (`is_warming_up`). `on_state` receives the state at least every STATE_PERIOD_S, in the thread that reads the frames.
    If `stays`, the player pauses at the end of the recording until it is closed.
    """

    def __init__(
        self,
        recording: Recording | PointsRecording,
        speed: float,
        stays: bool,
        on_state: Callable[[ReplayState], None],
    ) -> None:
        self._recording = self._rest = recording
        self._speed, self._stays, self._on_state = speed, stays, on_state
        steps_s = np.diff(recording.index["t_ns"], prepend=recording.index["t_ns"][0]) / 1e9
        self._positions_s = np.cumsum(np.clip(steps_s, 0, MAX_STEP_S))
        self._changed = threading.Condition()
        self._target_s: float | None = 0.0
        self._start_s = 0.0
        self._position_s = 0.0
        self._is_paused = self._is_at_end = False
        self._is_open = True
        self._anchor: tuple[float, float] | None = None  # a host time (s), and the position that was due at it
        self._last_state_s = -STATE_PERIOD_S
        self._last_frame = (int(recording.index["t_ns"][0]), time.monotonic())

    @property
    def chirp(self) -> ChirpConfig:
        """The recording's chirp settings."""
        return self._recording.chirp

    @property
    def state(self) -> ReplayState:
        """Position, length, speed, and whether the replay is paused."""
        return ReplayState(self._position_s, float(self._positions_s[-1]), self._speed, self._is_paused)

    @property
    def is_warming_up(self) -> bool:
        """Whether the present position is before the target of the last seek."""
        return self._position_s < self._start_s

    def now_ns(self) -> int:
        """Return the time of the recording at this moment (Unix, ns)."""
        t_ns, at_s = self._last_frame
        return t_ns + round((time.monotonic() - at_s) * self._speed * 1e9)

    def pause(self) -> None:
        """Stop at the present position."""
        with self._changed:
            self._is_paused = True
            self._notify()

    def resume(self) -> None:
        """Continue; at the end of the recording, begin again."""
        with self._changed:
            self._is_paused, self._anchor = False, None
            if self._is_at_end:
                self._target_s = 0.0
            self._notify()

    def toggle(self) -> None:
        """Pause or continue."""
        (self.resume if self._is_paused else self.pause)()

    def seek(self, position_s: float) -> None:
        """Continue at this position, or at the nearest end of the recording."""
        with self._changed:
            self._target_s = min(max(position_s, 0.0), float(self._positions_s[-1]))
            self._notify()

    def skip(self, seconds: float) -> None:
        """Seek relative to the present position, or to the target of a seek that has not begun."""
        with self._changed:
            self.seek((self._position_s if self._target_s is None else self._target_s) + seconds)

    def close(self) -> None:
        """End `stretches` and the frames. Called by signal handlers, so it takes no lock."""
        self._is_open = False

    def stretches(self) -> Iterator[float]:
        """Yield the start of each stretch, in seconds: 0, and then the target of every seek."""
        while (start_s := self._next_start()) is not None:
            yield start_s

    def frames(self) -> Iterator[RadarFrame]:
        """Yield the frames of the present stretch as they are due, until it or the recording ends; never None."""
        rest = self._rest
        source = PointsSource(rest) if isinstance(rest, PointsRecording) else ReplaySource(rest)
        positions_s = self._positions_s[len(self._positions_s) - len(rest.index) :]
        for position_s, frame in zip(positions_s.tolist(), source.frames(), strict=True):
            if not self._wait_until_due(position_s):
                return
            self._last_frame = (frame.t_ns, time.monotonic())
            yield frame
        self._is_at_end = True

    def front_end(self) -> FrontEnd | None:
        """Return the front end of the present stretch; None if it is computed from the frames' samples."""
        return self._rest.front_end() if isinstance(self._rest, PointsRecording) else None

    def _next_start(self) -> float | None:
        with self._changed:
            while self._is_open and self._target_s is None:
                if not self._stays:
                    return None
                self._is_paused = True
                self._report_state()
                self._changed.wait(STATE_PERIOD_S)
            if not self._is_open or self._target_s is None:
                return None
            if self._is_at_end:
                self._is_paused = self._is_at_end = False
            self._start_s, self._target_s, self._anchor = self._target_s, None, None
            first = int(np.searchsorted(self._positions_s, self._start_s - WARM_UP_S))
            self._rest = self._recording.from_frame(first)
            return self._start_s

    def _wait_until_due(self, position_s: float) -> bool:
        """Wait until the frame at this position is due; return whether the stretch continues."""
        with self._changed:
            while self._is_open and self._target_s is None:
                self._report_state()
                left_s = 0.0 if position_s < self._start_s else self._left_s(position_s)
                if left_s <= 0:
                    self._position_s = position_s
                    return True
                self._changed.wait(min(left_s, STATE_PERIOD_S))
            return False

    def _left_s(self, position_s: float) -> float:
        """Return the time until the frame at this position is due."""
        if self._is_paused:
            return STATE_PERIOD_S
        now_s = time.monotonic()
        if self._anchor is None:
            self._anchor = (now_s, position_s)
        left_s = self._anchor[0] + (position_s - self._anchor[1]) / self._speed - now_s
        if left_s < -MAX_LATE_S:
            self._anchor = (now_s, position_s)
        return left_s

    def _notify(self) -> None:
        self._last_state_s = -STATE_PERIOD_S  # a change is reported at once
        self._changed.notify_all()

    def _report_state(self) -> None:
        if time.monotonic() - self._last_state_s >= STATE_PERIOD_S:
            self._last_state_s = time.monotonic()
            self._on_state(self.state)
