"""Heartbeats and the motion of the chest wall that they cause.

Each beat k with R peak T_k causes a slow pulse and two vibrations, at the opening and the closure of the aortic valve:
v_i(t) = a_i cos(2 pi f_i (t - T_k - d_i)) exp(-((t - T_k - d_i) / b_i)^2), radarODE-MTL eq. 3 and 4. These parameters
and the number of vibrations vary between people, and the parameters also from beat to beat: see `Mechanics`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from edge.core.types import Float64
from edge.twin.rhythm import Beat, OverTime, Rhythm, Sinus, since_beats


@dataclass(frozen=True, slots=True)
class Vibration:
    """One term of a beat: amplitude a, frequency f, width b, delay d after the R peak for a cycle of one second.

    `at_base`: it starts at the heart's base instead of the apex.
    """

    amplitude_mm: float
    frequency_hz: float
    width_s: float
    delay_s: float
    phase_rad: float = 0.0
    at_base: bool = False


PULSE = Vibration(0.25, 0.0, 0.12, 0.22)
VALVES = (Vibration(0.035, 11.0, 0.045, 0.08), Vibration(0.02, 16.0, 0.035, 0.38, at_base=True))
_BEFORE_S, _AFTER_S = 0.35, 1.0  # a beat's motion is zero outside this interval around its R peak
_CYCLES_S = (0.35, 1.6)  # the length of systole is constant for cycles outside this range
_USUAL = 0.9  # smoothing factor of the mean cycle, per beat


@dataclass(frozen=True, slots=True)
class Mechanics:
    """The heart's vibrations and their variation; spreads are standard deviations, as fractions of the mean.

    The strength of a beat is (its cycle / mean cycle) ** filling; an ectopic beat has ectopic_strength of it.
    Expiration (`breath` 1; inspiration: -1) makes a beat stronger by breath_strength and later by breath_delay_s.
    """

    vibrations: tuple[Vibration, ...] = (PULSE, *VALVES)
    strength_spread: float = 0.0
    frequency_spread: float = 0.0
    delay_spread_s: float = 0.0
    filling: float = 0.0
    ectopic_strength: float = 0.5
    breath_strength: float = 0.0
    breath_delay_s: float = 0.0

    def changes(self, beat: Beat, usual_s: float, breath: float, rng: np.random.Generator) -> Float64:
        """Draws one beat's amplitude factor, frequency factor and delay in s for each vibration [3, V]."""
        drawn = rng.standard_normal((3, len(self.vibrations)))
        drawn[:, 1:] = 0.6 * drawn[:, :1] + 0.8 * drawn[:, 1:]  # all are caused by the same contraction
        strength = (beat.cycle_s / usual_s) ** self.filling * (1 + self.breath_strength * breath)
        if beat.ectopic:
            strength *= self.ectopic_strength
        # Systole is about proportional to the square root of the cycle (Bazett).
        length = math.sqrt(min(max(beat.cycle_s, _CYCLES_S[0]), _CYCLES_S[1]))
        delay_s = np.array([v.delay_s for v in self.vibrations]) * length
        return np.stack(
            [
                strength * np.exp(self.strength_spread * drawn[0]),
                np.exp(self.frequency_spread * drawn[1]),
                delay_s + self.breath_delay_s * breath + self.delay_spread_s * drawn[2],
            ]
        )


class Heart:
    """A heart with a rhythm and mechanics that vary from beat to beat; reproducible for the same seed.

    Without a rhythm: sinus rhythm at the given rate, with respiratory variation and slow drift.
    """

    def __init__(
        self,
        heart_rate_bpm: float = 68.0,
        breathing_hz: float = 0.25,
        seed: int = 1,
        rhythm: Rhythm | None = None,
        mechanics: Mechanics | None = None,
        breath: OverTime | None = None,
    ) -> None:
        self._breath = breath or (lambda t_s: math.sin(2 * math.pi * breathing_hz * t_s))
        self._source = (rhythm or Sinus(lambda _: heart_rate_bpm, self._breath)).beats(seed)
        self._mechanics = mechanics or Mechanics()
        self._rng = np.random.default_rng((seed, 2))
        self._usual_s: float | None = None
        self._beats: list[Beat] = []
        self._r_s: list[float] = []
        self._changes: list[Float64] = []

    def beats(self, start_s: float, end_s: float) -> list[Beat]:
        """Return the beats with R peaks in [start, end)."""
        return self._beats[self._between(start_s, end_s)]

    def beats_s(self, start_s: float, end_s: float) -> Float64:
        """Return the R peaks in [start, end)."""
        return np.array(self._r_s[self._between(start_s, end_s)])

    def displacement_mm(self, t_s: Float64, at_base: bool | None = None) -> Float64:
        """Return the motion of the chest wall over the heart at times of any shape, positive away from the radar.

        `at_base`: True: only vibrations that start at the heart's base; False: only the others; None: all.
        """
        motion = np.zeros(t_s.shape)
        if t_s.size == 0:
            return motion
        near = self._between(float(t_s.min()) - _AFTER_S, float(t_s.max()) + _BEFORE_S)
        if near.start == near.stop:
            return motion
        changes = np.array(self._changes[near])
        for beat, since_s in since_beats(np.array(self._r_s[near]), t_s, _BEFORE_S, _AFTER_S):
            for v, (strength, pitch, delay_s) in zip(
                self._mechanics.vibrations, changes.transpose(2, 1, 0), strict=True
            ):
                if at_base in (None, v.at_base):
                    late = since_s - delay_s[beat]
                    shape = v.amplitude_mm * strength[beat] * np.exp(-((late / v.width_s) ** 2))
                    if v.frequency_hz:
                        shape *= np.cos(2 * math.pi * v.frequency_hz * pitch[beat] * late + v.phase_rad)
                    motion -= shape
        return motion

    def rate_bpm(self, end_s: float, window_s: float) -> float | None:
        """Return the mean rate of the complete cycles in the window that ends at `end_s`; None without any."""
        beats = self.beats_s(end_s - window_s, end_s)
        return 60 * (len(beats) - 1) / float(beats[-1] - beats[0]) if len(beats) > 1 else None

    def _between(self, start_s: float, end_s: float) -> slice:
        while not self._r_s or self._r_s[-1] < end_s:
            beat = next(self._source)
            usual_s = self._usual_s or beat.cycle_s
            self._changes.append(self._mechanics.changes(beat, usual_s, self._breath(beat.r_s), self._rng))
            self._usual_s = _USUAL * usual_s + (1 - _USUAL) * beat.cycle_s
            self._beats.append(beat)
            self._r_s.append(beat.r_s)
        return slice(bisect_left(self._r_s, start_s), bisect_left(self._r_s, end_s))
