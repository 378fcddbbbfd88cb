"""Stitching: fuses the network outputs of overlapping windows to one continuous ECG.

Each beat is in several windows. The sum of their anchors (task 2) is a density of beats over time. A Viterbi search
selects those maxima of the density that agree best with the cycle lengths (task 3): a weak maximum at an expected
position is a beat, an isolated one elsewhere is not. Between two R peaks, the ECG pieces (task 1) are stretched to the
cycle (radarODE-MTL section III; the fusion is our own).
"""

from __future__ import annotations

from collections import deque

import numpy as np

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, ECG_PIECE_R_FRACTION, ECG_PIECE_SAMPLES, RCG_RATE_HZ, SST_WINDOW
from edge.core.types import EcgEstimate, Float64, TaskOutputs
from edge.filters.smoothing import gaussian_smooth, sliding_maximum

DELAY_S = 1.0
"""A beat is final this long after it; a longer delay improves little (`bench/latency.py`, docs/quality.md)."""
_BUFFER_SAMPLES = 10 * RCG_RATE_HZ
# Weights are lower at a window's edges: its first 0.25 s lack context before, its last 0.5 s lack context after.
_WINDOW_WEIGHT = np.minimum(1, np.minimum(np.arange(1, SST_WINDOW + 1) / 50, np.arange(SST_WINDOW, 0, -1) / 100))
_MIN_WEIGHT = 0.5

_SMOOTHING_SIGMA = 2.0
_PEAK_HALF_WIDTH = 8  # the probability of a beat is the sum within 40 ms of it
_MIN_DISTANCE = 60  # 0.3 s between two beats
_MIN_PROBABILITY = 0.02
_BREAK_EVEN_PROBABILITY = 0.3  # a beat with this probability does not change the score
# A cycle e^0.3 times the length from the network costs a quarter of a beat; one twice as long, a whole beat.
_LOG_WIDTH, _COST, _MAX_COST = 0.3, 0.25, 1.0

_PIECE_SIGMA = 0.5 * RCG_RATE_HZ  # width of the weighting of pieces by the distance from the middle of their window
_CROSSFADE = 0.05  # of a cycle: width of the transition from the piece of one beat to that of the next
_MAX_CYCLE = 1.25 * (CYCLE_MIN + CYCLE_CLASSES)  # a longer distance between two beats means that a beat was missed


