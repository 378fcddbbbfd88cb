"""Finds the cardiac cycles in RCG alone, without a network: the first step of radarODE's long-term stage.

Every beat shakes the chest. The energy of all points between 2 and 20 Hz therefore has a maximum per beat. Beats are
the sequence of maxima whose intervals agree best with the local period (a beat tracker by dynamic programming, as in
Ellis, "Beat tracking by dynamic programming", 2007). The period is from the autocorrelation of the energy.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float32, Float64

BAND_HZ = (2.0, 20.0)
RATE_HZ = 50
"""Rate of the energy."""
SMOOTHING_S, LEVEL_S = 0.08, 2.0
MIN_CYCLE_S, MAX_CYCLE_S = 0.33, 1.5
PERIOD_WINDOW_S = 10.0
TIGHTNESS = 30.0
"""Cost of an interval e times as long as the period, in standard deviations of the energy."""

_LAGS = np.arange(round(MIN_CYCLE_S * RATE_HZ), round(MAX_CYCLE_S * RATE_HZ) + 1)


def find_cycles(rcg: Float32) -> Float64:
    """Return the times [k] of the beats' mechanical maxima in RCG [P, n], in samples, rising.

    They follow the R peaks by the delay between the electrical and the mechanical beat, which is unknown.
    """
    energy = beat_energy(rcg)
    periods = _periods(energy)
    score, before = energy.copy(), np.full(len(energy), -1)
    for t in range(_LAGS[0], len(energy)):
        lags = _LAGS[t - _LAGS >= 0]
        reached = score[t - lags] - TIGHTNESS * np.log(lags / periods[t]) ** 2
        best = int(reached.argmax())
        if reached[best] > 0:
            score[t] += reached[best]
            before[t] = t - lags[best]
    beats = [len(energy) - _LAGS[-1] + int(score[-_LAGS[-1] :].argmax())]
    while before[beats[-1]] >= 0:
        beats.append(int(before[beats[-1]]))
    return np.array([_refine(energy, beat) for beat in beats[::-1]]) * RCG_RATE_HZ / RATE_HZ


def beat_energy(rcg: Float32) -> Float64:
    """Return the energy of the beats at RATE_HZ: mean of all points, relative to its surroundings of some seconds."""
    band = signal.butter(2, BAND_HZ, "bandpass", fs=RCG_RATE_HZ, output="sos")
    power = np.square(signal.sosfiltfilt(band, rcg.astype(np.float64)))
    power /= np.median(power, axis=1, keepdims=True) + 1e-30  # the median ignores movements
    step = RCG_RATE_HZ // RATE_HZ
    smooth = ndimage.gaussian_filter1d(np.sqrt(power).mean(axis=0), SMOOTHING_S * RCG_RATE_HZ / 2)[::step]
    level = ndimage.uniform_filter1d(smooth, round(LEVEL_S * RATE_HZ))
    spread = np.sqrt(ndimage.uniform_filter1d(np.square(smooth - level), round(LEVEL_S * RATE_HZ)))
    return np.asarray((smooth - level) / (spread + 1e-12))


def _periods(energy: Float64) -> Float64:
    """Return the local period [n] in samples of the energy."""
    reach, step = round(PERIOD_WINDOW_S * RATE_HZ / 2), RATE_HZ
    centres = np.arange(0, len(energy), step)
    found = []
    for centre in centres:
        part = energy[max(0, centre - reach) : centre + reach]
        power = np.abs(np.fft.rfft(part, 2 * len(part))) ** 2
        correlation = np.fft.irfft(power)[: len(part)]
        found.append(float(_LAGS[correlation[_LAGS].argmax()]))  # not normalised: of multiples, the shortest is highest
    smooth = ndimage.median_filter(np.array(found), 5, mode="nearest")
    return np.interp(np.arange(len(energy)), centres, smooth)


def _refine(energy: Float64, beat: int) -> float:
    """Return the maximum of the parabola through the beat and its neighbours."""
    if not 0 < beat < len(energy) - 1:
        return float(beat)
    left, middle, right = energy[beat - 1 : beat + 2]
    bend = left - 2 * middle + right
    return beat + float(np.clip(0.5 * (left - right) / bend, -1, 1)) if bend < 0 else float(beat)
