"""The network's windows to one long-term ECG: every beat is seen by several windows, and they are fused.

The anchors (task 2) of overlapping windows add up to a density of beats over time. Of its maxima the sequence is taken
that fits the cycle lengths (task 3) best: a weak beat in its place counts, a stray one elsewhere does not. Between two
R peaks the ECG pieces (task 1) are stretched to the cycle (radarODE-MTL section III; the fusion is ours).
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy import ndimage

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, PIECE, PIECE_R, RCG_RATE_HZ, SST_WINDOW
from edge.core.types import EcgEstimate, Float64, TaskOutputs

DELAY_S = 1.0
"""A beat is decided this long after it; to wait longer gains little (`bench/latency.py`, docs/quality.md)."""
_MEMORY = 10 * RCG_RATE_HZ
# A window's first quarter of a second knows little of what came before, its last half of what comes after.
_TRUST = np.minimum(1, np.minimum(np.arange(1, SST_WINDOW + 1) / 50, np.arange(SST_WINDOW, 0, -1) / 100))
_LEAST_TRUST = 0.5

_SMOOTH = 2.0
_HALF = 8  # a beat's probability is what lies within 40 ms of it
_NEAREST = 60  # 0.3 s: beats are not closer
_LEAST_MASS = 0.02
_MASS_NEEDED = 0.3  # a beat of this probability neither gains nor costs anything by itself
# A cycle e^0.3 times as long as the network says costs a quarter of a beat, one twice as long a whole beat.
_LOG_WIDTH, _COST, _MOST_COST = 0.3, 0.25, 1.0

_PIECE_REACH = 0.5 * RCG_RATE_HZ  # how near a window's middle a beat must be to be drawn mainly by it
_SEAM = 0.05  # of a cycle: one beat's piece fades into the next's
_LONGEST = 1.25 * (CYCLE_MIN + CYCLE_CLASSES)  # a longer way from beat to beat has a beat missing


class Stitcher:
    """Streaming: the outputs of a window in, the stretch of ECG that has become ripe out, `delay_s` behind its end."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        self._delay = round(delay_s * RCG_RATE_HZ)
        self._end = 0  # the stream's sample after the buffers' last
        self._density: Float64 = np.zeros(_MEMORY)
        self._trust: Float64 = np.zeros(_MEMORY)
        self._pieces: deque[tuple[float, float, Float64]] = deque(maxlen=_MEMORY // RCG_RATE_HZ)
        self._last: tuple[float, float] | None = None  # place and mass of the last beat decided
        self._emitted_until = 0

    def push(self, outputs: TaskOutputs, end: int) -> EcgEstimate:
        """The outputs of the window before sample `end` of the stream, which rises from call to call.

        Where no window was pushed nothing is known. Raises ValueError when `end` does not rise.
        """
        if end <= self._end:
            raise ValueError(f"the window ends at sample {end}, the one before at {self._end}; they must rise")
        step = min(end - self._end, _MEMORY)
        for buffer in (self._density, self._trust):
            buffer[:-step] = buffer[step:]
            buffer[-step:] = 0
        self._end = end
        cycle = CYCLE_MIN + float(np.searchsorted(np.cumsum(outputs.cycle), 0.5))
        self._density[-SST_WINDOW:] += _TRUST * outputs.anchor * (SST_WINDOW / cycle)
        self._trust[-SST_WINDOW:] += _TRUST
        self._pieces.append((end - SST_WINDOW / 2, cycle, np.asarray(outputs.ecg, np.float64)))
        start, self._emitted_until = max(self._emitted_until, end - _MEMORY), end - self._delay
        return self._stretch(start, max(start, self._emitted_until))

    def finish(self) -> EcgEstimate:
        """The end of a stream: what had still to ripen, as well as it is known."""
        return self._stretch(max(self._emitted_until, self._end - _MEMORY), self._end)

    def _stretch(self, start: int, stop: int) -> EcgEstimate:
        beats, mass = self._beats()
        t = np.arange(start, stop, dtype=float)
        ecg, known = np.zeros(len(t)), np.zeros(len(t), bool)
        pieces = [self._piece(beat) for beat in beats]
        for k in range(len(beats) - 1):
            if beats[k + 1] - beats[k] <= _LONGEST:
                inside = slice(*np.searchsorted(t, beats[k : k + 2]))
                turn = (t[inside] - beats[k]) / (beats[k + 1] - beats[k])
                ecg[inside], known[inside] = _between(turn, pieces[k], pieces[k + 1]), True
        decided = (beats >= start) & (beats < stop)
        if before := np.flatnonzero(beats < stop).tolist():
            self._last = float(beats[before[-1]]), float(mass[before[-1]])
        return EcgEstimate(start, ecg, known, beats[decided], mass[decided])

    def _beats(self) -> tuple[Float64, Float64]:
        """The best sequence of beats from the last decided one on: places and masses."""
        places, masses = self._candidates()
        if self._last:
            later = places > self._last[0] + _NEAREST
            places = np.concatenate([[self._last[0]], places[later]])
            masses = np.concatenate([[self._last[1]], masses[later]])
        if len(places) == 0:
            return places, masses
        score, come_from = masses - _MASS_NEEDED, np.full(len(places), -1)
        if self._last:
            score[1:] = -np.inf  # the sequence goes on from there
        cycles = np.array([self._cycle(place) for place in places])
        for k in range(1, len(places)):
            way = places[k] - places[:k]
            off = np.log(way / cycles[:k]) / _LOG_WIDTH
            gain = score[:k] - np.minimum(_COST * off**2, _MOST_COST) - np.where(way < _NEAREST, np.inf, 0)
            if (best := int(gain.argmax())) >= 0 and gain[best] + masses[k] - _MASS_NEEDED > score[k]:
                score[k], come_from[k] = gain[best] + masses[k] - _MASS_NEEDED, best
        path = [int(score.argmax())]
        while come_from[path[-1]] >= 0:
            path.append(int(come_from[path[-1]]))
        return places[path[::-1]], masses[path[::-1]]

    def _candidates(self) -> tuple[Float64, Float64]:
        """Maxima of the density: places in the stream, to a fraction of a sample, and probabilities."""
        density = self._density / np.maximum(self._trust, _LEAST_TRUST)
        smooth = ndimage.gaussian_filter1d(density, _SMOOTH, mode="constant")
        mass = ndimage.convolve1d(density, np.ones(2 * _HALF + 1), mode="constant")
        peak = (smooth == ndimage.maximum_filter1d(smooth, _HALF)) & (mass > _LEAST_MASS)
        at = np.flatnonzero(peak)
        around = np.arange(-_HALF, _HALF + 1)
        cells = np.pad(smooth, _HALF)[at[:, None] + _HALF + around]
        places = at + (cells * around).sum(axis=1) / cells.sum(axis=1)
        return places + self._end - _MEMORY, np.minimum(mass[at], 1)

    def _cycle(self, place: float) -> float:
        """The length of the cycle that begins at a place, in samples."""
        weights = self._nearness(place)
        return float(np.exp(weights @ np.log([cycle for _, cycle, _ in self._pieces])))

    def _piece(self, place: float) -> Float64:
        """The ECG piece of the beat at a place [PIECE]."""
        return np.asarray(self._nearness(place) @ np.stack([piece for _, _, piece in self._pieces]))

    def _nearness(self, place: float) -> Float64:
        away = (np.array([middle for middle, _, _ in self._pieces]) - place) / _PIECE_REACH
        weights = np.exp(-0.5 * np.minimum(away**2, 50))
        return np.asarray(weights / weights.sum())


def _between(turn: Float64, this: Float64, following: Float64) -> Float64:
    """The ECG at `turn` 0..1 of the way from one R peak to the next: one piece's end, then the next one's beginning."""
    place = np.arange(PIECE)
    ours = np.interp((PIECE_R + turn) * PIECE, place, this)
    theirs = np.interp((PIECE_R + turn - 1) * PIECE, place, following)
    fade = np.clip((turn - (1 - PIECE_R)) / _SEAM + 0.5, 0, 1)
    return np.asarray(ours * (1 - fade) + theirs * fade)
