"""Made-up measurements of one person, second by second: the records that the device's chain gives to its publisher.

The values depend on the seed and the person's number only, never on the clock. A person rests, moves, leaves, and has
seconds of a weak echo or of lost frames; some have an irregular rhythm.
"""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np

from edge.core.spec import RCG_RATE_HZ, WAVEFORM_RATE_HZ
from edge.core.types import (
    EcgBlock,
    EcgEstimate,
    FrameCount,
    MovementLevel,
    Quality,
    QualityFlag,
    QualityState,
    Rhythm,
    TaskOutputs,
    Vitals,
    Waveform,
)

WAVEFORMS_PER_S = 5
WAVEFORM_SAMPLES = WAVEFORM_RATE_HZ // WAVEFORMS_PER_S
FRAMES_PER_S = 200
WARM_UP_S = (3, 12)
ECG_DELAY_NS = 2_200_000_000  # from the end of a block to its publication, about as on a device
IRREGULAR_FRACTION = 0.04
OUTPUTS = TaskOutputs(np.zeros(200), np.full(800, 1 / 800), np.full(260, 1 / 260))  # not published


class Condition(NamedTuple):
    """What disturbs a person's signal: how often it begins at rest, how long it lasts, and its quality."""

    per_s: float
    seconds: tuple[int, int]
    state: QualityState
    flags: tuple[QualityFlag, ...]
    sqi: float
    movement: MovementLevel = "none"


REST = Condition(0.0, (0, 0), "good", (), 0.92)
WARM_UP = Condition(0.0, WARM_UP_S, "unusable", ("warming_up",), 0.0)
DISTURBANCES = (
    Condition(1 / 400, (3, 15), "unusable", ("body_movement",), 0.1, "mild"),
    Condition(1 / 600, (10, 40), "unusable", ("body_movement",), 0.05, "extensive"),
    Condition(1 / 1800, (60, 300), "unusable", ("no_subject",), 0.0),
    Condition(1 / 500, (10, 40), "unusable", ("low_snr",), 0.2),
    Condition(1 / 500, (5, 30), "degraded", ("frame_loss",), 0.6),
)

_PHASE = np.linspace(0, 1, 201)  # of the cycle; the R peak is at 0


def _bumps(*bumps: tuple[float, float, float]) -> np.ndarray:
    """A cycle made of bumps: place in the cycle, width and height of each."""
    distance = [np.abs((_PHASE - place + 0.5) % 1 - 0.5) for place, _, _ in bumps]
    return sum(high * np.exp(-0.5 * (d / wide) ** 2) for d, (_, wide, high) in zip(distance, bumps, strict=True))


_ECG = _bumps((0.84, 0.025, 0.12), (0.972, 0.01, -0.12), (0, 0.011, 1.0), (0.03, 0.012, -0.2), (0.3, 0.05, 0.28))
_WAVE_MM_S2 = _bumps((0.12, 0.05, 90.0), (0.45, 0.06, 35.0), (0.7, 0.2, 8.0))


class Second(NamedTuple):
    """What one second of the chain gives."""

    vitals: Vitals
    ecg: EcgBlock
    waveforms: list[Waveform]


