"""Finds the beats of a seismocardiogram or a clear radar cardiogram without an ECG, from the whole recording.

1. The envelope of the vibration has one peak a beat. Its autocorrelation in windows of WINDOW_S, and a Viterbi path
   through the rates, give the rate of every second (`Rate`).
2. Dynamic programming chooses the beats: peaks of the envelope at cycles close to that rate.
3. The median beat is the template; its correlation with the recording replaces the envelope, and 2 is repeated.

A beat's time is that of the template, so it has a constant but unknown delay after the R peak. A window is `clear` if
the envelope's rate is pronounced, and the beats have that rate and look like the template: two checks of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, signal

from edge.core.spec import RCG_RATE_HZ, WINDOW_S
from edge.core.types import Bool, Float64

BAND_HZ = (5.0, 40.0)
SMOOTH_HZ = 8.0
BEAT_BAND_HZ = (0.6, 5.0)  # of the envelope, for the rate
ENVELOPE_RATE_HZ = 100
RATES_BPM: Float64 = np.exp(np.arange(np.log(38), np.log(190), 0.02))
MAX_CHANGE = 0.04  # of the rate's logarithm in a second
USUAL_BPM, UNUSUAL_COST = 65.0, 0.5  # people at rest; the heart sounds of one beat look like twice the rate
ALTERNATION = 0.5  # weight of the correlation at half a cycle, which is high for twice the true cycle
STIFFNESS = 25.0  # cost of a cycle whose logarithm differs by 1 from that of the rate
TEMPLATE_S = (-0.2, 0.4)  # around the beat: both heart sounds
ROUNDS = 3
MIN_ENVELOPE_CORRELATION = 0.4  # white noise hardly reaches it
MIN_TEMPLATE_CORRELATION = 0.6
MAX_RATE_DIFFERENCE = 0.1


@dataclass(frozen=True)
class MotionBeats:
    """Beats of a recording: times_s [k], rising; likeness [k], correlation of each with the template, -1..1.

    clear [s] and bpm [s]: whether the WINDOW_S up to the end of second s is clear, and the mean rate of its beats (NaN
    with fewer than three cycles).
    """

    times_s: Float64
    likeness: Float64
    clear: Bool
    bpm: Float64


def find_motion_beats(acceleration: Float64) -> MotionBeats:
    """Find the beats in acceleration [n] at RCG_RATE_HZ; the unit does not matter."""
    band = signal.butter(2, BAND_HZ, "bandpass", fs=RCG_RATE_HZ, output="sos")
    x = signal.sosfiltfilt(band, acceleration)
    # A knock or a movement must not outweigh the beats around it.
    loudness = np.sqrt(ndimage.median_filter(ndimage.uniform_filter1d(x * x, RCG_RATE_HZ // 2), 5 * RCG_RATE_HZ))
    x = np.clip(x / np.maximum(loudness, 1e-30), -8, 8)
    smooth = signal.butter(2, SMOOTH_HZ, fs=RCG_RATE_HZ, output="sos")
    envelope = signal.sosfiltfilt(smooth, np.abs(x))[:: RCG_RATE_HZ // ENVELOPE_RATE_HZ]
    beat = signal.butter(2, BEAT_BAND_HZ, "bandpass", fs=ENVELOPE_RATE_HZ, output="sos")
    bpm, strength = _rates(signal.sosfiltfilt(beat, envelope))
    likelihood = envelope / max(float(envelope.std()), 1e-30)
    beats = _choose_beats(likelihood, bpm)
    for _ in range(ROUNDS):
        likelihood = _template_correlation(x, beats)[:: RCG_RATE_HZ // ENVELOPE_RATE_HZ]
        beats = _choose_beats(4 * likelihood, bpm)
    return _assess(beats, likelihood, bpm, strength)


def _rates(envelope: Float64) -> tuple[Float64, Float64]:
    """Return the rate [s] in the window up to the end of each second, and the envelope's correlation at its cycle."""
    window, seconds = round(WINDOW_S * ENVELOPE_RATE_HZ), len(envelope) // ENVELOPE_RATE_HZ
    scores, at_cycle = np.zeros((2, seconds, len(RATES_BPM)))
    lags = 60 * ENVELOPE_RATE_HZ / RATES_BPM
    for second in range(seconds):
        stop = (second + 1) * ENVELOPE_RATE_HZ
        correlation = _autocorrelation(envelope[max(0, stop - window) : stop])
        known = np.arange(len(correlation))
        at_cycle[second] = np.interp(lags, known, correlation, right=0)
        scores[second] = at_cycle[second] + 0.5 * np.interp(2 * lags, known, correlation, right=0)
        scores[second] -= ALTERNATION * np.maximum(0, np.interp(lags / 2, known, correlation, right=0))
    reach = round(MAX_CHANGE / np.log(RATES_BPM[1] / RATES_BPM[0]))
    scores -= UNUSUAL_COST * np.square(np.log(RATES_BPM / USUAL_BPM))
    path = _viterbi(scores, reach)
    return RATES_BPM[path], at_cycle[np.arange(seconds), path]


