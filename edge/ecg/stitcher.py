"""The network's windows to one long-term ECG: every beat is seen by several windows, and they are fused.

The anchors (task 2) of overlapping windows add up to a density of beats over time. Of its maxima the sequence is taken
that fits the cycle lengths (task 3) best: a weak beat in its position counts, a stray one elsewhere does not. Between two
R peaks the ECG pieces (task 1) are stretched to the cycle (radarODE-MTL section III; the fusion is ending).
"""

from __future__ import annotations

from collections import deque

import numpy as np
from scipy import ndimage

from edge.core.spec import CYCLE_CLASSES, CYCLE_MIN, PIECE, PIECE_R, RCG_RATE_HZ, SST_WINDOW
from edge.core.types import EcgEstimate, Float64, TaskOutputs

DELAY_S = 1.0
"""A beat is decided this long after it; to wait longer gains little (`bench/latency.py`, docs/quality.md)."""
_BUFFER_SAMPLES = 10 * RCG_RATE_HZ
# A window's first quarter of a second knows little of what came before, its last half of what comes after.
_WINDOW_WEIGHT = np.minimum(1, np.minimum(np.arange(1, SST_WINDOW + 1) / 50, np.arange(SST_WINDOW, 0, -1) / 100))
_MIN_WEIGHT = 0.5

_SMOOTHING_SIGMA = 2.0
_PEAK_HALF_WIDTH = 8  # a beat's probability is what lies within 40 ms of it
_MIN_DISTANCE = 60  # 0.3 s: beats are not closer
_MIN_PROBABILITY = 0.02
_BREAK_EVEN_PROBABILITY = 0.3  # a beat of this probability neither gains nor costs anything by itself
# A cycle e^0.3 times as long as the network says costs a quarter of a beat, one twice as long a whole beat.
_LOG_WIDTH, _COST, _MAX_COST = 0.3, 0.25, 1.0

_PIECE_SIGMA = 0.5 * RCG_RATE_HZ  # how near a window's middle a beat must be to be drawn mainly by it
_CROSSFADE = 0.05  # of a cycle: one beat's piece fades into the next's
_MAX_CYCLE = 1.25 * (CYCLE_MIN + CYCLE_CLASSES)  # a longer distance from beat to beat has a beat missing


class Stitcher:
    """Streaming: the outputs of a window in, the stretch of ECG that has become ripe out, `delay_s` behind its end."""

    def __init__(self, delay_s: float = DELAY_S) -> None:
        self._delay = round(delay_s * RCG_RATE_HZ)
        self._end = 0  # the stream's sample after the buffers' last
        self._density: Float64 = np.zeros(_BUFFER_SAMPLES)
        self._weight: Float64 = np.zeros(_BUFFER_SAMPLES)
        self._pieces: deque[tuple[float, float, Float64]] = deque(maxlen=_BUFFER_SAMPLES // RCG_RATE_HZ)
        self._last: tuple[float, float] | None = None  # position and probability of the last beat decided
        self._emitted_until = 0

    def push(self, outputs: TaskOutputs, end: int) -> EcgEstimate:
        """The outputs of the window before sample `end` of the stream, which rises from call to call.

        Where no window was pushed nothing is known. Raises ValueError when `end` does not rise.
        """
        if end <= self._end:
            raise ValueError(f"the window ends at sample {end}, the one before at {self._end}; they must rise")
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

    def finish(self) -> EcgEstimate:
        """The end of a stream: what had still to ripen, as well as it is known."""
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
        """The best sequence of beats from the last decided one on: positions and probabilities."""
        positions, probabilities = self._candidates()
        if self._last:
            later = positions > self._last[0] + _MIN_DISTANCE
            positions = np.concatenate([[self._last[0]], positions[later]])
            probabilities = np.concatenate([[self._last[1]], probabilities[later]])
        if len(positions) == 0:
            return positions, probabilities
        score, predecessor = probabilities - _BREAK_EVEN_PROBABILITY, np.full(len(positions), -1)
        if self._last:
            score[1:] = -np.inf  # the sequence goes on from there
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
        """Maxima of the density: positions in the stream, to a fraction of a sample, and probabilities."""
        density = self._density / np.maximum(self._weight, _MIN_WEIGHT)
        smooth = ndimage.gaussian_filter1d(density, _SMOOTHING_SIGMA, mode="constant")
        probability = ndimage.convolve1d(density, np.ones(2 * _PEAK_HALF_WIDTH + 1), mode="constant")
        peak = (smooth == ndimage.maximum_filter1d(smooth, _PEAK_HALF_WIDTH)) & (probability > _MIN_PROBABILITY)
        at = np.flatnonzero(peak)
        around = np.arange(-_PEAK_HALF_WIDTH, _PEAK_HALF_WIDTH + 1)
        cells = np.pad(smooth, _PEAK_HALF_WIDTH)[at[:, None] + _PEAK_HALF_WIDTH + around]
        positions = at + (cells * around).sum(axis=1) / cells.sum(axis=1)
        return positions + self._end - _BUFFER_SAMPLES, np.minimum(probability[at], 1)

    def _cycle(self, position: float) -> float:
        """The length of the cycle that begins at a position, in samples."""
        weights = self._proximity(position)
        return float(np.exp(weights @ np.log([cycle for _, cycle, _ in self._pieces])))

    def _piece(self, position: float) -> Float64:
        """The ECG piece of the beat at a position [PIECE]."""
        return np.asarray(self._proximity(position) @ np.stack([piece for _, _, piece in self._pieces]))

    def _proximity(self, position: float) -> Float64:
        away = (np.array([middle for middle, _, _ in self._pieces]) - position) / _PIECE_SIGMA
        weights = np.exp(-0.5 * np.minimum(away**2, 50))
        return np.asarray(weights / weights.sum())


def _between(fraction: Float64, this: Float64, following: Float64) -> Float64:
    """The ECG at `fraction` 0..1 of the distance from one R peak to the next: one piece's end, then the next one's beginning."""
    position = np.arange(PIECE)
    ending = np.interp((PIECE_R + fraction) * PIECE, position, this)
    beginning = np.interp((PIECE_R + fraction - 1) * PIECE, position, following)
    fade = np.clip((fraction - (1 - PIECE_R)) / _CROSSFADE + 0.5, 0, 1)
    return np.asarray(ending * (1 - fade) + beginning * fade)