class Person:
    """Number `number` of the people of `seed`; each call of `measure` is the next second."""

    def __init__(self, seed: int, number: int) -> None:
        rng = self._random = random.Random(f"{seed}/{number}")
        self._noise = np.random.default_rng([seed, number])
        self._rest_bpm = self._bpm = rng.uniform(52, 92)
        self._breaths, self._range_m = rng.uniform(11, 20), rng.uniform(0.4, 1.6)
        self._is_irregular = rng.random() < IRREGULAR_FRACTION
        self._condition, self._left_s = WARM_UP, rng.randint(*WARM_UP_S)
        self._second, self._beats, self._lost, self._continues = 0, rng.random(), 0, False

    def measure(self, t_ns: int, steady_ns: int | None = None) -> Second:
        """Return the next second, measured at this time (Unix, and monotonic)."""
        self._advance()
        beats = self._bpm / 60 * (1 + (self._random.gauss(0, 0.15) if self._is_irregular else 0))
        second = Second(self._vitals(t_ns, steady_ns), self._ecg(t_ns, beats), self._waves(t_ns, beats))
        self._second, self._beats, self._continues = self._second + 1, self._beats + beats, self._is_present
        return second

    @property
    def _is_present(self) -> bool:
        return "no_subject" not in self._condition.flags

    def _advance(self) -> None:
        rng = self._random
        self._bpm = min(140.0, max(42.0, self._bpm + rng.gauss(0, 0.5) + (self._rest_bpm - self._bpm) / 300))
        self._breaths = min(30.0, max(6.0, self._breaths + rng.gauss(0, 0.1)))
        self._left_s -= 1
        if self._left_s < 0:
            # After the start, a disturbance is as probable as it is at any later second.
            is_first = self._condition is WARM_UP
            weights = [each.per_s * (sum(each.seconds) / 2 if is_first else 1) for each in DISTURBANCES]
            [self._condition] = rng.choices([*DISTURBANCES, REST], [*weights, 1 - sum(weights)])
            self._left_s = rng.randint(*self._condition.seconds)
        if "frame_loss" in self._condition.flags:
            self._lost += rng.randint(2, 20)

    def _vitals(self, t_ns: int, steady_ns: int | None) -> Vitals:
        now, rng = self._condition, self._random
        is_valid, is_still = now.state != "unusable", self._is_present and now.movement == "none"
        bpm, half = self._bpm + rng.gauss(0, 0.4), rng.uniform(0.8, 2.5)
        quality = Quality(now.state, round(min(1.0, max(0.0, rng.gauss(now.sqi, 0.03))), 2), now.flags)
        return Vitals(
            t_ns=t_ns,
            heart_rate_bpm=bpm if is_valid else None,
            breathing_rate_bpm=self._breaths if is_still and now is not WARM_UP else None,
            chest_range_m=self._range_m + rng.gauss(0, 0.002) if is_still else None,
            quality=quality,
            frames=FrameCount((self._second + 1) * FRAMES_PER_S - self._lost, self._lost),
            ci95_bpm=(bpm - half, bpm + half) if is_valid else None,
            n_beats=round(bpm / 6) if is_valid else None,
            rhythm=self._rhythm() if is_valid and self._second > 60 else None,
            movement=now.movement,
            steady_ns=steady_ns,
        )

    def _rhythm(self) -> Rhythm:
        scale = self._random.uniform(0.9, 1.1)
        return Rhythm(140 * scale, 120 * scale, True) if self._is_irregular else Rhythm(35 * scale, 45 * scale, False)

    def _ecg(self, t_ns: int, beats: float) -> EcgBlock:
        sample0, phase = self._second * RCG_RATE_HZ, self._phases(RCG_RATE_HZ, beats)
        is_known = self._condition.state != "unusable"
        places = (np.arange(np.ceil(self._beats), self._beats + beats) - self._beats) / beats * RCG_RATE_HZ
        peaks = sample0 + places if is_known else np.empty(0)
        ecg = np.interp(phase, _PHASE, _ECG) + self._noise.normal(0, 0.01, RCG_RATE_HZ)
        mask, confidence = np.full(RCG_RATE_HZ, is_known), self._noise.uniform(0.7, 1, len(peaks))
        estimate = EcgEstimate(sample0, np.where(mask, ecg, 0), mask, peaks, confidence)
        return EcgBlock(t_ns - ECG_DELAY_NS - 10**9, sample0, estimate, self._continues, OUTPUTS)

    def _waves(self, t_ns: int, beats: float) -> list[Waveform]:
        phase = self._phases(WAVEFORM_RATE_HZ, beats)
        height = 1.0 if self._is_present else 0.05
        wave = height * np.interp(phase, _PHASE, _WAVE_MM_S2) + np.abs(self._noise.normal(0, 2, len(phase)))
        coverage = 0.95 if "frame_loss" in self._condition.flags else 1.0
        sample0 = self._second * WAVEFORM_RATE_HZ
        return [
            Waveform(
                t_ns + k * 10**9 // WAVEFORM_RATE_HZ,
                *(sample0 + k, WAVEFORM_RATE_HZ, wave[k : k + WAVEFORM_SAMPLES], coverage),
                continues=self._continues or k > 0,
            )
            for k in range(0, WAVEFORM_RATE_HZ, WAVEFORM_SAMPLES)
        ]

    def _phases(self, rate_hz: int, beats: float) -> np.ndarray:
        return (self._beats + beats * np.arange(rate_hz) / rate_hz) % 1