def _autocorrelation(x: Float64) -> Float64:
    x, n = x - x.mean(), len(x)
    correlation = np.fft.irfft(np.square(np.abs(np.fft.rfft(x, 2 * n))))[: n // 2]
    return np.asarray(correlation / max(correlation[0], 1e-30) * (n / (n - np.arange(len(correlation)))))


def _viterbi(scores: Float64, reach: int) -> np.ndarray:
    """Return the states [n] with the highest sum of scores [n, m] that change by at most `reach` a step."""
    total, origin = scores[:1].copy(), np.zeros(scores.shape, int)
    states = np.arange(scores.shape[1])
    best = total[0]
    for step in range(1, len(scores)):
        near = np.clip(states[:, None] + np.arange(-reach, reach + 1), 0, len(states) - 1)
        chosen = best[near].argmax(axis=1)
        origin[step] = near[states, chosen]
        best = best[origin[step]] + scores[step]
    path = np.zeros(len(scores), int)
    path[-1] = best.argmax()
    for step in range(len(scores) - 1, 0, -1):
        path[step - 1] = origin[step, path[step]]
    return path


def _choose_beats(likelihood: Float64, bpm: Float64) -> np.ndarray:
    """Return the beats' samples: highest sum of likelihoods [n], less STIFFNESS (log(cycle / usual cycle))^2 a cycle.

    Every recording is full of beats; whether they are real is assessed afterwards.
    """
    n = len(likelihood)
    second = np.minimum(np.arange(n) // ENVELOPE_RATE_HZ, len(bpm) - 1)
    usual = 60 * ENVELOPE_RATE_HZ / bpm[second]
    total, previous = likelihood.copy(), np.full(n, -1)
    for k in range(1, n):
        first, last = max(0, k - round(1.8 * usual[k])), k - round(0.55 * usual[k])
        if last <= first:
            continue
        gains = total[first:last] - STIFFNESS * np.square(np.log((k - np.arange(first, last)) / usual[k]))
        if (best := int(gains.argmax())) >= 0 and gains[best] > 0:
            total[k], previous[k] = likelihood[k] + gains[best], first + best
    tail = max(0, n - round(1.5 * usual[-1]))
    chosen = [tail + int(total[tail:].argmax())]
    while previous[chosen[-1]] >= 0:
        chosen.append(int(previous[chosen[-1]]))
    return np.array(chosen[::-1])


def _template_correlation(x: Float64, beats: np.ndarray) -> Float64:
    """Return the normalised correlation [n] of x [n] with its median beat."""
    before, after = (round(-TEMPLATE_S[0] * RCG_RATE_HZ), round(TEMPLATE_S[1] * RCG_RATE_HZ))
    at = beats * (RCG_RATE_HZ // ENVELOPE_RATE_HZ)
    at = at[(at >= before) & (at + after <= len(x))]
    if len(at) == 0:
        return np.zeros(len(x))
    template = np.median(x[at[:, None] + np.arange(-before, after)], axis=0)
    template -= template.mean()
    norm = max(float(np.linalg.norm(template)), 1e-30)
    match = np.correlate(np.pad(x, (before, after)), template)[: len(x)]
    energy = ndimage.uniform_filter1d(x * x, before + after, origin=(before - after) // 2) * (before + after)
    return np.asarray(match / (norm * np.sqrt(np.maximum(energy, 1e-30))))


def _assess(beats: np.ndarray, likelihood: Float64, bpm: Float64, strength: Float64) -> MotionBeats:
    times_s, likeness = beats / ENVELOPE_RATE_HZ, likelihood[beats]
    seconds = len(bpm)
    clear, mean_bpm = np.zeros(seconds, bool), np.full(seconds, np.nan)
    for second in range(seconds):
        inside = (times_s > second + 1 - WINDOW_S) & (times_s <= second + 1)
        cycles_s = np.diff(times_s[inside])
        if len(cycles_s) >= 3:
            mean_bpm[second] = 60 / cycles_s.mean()
            clear[second] = (
                second + 1 >= WINDOW_S
                and strength[second] >= MIN_ENVELOPE_CORRELATION
                and np.median(likeness[inside]) >= MIN_TEMPLATE_CORRELATION
                and abs(np.log(mean_bpm[second] / bpm[second])) <= MAX_RATE_DIFFERENCE
            )
    return MotionBeats(times_s, likeness, clear, mean_bpm)
