"""When a heart beats: sinus rhythm, atrial fibrillation, ectopic beats between, or given cycles.

A rhythm is an endless series of beats from FIRST_BEAT_S on, the same for the same seed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge.core.types import Float64

FIRST_BEAT_S = -1.0
MAYER_HZ = 0.1  # blood pressure's own slow wave
SHORTEST_S = 0.3  # no ventricle is ready again sooner

OverTime = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Beat:
    """An R peak and the cycle that ended with it; ectopic: from the ventricle itself, too early."""

    r_s: float
    cycle_s: float
    ectopic: bool = False


class Rhythm(Protocol):
    """What tells a heart when to beat."""

    def beats(self, seed: int) -> Iterator[Beat]:
        """Beats without end, rising."""
        ...


@dataclass(frozen=True, slots=True)
class Sinus:
    """Cycles that follow breathing, Mayer waves and slow drifts; depths are shares of the cycle.

    breath is -1 (in) to 1 (out) at a time; drift holds (memory, kick) of autoregressive wanderings, a step a beat:
    several of memories far apart make 1/f noise.
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
            cycle_s = max(SHORTEST_S, 60 / self.rate_bpm(now_s) * change)
            now_s += cycle_s


@dataclass(frozen=True, slots=True)
class Fibrillation:
    """Irregularly irregular: every cycle is drawn for itself, SHORTEST_S and a gamma-distributed rest.

    spread is the cycles' standard deviation over their mean.
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
            rest_s = mean_s - SHORTEST_S
            scale_s = (self.spread * mean_s) ** 2 / rest_s
            cycle_s = SHORTEST_S + rng.gamma(rest_s / scale_s, scale_s)
            now_s += cycle_s


@dataclass(frozen=True, slots=True)
class WithEctopics:
    """Another rhythm, of which a share of the beats comes early: at `coupling` of the cycle.

    The beat after comes when it would have come anyway: the full compensatory pause.
    """

    rhythm: Rhythm
    share: float = 0.05
    coupling: float = 0.6

    def beats(self, seed: int) -> Iterator[Beat]:
        """See Rhythm."""
        rng = np.random.default_rng((seed, 1))
        usual = self.rhythm.beats(seed)
        last = next(usual)
        yield last
        for beat in usual:
            early = not last.ectopic and rng.random() < self.share
            r_s = last.r_s + self.coupling * beat.cycle_s if early else beat.r_s
            last = Beat(r_s, r_s - last.r_s, early)
            yield last


@dataclass(frozen=True, slots=True)
class Given:
    """Measured cycles [n], from the start again when they are over. Raises ValueError for what is no heart's."""

    cycles_s: Float64

    def __post_init__(self) -> None:
        if self.cycles_s.size == 0 or not (self.cycles_s > 0.2).all() or not (self.cycles_s < 5).all():
            raise ValueError(f"cycles of {self.cycles_s} s; every one must be between 0.2 and 5 s")

    def beats(self, seed: int) -> Iterator[Beat]:
        """See Rhythm; nothing is drawn."""
        now_s = FIRST_BEAT_S
        cycles_s = self.cycles_s.tolist()
        for before_s, cycle_s in itertools.cycle(zip(cycles_s[-1:] + cycles_s[:-1], cycles_s, strict=True)):
            yield Beat(now_s, before_s)
            now_s += cycle_s


def since_beats(r_s: Float64, t_s: Float64, before_s: float, after_s: float) -> Iterator[tuple[np.ndarray, Float64]]:
    """For each time, one beat after another: which of r_s it is, and the time since; as long as any is in reach.

    A beat is in reach from before_s before its R peak to after_s after it.
    """
    last = np.searchsorted(r_s, t_s + before_s) - 1
    while True:
        since_s = np.where(last >= 0, t_s - r_s[np.maximum(last, 0)], np.float64(1e3))
        if not (since_s < after_s).any():
            return
        yield np.maximum(last, 0), since_s
        last = last - 1
