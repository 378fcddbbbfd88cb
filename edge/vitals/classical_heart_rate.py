"""Heart rate without a network: autocorrelation over all channels and a Bayesian tracker of the rate.

Two signals of each channel are correlated: the envelope of the RCG between 2 and 20 Hz, which has one peak a beat
because each beat shakes the chest; and the displacement between 1.1 and 4 Hz, which is the pulse itself and the only
usable signal at low frame rates. Their autocorrelations are averaged over the channels, weighted by power. The score
of a rate is the value at one period, plus half the value at two periods, minus half the envelope's value at half a
period. The last term rejects half the true rate, because twice the true period has a peak in its middle.

The score updates a Bayesian filter of the rate with a random walk between updates. The posterior probability near the
best rate is the confidence. As a posterior is only relative, a rate is also marked as uncertain if the score itself is
low (`low_snr`), or if the rate is a harmonic of breathing that the envelope does not confirm (`model_uncertain`).
The constants were set on recordings with a reference ECG and on simulated radar data (`bench/classical.py`).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import signal

from edge.core.spec import HEART_RATE_RANGE_BPM, RCG_RATE_HZ, WAVEFORM_RATE_HZ, WINDOW_S
from edge.core.types import Float64, RateEstimate, RcgBlock, UncertaintyReason, Waveform

MIN_WINDOW_S = 6.0
ENVELOPE_BAND_HZ = (2.0, 20.0)
SMOOTH_HZ = 10.0
PULSE_BAND_HZ = (1.1, 4.0)
PULSE_ORDER = 4  # steep, because harmonics of breathing up to 1 Hz look like a slow heart rate
BEAT_BAND_HZ = (0.6, 5.0)  # of the envelope: slower changes are posture, faster ones are not beats

LIKELIHOOD_WEIGHT = 3.0  # of one second's score; low, because the windows of successive updates overlap
WALK_BPM = 1.0  # standard deviation of the random walk in one update
RESET_PROBABILITY = 0.05  # probability, in one update, that the tracked rate is wrong
# The larger of both is the range around the best rate that counts as near: fast rates have a coarser resolution.
NEAR_BPM, NEAR_FRACTION = 4.0, 0.05

MIN_SCORE = 0.35  # white noise stays near 0, a clean beat is near 1
HARMONICS = (2, 3, 4, 5)  # of breathing; strong when breathing is shallow or irregular
HARMONIC_FRACTION = 0.05
MIN_ENVELOPE_CORRELATION = 0.35  # confirms a rate at a harmonic of breathing
SPEED_HARMONIC = 2  # never confirmed: the chest is fastest twice a breath, and so is noise caused by its speed

_DECIMATE = RCG_RATE_HZ // WAVEFORM_RATE_HZ
_RATES_BPM = np.arange(HEART_RATE_RANGE_BPM[0], HEART_RATE_RANGE_BPM[1] + 1)
_LAGS = WAVEFORM_RATE_HZ * 60 / _RATES_BPM
_WALK: Float64 = np.exp(-0.5 * ((_RATES_BPM[:, None] - _RATES_BPM) / WALK_BPM) ** 2)
_WALK /= _WALK.sum(axis=0)


class _Filter:
    """Causal filter along time for P channels that keeps its state between blocks."""

    def __init__(self, edges_hz: float | tuple[float, float], rate_hz: float, order: int = 2) -> None:
        kind: Literal["bandpass", "lowpass"] = "bandpass" if isinstance(edges_hz, tuple) else "lowpass"
        self._sos = signal.butter(order, edges_hz, kind, output="sos", fs=rate_hz)
        self._state: Float64 | None = None

    def __call__(self, x: Float64) -> Float64:
        if self._state is None:
            self._state = np.zeros((len(self._sos), len(x), 2))
        y, state = signal.sosfilt(self._sos, x, zi=self._state)
        self._state = np.asarray(state, np.float64)
        return np.asarray(y, np.float64)


class HeartRateEstimator:
    """Streaming estimator: call `push` with every block and `update` once a second."""

    def __init__(self) -> None:
        self._sample0 = 0
        self._posterior = np.full(len(_RATES_BPM), 1 / len(_RATES_BPM))
        self._restart()

    def _restart(self) -> None:
        self._vibration = _Filter(ENVELOPE_BAND_HZ, RCG_RATE_HZ)
        self._smooth = _Filter(SMOOTH_HZ, RCG_RATE_HZ)
        self._pulse = _Filter(PULSE_BAND_HZ, RCG_RATE_HZ, PULSE_ORDER)
        self._beat = _Filter(BEAT_BAND_HZ, WAVEFORM_RATE_HZ)
        self._origin: Float64 | None = None
        self._weights: Float64 = np.zeros(0)
        self._phase = 0  # of the decimation, in samples
        self.reset()

    def reset(self) -> None:
        """Discard the history, because the chest moved and the signal is not of the heart alone."""
        self._views: list[list[Float64]] = [[], []]
        self._posterior[:] = 1 / len(_RATES_BPM)

    def push(self, block: RcgBlock) -> Waveform:
        """Add a block and return its piece of the heart waveform at WAVEFORM_RATE_HZ."""
        if block.restarted:
            self._restart()
        if self._origin is None:
            self._origin = block.displacement_mm[:, :1].copy()  # avoids a step from zero at the filter input
        envelope = self._smooth(np.abs(self._vibration(block.rcg_mm_s2)))
        pulse = self._pulse(block.displacement_mm - self._origin)
        kept = slice(-self._phase % _DECIMATE, None, _DECIMATE)
        self._phase = (self._phase + envelope.shape[1]) % _DECIMATE
        beat = self._beat(envelope[:, kept])
        for view, piece in zip(self._views, (beat, pulse[:, kept]), strict=True):
            view.append(piece)
        self._weights = block.weights
        wave = Waveform(
            block.t_ns,
            self._sample0,
            WAVEFORM_RATE_HZ,
            self._weights @ beat,
            coverage=float(block.covered.mean()),
            continues=not block.restarted,
        )
        self._sample0 += len(wave.samples)
        return wave

    def window_s(self) -> float:
        """Return the length of the history that the next update will use."""
        samples: int = sum(piece.shape[1] for piece in self._views[0])
        return min(samples / WAVEFORM_RATE_HZ, WINDOW_S)

    def update(self, breathing_bpm: float | None = None) -> RateEstimate:
        """Advance the tracker by one step on the last WINDOW_S; no rate before MIN_WINDOW_S.

        Rates at harmonics of `breathing_bpm` are checked more strictly.
        """
        for view in self._views:
            view[:] = [np.concatenate(view, axis=1)[:, -round(WINDOW_S * WAVEFORM_RATE_HZ) :]] if view else []
        if self.window_s() < MIN_WINDOW_S:
            return RateEstimate()
        self._posterior = (1 - RESET_PROBABILITY) * (_WALK @ self._posterior) + RESET_PROBABILITY / len(_RATES_BPM)
        score, envelope = self.score()
        self._posterior *= np.exp(LIKELIHOOD_WEIGHT * score)
        self._posterior /= self._posterior.sum()
        best = _RATES_BPM[self._posterior.argmax()]
        near = np.abs(_RATES_BPM - best) <= max(NEAR_BPM, NEAR_FRACTION * best)
        confidence = float(self._posterior[near].sum())
        bpm = float((self._posterior * _RATES_BPM)[near].sum() / confidence)
        harmonics = {k for k in HARMONICS if breathing_bpm and abs(bpm - k * breathing_bpm) < HARMONIC_FRACTION * bpm}
        index = int(best - _RATES_BPM[0])
        reason: UncertaintyReason | None = None
        if score[index] < MIN_SCORE:
            reason = "low_snr"
        elif SPEED_HARMONIC in harmonics or (harmonics and envelope[index] < MIN_ENVELOPE_CORRELATION):
            reason = "model_uncertain"
        below = np.cumsum(self._posterior)
        interval = np.interp((0.025, 0.975), below - self._posterior / 2, _RATES_BPM)
        return RateEstimate(bpm, confidence, reason, (float(interval[0]), float(interval[1])))

    def score(self) -> tuple[Float64, Float64]:
        """Return score and envelope correlation of each whole rate in HEART_RATE_RANGE_BPM on the present window."""
        envelope, pulse = (self._weights @ _autocorrelation(view[0]) for view in self._views)
        lags = np.arange(len(envelope))
        both = (envelope + pulse) / 2
        score = np.interp(_LAGS, lags, both) + 0.5 * np.interp(2 * _LAGS, lags, both, right=0)
        score -= 0.5 * np.maximum(0, np.interp(_LAGS / 2, lags, envelope))
        return score, np.interp(_LAGS, lags, envelope)


def _autocorrelation(x: Float64) -> Float64:
    """Return the unbiased autocorrelation [P, lags] of [P, n]; each channel is 1 at lag 0."""
    n = x.shape[1]
    lags = min(n - 1, round(2.0 * _LAGS[0]) + 1)
    power = np.square(np.abs(np.fft.rfft(x - x.mean(axis=1, keepdims=True), 2 * n)))
    correlation = np.fft.irfft(power)[:, :lags] * (n / (n - np.arange(lags)))
    return np.asarray(correlation / np.maximum(correlation[:, :1], 1e-30))
