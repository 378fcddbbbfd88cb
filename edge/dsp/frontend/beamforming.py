"""Near-field beamforming: from range profiles of all antenna pairs to the echoes of POINTS points of the chest.

The echo of a point arrives at antenna pair v with the phase of the path |p - tx| + |p - rx|, and the window spreads it
over a few bins. Both are known, so the matched filter of a point is one vector over antenna pairs and bins, and the
filters of many points are a matrix. Chen et al. 2022 use the same filter but sum over samples: 256 products, not 8.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edge.core.spec import SPEED_OF_LIGHT_M_S
from edge.core.types import Complex64, Complex128, Float64
from edge.dsp.frontend.chest_finder import MIN_HISTORY_S
from edge.dsp.frontend.point_selection import beat_score, select_points
from edge.radar.antennas import AWR1843
from edge.radar.calibration import UNCALIBRATED, Calibration
from edge.radar.chirp import ChirpConfig

# The volume searched around the range of the chest: half widths to the side and up, depth towards and away from the
# radar, and the distances between voxels. MMECG: +-0.4 m, 0.35 to 0.60 m deep, 9 x 17 x 9 voxels.
SIDE_M, UP_M, NEARER_M, FARTHER_M = 0.24, 0.24, 0.08, 0.12
STEP_M = (0.03, 0.02, 0.04)  # to the side, in depth, up: finer than the aperture's resolution
CENTRE_STEP_M = 0.01  # the searched volume moves in these steps, so that its filters can often be used again

HISTORY_S = 8.0
HISTORY_RATE_HZ = 50.0
REFOCUS_FRACTION = 0.6  # points are replaced when their score is below this fraction of the best available
SETTLING_FRACTION = 0.8  # the same if the chest has moved recently, because they were chosen during the movement
MIN_PAIRS = 8
AROUND_BINS = 4  # on each side of the chest's bin: the extent of the voxels' echoes
SLICE_LINES = 32  # lines of sight searched per step, which takes some milliseconds


def can_focus(chirp: ChirpConfig) -> bool:
    """Return whether the antenna positions are known and there are enough antenna pairs to separate points."""
    return chirp.band == "77GHz" and not chirp.fires_together and len(chirp.tx_order) * len(chirp.rx) >= MIN_PAIRS


class Beamformer:
    """Select points of the chest from the last seconds of profiles, and compute the echoes of these points."""

    def __init__(self, chirp: ChirpConfig, zone: slice, calibration: Calibration = UNCALIBRATED) -> None:
        self._chirp, self._zone, self._calibration = chirp, zone, calibration
        self._every = max(1, round(chirp.frame_rate_hz / HISTORY_RATE_HZ))
        self._rate_hz = chirp.frame_rate_hz / self._every
        self._history: deque[Complex64] = deque(maxlen=round(HISTORY_S * self._rate_hz))
        self._filters: Complex64 | None = None
        self._bins = slice(0, 0)
        self._searched = (0, slice(0, 0))
        self._searched_filters: dict[int, Complex64] = {}  # of the last search, by the slice's first line
        self.points_m: Float64 = np.zeros((0, 3))
        """The tracked points [POINTS, 3], m; empty before the first selection."""

    def push(self, profiles: Complex64) -> None:
        """Add profiles [frame, antenna pair, zone's bin] to the history, averaged to HISTORY_RATE_HZ."""
        whole = len(profiles) // self._every * self._every
        self._history.extend(profiles[:whole].reshape(-1, self._every, *profiles.shape[1:]).mean(axis=1))

    def refocus(self, index: int, range_m: float, settled_s: float = HISTORY_S) -> Iterator[bool]:
        """Select points around a chest at this range bin and range, from the profiles of the last `settled_s`.

        The search is a generator, so that it does not delay the stream: each value taken does one step of the work. The
        last value is True if the tracked points changed. They are kept while their score is at least REFOCUS_FRACTION
        (SETTLING_FRACTION after a recent movement) of the score of the new points.
        """
        bins = slice(max(self._zone.start, index - AROUND_BINS), min(self._zone.stop, index + AROUND_BINS + 1))
        settled = round(max(settled_s, MIN_HISTORY_S) * self._rate_hz)
        history = self._cut(np.stack(self._history)[-settled:], bins)
        centre = round(range_m / CENTRE_STEP_M)
        if self._searched != (centre, bins):
            self._searched, self._searched_filters = (centre, bins), {}
        grid, known = voxels(centre * CENTRE_STEP_M), self._searched_filters
        surface: list[_Surface] = []
        for first in range(0, len(grid), SLICE_LINES):
            part = grid[first : first + SLICE_LINES]
            if first not in known:
                known[first] = steering(self._chirp, part.reshape(-1, 3), bins, self._calibration)
            surface.append(_surface(history, part, known[first]))
            yield False
        points_m, filters, echo = (np.concatenate(parts) for parts in zip(*surface, strict=True))
        score, acceleration = beat_score(echo.T, self._rate_hz)
        yield False
        chosen = select_points(score, acceleration, points_m, np.square(np.abs(echo)).mean(axis=1))
        if self._filters is not None and bins == self._bins:
            now, _ = beat_score(history @ self._filters.T, self._rate_hz)
            share = REFOCUS_FRACTION if settled_s >= HISTORY_S else SETTLING_FRACTION
            if now.mean() >= share * score[chosen].mean():
                return
        self._filters, self._bins, self.points_m = filters[chosen], bins, points_m[chosen]
        yield True

    def echo(self, profiles: Complex64) -> Complex64:
        """Return the echoes [frame, POINTS] of the tracked points, from profiles [frame, antenna pair, zone's bin]."""
        assert self._filters is not None
        return np.asarray(self._cut(profiles, self._bins) @ self._filters.T)

    def _cut(self, profiles: Complex64, bins: slice) -> Complex64:
        start = self._zone.start
        return profiles[:, :, bins.start - start : bins.stop - start].reshape(len(profiles), -1)


_Surface = tuple[Float64, Complex64, Complex64]


def _surface(history: Complex64, grid: Float64, filters: Complex64) -> _Surface:
    """Find the point with the strongest echo on each line of sight [L, depth, 3].

    Returns the points [L, 3], their filters and their echoes [L, T].
    """
    echo = history @ filters.T
    power = np.square(np.abs(echo)).mean(axis=0).reshape(grid.shape[:2])
    strongest = np.arange(len(grid)) * grid.shape[1] + power.argmax(axis=1)
    return grid.reshape(-1, 3)[strongest], filters[strongest], echo[:, strongest].T


def voxels(range_m: float) -> Float64:
    """Return the points [line of sight, depth, 3] (x to the side, y away, z up; m) of a chest at this range."""
    x = np.arange(-SIDE_M, SIDE_M + 1e-9, STEP_M[0])
    z = np.arange(-UP_M, UP_M + 1e-9, STEP_M[2])
    away = np.arange(-NEARER_M, FARTHER_M + 1e-9, STEP_M[1]) + range_m
    across, up = (axis.ravel()[:, None] for axis in np.meshgrid(x, z, indexing="ij"))
    # Depth is measured along the line of sight, because the range of a chest off the axis is the same as on it.
    towards = np.sqrt(np.maximum(away**2 - across**2 - up**2, 1e-4))
    return np.stack(np.broadcast_arrays(across, towards, up), axis=2)


def steering(chirp: ChirpConfig, points_m: Float64, bins: slice, calibration: Calibration = UNCALIBRATED) -> Complex64:
    """Return matched filters [V, antenna pair x bin] of points [V, 3] for Hann-windowed profiles cut to `bins`.

    The result of a filter is the echo in the profile's unit over the sum of the window (half the samples).
    """
    echo = echoes(chirp, points_m, bins, calibration).reshape(len(points_m), -1)
    return np.asarray(echo.conj() / np.square(np.abs(echo)).sum(axis=1, keepdims=True), np.complex64)


def echoes(chirp: ChirpConfig, points_m: Float64, bins: slice, calibration: Calibration = UNCALIBRATED) -> Complex128:
    """Return the profiles [V, antenna pair, bin] of points [V, 3] with an echo of amplitude 1."""
    antennas = AWR1843.of(chirp)
    out_m = np.linalg.norm(points_m[:, None] - antennas.tx_m, axis=-1)
    back_m = np.linalg.norm(points_m[:, None] - antennas.rx_m, axis=-1)
    path_m = (out_m[:, :, None] + back_m[:, None, :]).reshape(len(points_m), -1)
    tau = (path_m + 2 * calibration.range_bias_m) / SPEED_OF_LIGHT_M_S
    start = 2 * math.pi * (chirp.start_hz * tau + chirp.slope_hz_s * (tau * chirp.adc_start_s - tau**2 / 2))
    turn = 2 * math.pi * chirp.slope_hz_s / chirp.sample_rate_hz * tau
    pairs = np.exp(1j * start) / np.array(calibration.factors)
    return np.asarray(pairs[:, :, None] * _window(turn, np.arange(bins.start, bins.stop), chirp.samples))


def _window(turn: Float64, bins: npt.NDArray[np.int64], n: int) -> Complex128:
    """Return the sum over k < n of w[k] exp(i k x) for the periodic Hann window w and x = turn - 2 pi bins / n.

    turn [V, pair] is in rad per sample, the result [V, pair, bin]. The window is a sum of three exponentials, each of
    which is a geometric series; they differ in one sine only. Sines and cosines of differences follow from those of
    both angles, of which there are far fewer.
    """
    bin_rad = 2 * math.pi / n
    on_bin = np.abs(np.remainder(turn / bin_rad + 0.5, 1) - 0.5) < 1e-6
    turn = np.where(on_bin, turn + 2e-6 * bin_rad, turn)[:, :, None]  # avoids 0/0 exactly on a bin
    share, late = math.sin(bin_rad / 2), math.cos(bin_rad / 2)
    s, c, sin_bin, cos_bin = np.sin(turn / 2), np.cos(turn / 2), np.sin(bin_rad / 2 * bins), np.cos(bin_rad / 2 * bins)
    sine, cosine = s * cos_bin - c * sin_bin, c * cos_bin + s * sin_bin
    before, after = 1 / (sine * late - cosine * share), 1 / (sine * late + cosine * share)
    edge_turn = 0.5 * bin_rad * (n - 1)
    series = np.empty(sine.shape, complex)
    series.real = 0.5 / sine + 0.25 * math.cos(edge_turn) * (before + after)
    series.imag = 0.25 * math.sin(edge_turn) * (after - before)
    whole = np.exp(0.5j * (n - 1) * turn) * np.sin(n / 2 * turn)
    return np.asarray(series * (whole * np.exp(-0.5j * (n - 1) * bin_rad * bins) * np.where(bins % 2, -1, 1)))