class Stitcher:
    """Fuse windows one by one. The ECG returned is final and ends `delay_s` before the end of the latest window."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        self._delay = round(delay_s * RCG_RATE_HZ)
        self._end = 0  # sample number in the stream after the end of the buffers
        self._density: Float64 = np.zeros(_BUFFER_SAMPLES)
        self._weight: Float64 = np.zeros(_BUFFER_SAMPLES)
        self._pieces: deque[tuple[float, float, Float64]] = deque(maxlen=_BUFFER_SAMPLES // RCG_RATE_HZ)
        self._last: tuple[float, float] | None = None  # position and probability of the last final beat
        self._emitted_until = 0

    def push(self, outputs: TaskOutputs, end: int) -> EcgEstimate:
        """Add the outputs of the window that ends before sample `end` of the stream; return the ECG that is now final.

        Samples that no window covers are not `valid_mask`. Raises ValueError if `end` is not larger than before.
        """
        if end <= self._end:
            raise ValueError(
                f"the window ends at sample {end}, the previous one at {self._end}; the ends must increase"
            )
        step = min(end - self._end, _BUFFER_SAMPLES)
        for buffer in (self._density, self._weight):
            buffer[:-step] = buffer[step:]
            buffer[-step:] = 0
        self._end = end
        cycle = CYCLE_MIN + float(np.searchsorted(np.cumsum(outputs.cycle), 0.5))
        self._density[-SST_WINDOW:] += _WINDOW_WEIGHT * outputs.anchor * (SST_WINDOW / cycle)
        self._weight[-SST_WINDOW:] += _WINDOW_WEIGHT
        self._pieces.append((end - SST_WINDOW / 2, cycle, np.asarray(outputs.ecg, np.float64)))
        start, self._emitted_until = max(self._emitted_until, end - _BUFFER_SAMPLES), end - self._delay
        return self._stretch(start, max(start, self._emitted_until))

    def flush(self) -> EcgEstimate:
        """Return the rest of the ECG at the end of a stream, without the delay."""
        return self._stretch(max(self._emitted_until, self._end - _BUFFER_SAMPLES), self._end)

    def _stretch(self, start: int, stop: int) -> EcgEstimate:
        beats, probability = self._search_beats()
        t = np.arange(start, stop, dtype=float)
        ecg, known = np.zeros(len(t)), np.zeros(len(t), bool)
        pieces = [self._piece(beat) for beat in beats]
        for k in range(len(beats) - 1):
            if beats[k + 1] - beats[k] <= _MAX_CYCLE:
                inside = slice(*np.searchsorted(t, beats[k : k + 2]))
                fraction = (t[inside] - beats[k]) / (beats[k + 1] - beats[k])
                ecg[inside], known[inside] = _between(fraction, pieces[k], pieces[k + 1]), True
        decided = (beats >= start) & (beats < stop)
        if before := np.flatnonzero(beats < stop).tolist():
            self._last = float(beats[before[-1]]), float(probability[before[-1]])
        return EcgEstimate(start, ecg, known, beats[decided], probability[decided])

    def _search_beats(self) -> tuple[Float64, Float64]:
        """Find the best sequence of beats after the last final one with a Viterbi search: positions and probabilities.

        The states are the candidates. A beat adds its probability to the score; a transition subtracts a cost for the
        deviation of its length from the expected cycle.
        """
        positions, probabilities = self._candidates()
        if self._last:
            later = positions > self._last[0] + _MIN_DISTANCE
            positions = np.concatenate([[self._last[0]], positions[later]])
            probabilities = np.concatenate([[self._last[1]], probabilities[later]])
        if len(positions) == 0:
            return positions, probabilities
        score, predecessor = probabilities - _BREAK_EVEN_PROBABILITY, np.full(len(positions), -1)
        if self._last:
            score[1:] = -np.inf  # the sequence must start at the last final beat
        cycles = np.array([self._cycle(position) for position in positions])
        for k in range(1, len(positions)):
            distance = positions[k] - positions[:k]
            deviation = np.log(distance / cycles[:k]) / _LOG_WIDTH
            gain = (
                score[:k] - np.minimum(_COST * deviation**2, _MAX_COST) - np.where(distance < _MIN_DISTANCE, np.inf, 0)
            )
            if (best := int(gain.argmax())) >= 0 and gain[best] + probabilities[k] - _BREAK_EVEN_PROBABILITY > score[k]:
                score[k], predecessor[k] = gain[best] + probabilities[k] - _BREAK_EVEN_PROBABILITY, best
        path = [int(score.argmax())]
        while predecessor[path[-1]] >= 0:
            path.append(int(predecessor[path[-1]]))
        return positions[path[::-1]], probabilities[path[::-1]]

    def _candidates(self) -> tuple[Float64, Float64]:
        """Find the maxima of the density: positions in the stream, in fractional samples, and probabilities."""
        density = self._density / np.maximum(self._weight, _MIN_WEIGHT)
        smooth = gaussian_smooth(density, _SMOOTHING_SIGMA)
        probability = np.convolve(density, np.ones(2 * _PEAK_HALF_WIDTH + 1), "same")
        largest = sliding_maximum(smooth, _PEAK_HALF_WIDTH // 2, _PEAK_HALF_WIDTH // 2 - 1)
        peak = (smooth == largest) & (probability > _MIN_PROBABILITY)
        at = np.flatnonzero(peak)
        around = np.arange(-_PEAK_HALF_WIDTH, _PEAK_HALF_WIDTH + 1)
        cells = np.pad(smooth, _PEAK_HALF_WIDTH)[at[:, None] + _PEAK_HALF_WIDTH + around]
        positions = at + (cells * around).sum(axis=1) / cells.sum(axis=1)
        return positions + self._end - _BUFFER_SAMPLES, np.minimum(probability[at], 1)

    def _cycle(self, position: float) -> float:
        """Return the expected length, in samples, of the cycle that starts at a position."""
        weights = self._proximity(position)
        return float(np.exp(weights @ np.log([cycle for _, cycle, _ in self._pieces])))

    def _piece(self, position: float) -> Float64:
        """Return the ECG piece [ECG_PIECE_SAMPLES] of the beat at a position."""
        return np.asarray(self._proximity(position) @ np.stack([piece for _, _, piece in self._pieces]))

    def _proximity(self, position: float) -> Float64:
        away = (np.array([middle for middle, _, _ in self._pieces]) - position) / _PIECE_SIGMA
        weights = np.exp(-0.5 * np.minimum(away**2, 50))
        return np.asarray(weights / weights.sum())


def _between(fraction: Float64, this: Float64, following: Float64) -> Float64:
    """Return the ECG at `fraction` 0..1 from one R peak to the next: the end of one piece, the start of the next."""
    position = np.arange(ECG_PIECE_SAMPLES)
    ending = np.interp((ECG_PIECE_R_FRACTION + fraction) * ECG_PIECE_SAMPLES, position, this)
    beginning = np.interp((ECG_PIECE_R_FRACTION + fraction - 1) * ECG_PIECE_SAMPLES, position, following)
    fade = np.clip((fraction - (1 - ECG_PIECE_R_FRACTION)) / _CROSSFADE + 0.5, 0, 1)
    return np.asarray(ending * (1 - fade) + beginning * fade)
