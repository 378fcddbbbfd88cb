"""Beats and the vibration they give the chest wall.

Each beat k at R peak T_k moves the chest by a slow pulse and shakes it twice, at the opening and the closure of the
aortic valve: v_i(t) = a_i cos(2 pi f_i (t - T_k - d_i)) exp(-((t - T_k - d_i) / b_i)^2), radarODE-MTL eq. 3 and 4.
People differ in these numbers and have more of such vibrations, and no two beats are alike: `Mechanics`.
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
    """One term of a beat: amplitude a, frequency f, width b, delay d after the R peak of a cycle of one second.

    at_base: it starts where the heart's base is, and not at its apex.
    """

    amplitude_mm: float
    frequency_hz: float
    width_s: float
    delay_s: float
    phase_rad: float = 0.0
    at_base: bool = False


PULSE = Vibration(0.25, 0.0, 0.12, 0.22)
VALVES = (Vibration(0.035, 11.0, 0.045, 0.08), Vibration(0.02, 16.0, 0.035, 0.38, at_base=True))
_BEFORE_S, _AFTER_S = 0.35, 1.0  # farther from its R peak a beat moves nothing
_CYCLES_S = (0.35, 1.6)  # systole no longer changes beyond
_USUAL = 0.9  # memory of the cycle that the heart is used to, from beat to beat


@dataclass(frozen=True, slots=True)
class Mechanics:
    """How a heart shakes the chest, and how its beats differ: spreads are standard deviations, shares of the mean.

    A beat is stronger by the power `filling` of its own cycle over the usual one; an ectopic beat has ectopic_strength
    of its strength. Breathing out (`breath` 1, in: -1) makes it stronger by breath_strength, later by breath_delay_s.
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
        """Of one beat: factor on the amplitude, factor on the frequency, delay in s, of each vibration [3, V]."""
        drawn = rng.standard_normal((3, len(self.vibrations)))
        drawn[:, 1:] = 0.6 * drawn[:, :1] + 0.8 * drawn[:, 1:]  # one contraction makes them all
        strength = (beat.cycle_s / usual_s) ** self.filling * (1 + self.breath_strength * breath)
        if beat.ectopic:
            strength *= self.ectopic_strength
        # Systole shortens about as the root of the cycle (Bazett).
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
    """A heart that beats in its rhythm, each beat a little different; the same for the same seed.

    Without a rhythm: sinus at the rate given, which follows breathing and drifts slowly.
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
        """Beats with R peaks in [start, end)."""
        return self._beats[self._between(start_s, end_s)]

    def beats_s(self, start_s: float, end_s: float) -> Float64:
        """R peaks in [start, end)."""
        return np.array(self._r_s[self._between(start_s, end_s)])

    def displacement_mm(self, t_s: Float64, at_base: bool | None = None) -> Float64:
        """Motion of the chest wall over the heart at times of any shape, positive away from the radar.

        at_base: only what starts at the heart's base, or only what does not.
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
        """Mean rate of the whole cycles in the window that ends now; None when it holds none."""
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
