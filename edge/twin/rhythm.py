"""Heart rhythms: sinus rhythm, atrial fibrillation, ectopic beats, or given cycles.

A rhythm is an infinite series of beats from FIRST_BEAT_S on, reproducible for the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge.core.types import Float64

FIRST_BEAT_S = -1.0
MAYER_HZ = 0.1  # Mayer waves: slow oscillation of the blood pressure
MIN_CYCLE_S = 0.3  # refractory period of the ventricles
MAX_COUPLING = 0.95  # of a premature beat
REPEATED = 0.7

OverTime = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Beat:
    """An R peak and the cycle that ended with it; `ectopic`: a premature beat from the ventricle."""

    r_s: float
    cycle_s: float
    ectopic: bool = False


class Rhythm(Protocol):
    """Generator of a heart's beats."""

    def beats(self, seed: int) -> Iterator[Beat]:
        """Yield beats in ascending order, without end."""
        ...


@dataclass(frozen=True, slots=True)
class Sinus:
    """Sinus rhythm modulated by breathing, Mayer waves and slow drift; depths are fractions of the cycle.

    `breath` returns -1 (inspiration) to 1 (expiration) at a time. `drift` holds (memory, kick) of first-order
    autoregressive processes with one step per beat; several with very different memories give 1/f noise.
    """

    rate_bpm: OverTime
    breath: OverTime
    breath_depth: float = 0.03
    mayer_depth: float = 0.0
    drift: tuple[tuple[float, float], ...] = ((0.98, 0.006),)
    jitter: float = 0.008

    def beats(self, seed: int) -> Iterator[Beat]:
        """See Rhythm."""
        rng = np.random.default_rng(seed)
        memory, kick = np.array(self.drift).T
        wandered = np.zeros(len(memory))
        now_s, cycle_s = FIRST_BEAT_S, 60 / self.rate_bpm(FIRST_BEAT_S)
        while True:
            yield Beat(now_s, cycle_s)
            *steps, jitter = rng.standard_normal(len(memory) + 1)
            wandered = memory * wandered + kick * steps
            waves = self.breath_depth * self.breath(now_s) + self.mayer_depth * math.sin(2 * math.pi * MAYER_HZ * now_s)
            change = 1 + waves + float(wandered.sum()) + self.jitter * jitter
            cycle_s = max(MIN_CYCLE_S, 60 / self.rate_bpm(now_s) * change)
            now_s += cycle_s


@dataclass(frozen=True, slots=True)
class Fibrillation:
    """Atrial fibrillation: cycles are independent, MIN_CYCLE_S plus a gamma-distributed time.

    `spread` is the cycles' standard deviation over their mean.
    """

    rate_bpm: OverTime
    spread: float = 0.22

    def beats(self, seed: int) -> Iterator[Beat]:
        """See Rhythm."""
        rng = np.random.default_rng(seed)
        now_s, cycle_s = FIRST_BEAT_S, 60 / self.rate_bpm(FIRST_BEAT_S)
        while True:
            yield Beat(now_s, cycle_s)
            mean_s = 60 / self.rate_bpm(now_s)
            rest_s = mean_s - MIN_CYCLE_S
            scale_s = (self.spread * mean_s) ** 2 / rest_s
            cycle_s = MIN_CYCLE_S + rng.gamma(rest_s / scale_s, scale_s)
            now_s += cycle_s


@dataclass(frozen=True, slots=True)
class WithEctopics:
    """Another rhythm, in which a fraction `share` of the beats is premature, at `coupling` of the cycle.

    The beat after a premature one is at its regular time (full compensatory pause). `coupling_spread` is the standard
    deviation of the coupling. `every` 2 (bigeminy), 3 (trigeminy) and so on: so many beats after a premature one, the
    next follows in REPEATED of the cases; 0: at random. `atrial`: the premature beats start in the atrium, so that they
    are conducted like the others and are not `ectopic`.
    """

    rhythm: Rhythm
    share: float = 0.05
    coupling: float = 0.6
    coupling_spread: float = 0.0
    every: int = 0
    atrial: bool = False

    def beats(self, seed: int) -> Iterator[Beat]:
        """See Rhythm."""
        rng = np.random.default_rng((seed, 1))
        usual = self.rhythm.beats(seed)
        last = next(usual)
        yield last
        since = 1  # beats since the last premature one
        for beat in usual:
            since += 1
            is_early = since > 1 and rng.random() < (REPEATED if since == self.every else self.share)
            coupling = min(self.coupling + self.coupling_spread * rng.standard_normal(), MAX_COUPLING)
            r_s = last.r_s + max(MIN_CYCLE_S, coupling * beat.cycle_s) if is_early else beat.r_s
            since = 0 if is_early else since
            last = Beat(r_s, r_s - last.r_s, is_early and not self.atrial)
            yield last


def since_beats(r_s: Float64, t_s: Float64, before_s: float, after_s: float) -> Iterator[tuple[np.ndarray, Float64]]:
    """Yield, for each time, the index in r_s of a beat in reach and the time since its R peak, latest beats first.

    A beat is in reach from before_s before its R peak to after_s after it. Ends when no beat is in reach of any time.
    """
    last = np.searchsorted(r_s, t_s + before_s) - 1
    while True:
        since_s = np.where(last >= 0, t_s - r_s[np.maximum(last, 0)], np.float64(1e3))
        if not (since_s < after_s).any():
            return
        yield np.maximum(last, 0), since_s
        last = last - 1
