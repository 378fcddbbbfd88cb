"""Selection of the points of the chest to track: those whose acceleration repeats with every beat.

After Chen et al. 2022 (MMECG): a score of how periodically each voxel's acceleration repeats, limits for power and for
phase slips, and a clustering by signal and position into as many clusters as channels. Their score is a time-warped
template, computed offline; ours is the autocorrelation of the acceleration's envelope, which needs no template.
"""

from __future__ import annotations

import numpy as np

from edge.core.types import Complex64, Float64
from edge.filters.butterworth import butterworth
from edge.filters.sections import filter_both_ways

POINTS = 50
BEAT_PERIOD_S = (0.4, 1.5)
VIBRATION_BAND_HZ = (4.0, 20.0)  # the upper edge is lower at low rates
ENVELOPE_HZ = 5.0
# A voxel this far below the strongest contains mostly side lobes of its neighbours and noise.
POWER_GATE_DB = 8.0
SLIP_RAD = 2.0  # a phase step that differs this much from the common step is a slip, not motion of the chest
MAX_SLIPS_A_S = 0.5
SCORE_GATE = 0.85  # fraction of the best voxels' score
SIGNAL_WEIGHT_M = 0.10  # distance that two opposite signals correspond to
KMEANS_ITERATIONS = 8


def beat_score(echo: Complex64, rate_hz: float) -> tuple[Float64, Float64]:
    """Return the score [V], about 0 to 1, and the acceleration [V, T], scaled to rms 1, of echoes [T, V].

    The score is the highest autocorrelation of the acceleration's envelope at the lag of a heartbeat; 0 for voxels with
    too little power or too many slips.
    """
    step = echo[1:] * echo[:-1].conj()
    common = np.angle(step.sum(axis=1, keepdims=True))
    deviation = np.angle(step * np.exp(-1j * common))
    phase = np.cumsum(common + deviation, axis=0).T
    low_hz, high_hz = VIBRATION_BAND_HZ
    band = butterworth(2, (low_hz, min(high_hz, 0.45 * rate_hz)), "bandpass", rate_hz)
    acceleration = filter_both_ways(band, np.gradient(np.gradient(phase, axis=1), axis=1))
    envelope = filter_both_ways(butterworth(2, ENVELOPE_HZ, "lowpass", rate_hz), np.abs(acceleration))
    lags = np.arange(round(BEAT_PERIOD_S[0] * rate_hz), round(BEAT_PERIOD_S[1] * rate_hz) + 1)
    score = _autocorrelation(envelope)[:, lags].max(axis=1)
    power = np.square(np.abs(echo)).mean(axis=0)
    slips_a_s = (np.abs(deviation) > SLIP_RAD).sum(axis=0) * rate_hz / len(deviation)
    good = (power > power.max() * 10 ** (-POWER_GATE_DB / 10)) & (slips_a_s < MAX_SLIPS_A_S)
    rms = np.sqrt(np.square(acceleration).mean(axis=1, keepdims=True)) + 1e-30
    return np.where(good, np.maximum(score, 0), 0), acceleration / rms


def select_points(score: Float64, acceleration: Float64, points_m: Float64, power: Float64) -> np.ndarray:
    """Return the indices [POINTS] of the best voxel of each cluster, ordered by position.

    A cluster contains voxels that are close in space and similar in signal. If there are fewer candidates than POINTS,
    the POINTS voxels with the highest scores are returned.
    """
    best = np.lexsort((power, score))[::-1]  # of voxels without a score, those with the strongest echo
    candidates = np.flatnonzero(score >= SCORE_GATE * score[best[: POINTS // 5]].mean())
    if len(candidates) <= POINTS:
        chosen = best[:POINTS]
    else:
        # The first principal components separate voxels as well as the full signals do.
        signals = acceleration[candidates]
        value, vector = np.linalg.eigh(signals @ signals.T / signals.shape[1])
        principal = vector[:, -6:] * np.sqrt(np.maximum(value[-6:], 0))
        position = np.concatenate([points_m[candidates], SIGNAL_WEIGHT_M / 2 * principal], axis=1)
        weight = score[candidates] * np.sqrt(power[candidates])
        chosen = candidates[_cluster_heads(position, weight)]
    return chosen[np.lexsort(points_m[chosen].T)]


def _cluster_heads(position: Float64, weight: Float64) -> np.ndarray:
    """Cluster by weighted k-means, initialised with farthest points; return the member of largest weight of each."""
    centres = [int(weight.argmax())]
    distance = np.linalg.norm(position - position[centres[0]], axis=1)
    while len(centres) < POINTS:
        centres.append(int((distance * np.sqrt(weight)).argmax()))
        distance = np.minimum(distance, np.linalg.norm(position - position[centres[-1]], axis=1))
    centre = position[centres]
    for _ in range(KMEANS_ITERATIONS):
        member = np.linalg.norm(position[:, None] - centre, axis=2).argmin(axis=1)
        total = np.bincount(member, weight, POINTS)
        for axis in range(position.shape[1]):
            moved = np.bincount(member, weight * position[:, axis], POINTS)
            centre[:, axis] = np.where(total > 0, moved / np.maximum(total, 1e-30), centre[:, axis])
    heads = [np.flatnonzero(member == k) for k in range(POINTS)]
    chosen = [int(head[weight[head].argmax()]) for head in heads if len(head)]
    rest = np.setdiff1d(np.arange(len(weight)), chosen)
    rest = rest[np.argsort(-weight[rest], kind="stable")]
    return np.array([*chosen, *rest[: POINTS - len(chosen)]])


def _autocorrelation(x: Float64) -> Float64:
    """Return the unbiased autocorrelation [V, lag] of rows [V, T], 1 at lag 0."""
    x = x - x.mean(axis=1, keepdims=True)
    n = x.shape[1]
    spectrum = np.fft.rfft(x, 2 * n, axis=1)
    raw = np.fft.irfft(np.square(np.abs(spectrum)), axis=1)[:, :n]
    return np.asarray(raw / (raw[:, :1] + 1e-30) * (n / (n - np.arange(n))))
