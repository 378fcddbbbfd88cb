"""Motion of the heart without a network: the heart waveform, and how periodic the chest's motion is.

Two signals of each channel are correlated: the envelope of the RCG between 2 and 20 Hz, which has one peak a beat
because each beat shakes the chest; and the displacement between 1.1 and 4 Hz, which is the pulse itself and the only
usable signal at low frame rates. Their autocorrelations are averaged over the channels, weighted by power.
"""

from __future__ import annotations

import numpy as np

from edge.core.spec import RCG_RATE_HZ, WAVEFORM_RATE_HZ, WINDOW_S
from edge.core.types import Float64, RcgBlock, Waveform
from edge.filters.butterworth import butterworth
from edge.filters.sections import SectionFilter
from edge.vitals.rate_evidence import LONGEST_CYCLE_S, RateEvidence, autocorrelate, periodicity

MIN_HISTORY_S = 4.0
ENVELOPE_BAND_HZ = (2.0, 20.0)
SMOOTH_HZ = 10.0
PULSE_BAND_HZ = (1.1, 4.0)
PULSE_ORDER = 4  # steep, because harmonics of breathing up to 1 Hz look like a slow heart rate
BEAT_BAND_HZ = (0.6, 5.0)  # of the envelope: slower changes are posture, faster ones are not beats

_DECIMATE = RCG_RATE_HZ // WAVEFORM_RATE_HZ
_LAGS = round(2 * LONGEST_CYCLE_S * WAVEFORM_RATE_HZ) + 2
_VIBRATION = butterworth(2, ENVELOPE_BAND_HZ, "bandpass", RCG_RATE_HZ)
_SMOOTH = butterworth(2, SMOOTH_HZ, "lowpass", RCG_RATE_HZ)
_PULSE = butterworth(PULSE_ORDER, PULSE_BAND_HZ, "bandpass", RCG_RATE_HZ)
_BEAT = butterworth(2, BEAT_BAND_HZ, "bandpass", WAVEFORM_RATE_HZ)


class HeartMotion:
    """Collect the last WINDOW_S of envelope and pulse."""

    def __init__(self) -> None:
        self._sample0 = 0
        self._restart()

    def _restart(self) -> None:
        self._vibration, self._smooth = SectionFilter(_VIBRATION), SectionFilter(_SMOOTH)
        self._pulse, self._beat = SectionFilter(_PULSE), SectionFilter(_BEAT)
        self._origin: Float64 | None = None
        self._weights: Float64 = np.zeros(0)
        self._phase = 0  # of the decimation, in samples
        self.reset()

    def reset(self) -> None:
        """Discard the history, because the chest moved and the signal is not of the heart alone."""
        self._views: list[list[Float64]] = [[], []]

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
        """Return the length of the present history."""
        samples: int = sum(piece.shape[1] for piece in self._views[0])
        return min(samples / WAVEFORM_RATE_HZ, WINDOW_S)

    def evidence(self) -> dict[str, RateEvidence]:
        """Return the evidence `envelope` and `pulse` of the last WINDOW_S; none before MIN_HISTORY_S."""
        for view in self._views:
            view[:] = [np.concatenate(view, axis=1)[:, -round(WINDOW_S * WAVEFORM_RATE_HZ) :]] if view else []
        if self.window_s() < MIN_HISTORY_S:
            return {}
        mean = (self._weights @ autocorrelate(view[0], _LAGS) for view in self._views)
        return dict(zip(("envelope", "pulse"), (periodicity(c, WAVEFORM_RATE_HZ) for c in mean), strict=True))
