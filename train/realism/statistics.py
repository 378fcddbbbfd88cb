"""Computes statistics of recordings, to compare real and simulated ones.

All except the heart rates are computed in BAND_HZ: the set with the narrowest band (100 Hz, low-pass at 25 to 30 Hz)
has no signal above it, and breathing and sway are below it. The filters are non-causal.

A beat is BEAT samples of the signal. Its start relative to R depends on the set, because the radar's lag behind the ECG
may be unknown; the start with the most energy of the mean beat is used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64

BAND_HZ = (2.0, 25.0)
SLOPE_BAND_HZ = (8.0, 20.0)  # above it, the low-pass of the narrowest set has an effect
MS = 1000 / RCG_RATE_HZ  # per sample

BEAT = round(0.45 * RCG_RATE_HZ)
START = np.arange(
    round(-0.25 * RCG_RATE_HZ), round(0.15 * RCG_RATE_HZ)
)  # possible starts of a beat relative to R, in samples
MIN_BEATS = 5
SHIFT = round(0.05 * RCG_RATE_HZ)  # maximum shift of a beat, or a point, against the mean
FIRST = round(0.2 * RCG_RATE_HZ)
SECOND_S = (0.18, 0.40)  # after the first vibration: the duration of ejection
MIN_SECOND_PROMINENCE = 0.1  # minimum prominence of the second vibration, relative to the first one's height


@dataclass(frozen=True)
class BeatFigures:
    """Figures of the beats of one channel.

    snr_db: energy of the mean beat over that of a beat's residual, both without bias.
    jitter_ms: robust standard deviation of the vibration's time after R, by cross-correlation with the other beats'
    mean. shape: 1 - the mean correlation of a beat, so aligned, with that mean. strength: robust standard deviation of
    the beats' size along that mean, over their median. first_share: fraction of the mean beat's energy in the 0.2 s
    with the most energy. rest_hz: mean frequency of the residuals.
    """

    snr_db: float
    jitter_ms: float
    shape: float
    strength: float
    first_share: float
    rest_hz: float


def band_limited(rcg: npt.NDArray[np.floating]) -> Float64:
    """Filter [P, n] to BAND_HZ without a shift."""
    band = signal.butter(4, BAND_HZ, "bandpass", fs=RCG_RATE_HZ, output="sos")
    return np.asarray(signal.sosfiltfilt(band, rcg.astype(np.float64), axis=-1))


def power_spectrum(x: Float64) -> tuple[Float64, Float64]:
    """Return frequencies [f] in Hz and the power [f] of a channel [n], with a resolution of half a hertz."""
    return signal.welch(x, RCG_RATE_HZ, nperseg=2 * RCG_RATE_HZ)


def spectral_figures(x: Float64) -> tuple[float, float, float]:
    """Return slope in SLOPE_BAND_HZ in dB/octave, peak frequency and bandwidth in Hz of a band-limited channel [n].

    The bandwidth contains the middle 80 % of the energy.
    """
    f_hz, power = power_spectrum(x)
    inside = (f_hz >= SLOPE_BAND_HZ[0]) & (f_hz <= SLOPE_BAND_HZ[1])
    slope = np.polyfit(np.log2(f_hz[inside]), 10 * np.log10(power[inside] + 1e-30), 1)[0]
    share = np.cumsum(power) / power.sum()
    low_hz, high_hz = np.interp((0.1, 0.9), share, f_hz)
    return float(slope), float(f_hz[power.argmax()]), float(high_hz - low_hz)


def beat_start(x: Float64, r_peaks: Float64) -> int:
    """Return the start of beats [P, n] relative to R, in samples: that with the most energy of the mean beat."""
    reach = np.arange(START[0], START[-1] + BEAT)
    mean = _beats(x, r_peaks, reach).mean(axis=1)
    energy = np.concatenate([[0.0], np.cumsum(np.square(mean).sum(axis=0))])
    return int(START[(energy[BEAT:] - energy[:-BEAT]).argmax()])


def beat_figures(x: Float64, r_peaks: Float64, start: int) -> BeatFigures | None:
    """Return the figures of one band-limited channel [n] with R peaks in samples; None with under MIN_BEATS beats."""
    wide = _beats(x[None], r_peaks, _wide(start))[0]
    k = len(wide)
    if k < MIN_BEATS:
        return None
    beats = wide[:, SHIFT:-SHIFT]
    mean = beats.mean(axis=0)
    noise = float(np.square(beats - mean).sum()) / (k - 1)
    clean = max(float(np.square(mean).sum()) - noise / k, 1e-3 * noise)
    others = (beats.sum(axis=0) - beats) / (k - 1)
    late, like, size = np.transpose([match_to_mean(*pair) for pair in zip(wide, others, strict=True)])
    rest = np.square(np.abs(np.fft.rfft((beats - mean) * np.hanning(BEAT), 4 * BEAT))).sum(axis=0)
    energy = np.concatenate([[0.0], np.cumsum(np.square(mean))])
    return BeatFigures(
        snr_db=10 * float(np.log10(clean / noise)),
        jitter_ms=_robust_spread(late) * MS,
        shape=1 - float(like.mean()),
        strength=_robust_spread(size) / max(abs(float(np.median(size))), 1e-30),
        first_share=float((energy[FIRST:] - energy[:-FIRST]).max() / energy[-1]),
        rest_hz=float(np.average(np.fft.rfftfreq(4 * BEAT, 1 / RCG_RATE_HZ), weights=rest)),
    )


def ejection(x: Float64, r_peaks: Float64, start: int) -> tuple[float, float] | None:
    """Return the time from the first to the second vibration in ms, and the ratio of their heights.

    From the envelope of the mean beats of all channels [P, n]. None without a prominent second vibration.
    """
    mean = _beats(x, r_peaks, np.arange(start - 20, start + BEAT + 80)).mean(axis=1)
    envelope = np.sqrt(np.square(np.abs(signal.hilbert(mean))).sum(axis=0))
    smooth = signal.sosfiltfilt(signal.butter(2, 8.0, fs=RCG_RATE_HZ, output="sos"), envelope)
    first = 20 + int(smooth[20 : 20 + BEAT].argmax())
    peaks, _ = signal.find_peaks(smooth, prominence=MIN_SECOND_PROMINENCE * smooth[first])
    after_s = (peaks - first) / RCG_RATE_HZ
    candidates = peaks[(after_s >= SECOND_S[0]) & (after_s <= SECOND_S[1])]
    if not len(candidates):
        return None
    second = candidates[smooth[candidates].argmax()]
    return float(second - first) * MS, float(smooth[second] / smooth[first])


def main_beat(x: Float64, r_peaks: Float64, start: int) -> Float64:
    """Return the first principal component of the mean beats of channels [P, n], with SHIFT samples on both sides."""
    mean = _beats(x, r_peaks, _wide(start)).mean(axis=1)
    return np.asarray(np.linalg.svd(mean, full_matrices=False)[2][0])


def between_points(x: Float64, r_peaks: Float64, start: int) -> tuple[float, float]:
    """Return the mean absolute correlation of channels [P, n], P > 1, and the spread of their delays in ms.

    The delays are those of the mean beats against the main beat.
    """
    pairs = np.abs(np.corrcoef(x))[np.triu_indices(len(x), 1)]
    mean = _beats(x, r_peaks, _wide(start)).mean(axis=1)
    common = main_beat(x, r_peaks, start)
    delays = [match_to_mean(np.sign(one @ common) * one, common[SHIFT:-SHIFT])[0] for one in mean]
    return float(pairs.mean()), float(np.std(delays)) * MS


def neighbours(rcg: Float64, points_m: Float64, count: int) -> npt.NDArray[np.int64]:
    """Return `count` channels of [P, n] at places [P, 3]: the best correlated with all others, and its nearest."""
    alike = np.abs(np.corrcoef(band_limited(rcg))).mean(axis=1)
    away_m = np.linalg.norm(points_m - points_m[alike.argmax()], axis=1)
    return np.sort(away_m.argsort(kind="stable")[:count])


def match_to_mean(wide: Float64, mean: Float64) -> tuple[float, float, float]:
    """Match a wide beat [BEAT + 2 SHIFT] to a mean one [BEAT].

    Returns its delay (fractional samples), the correlation at that delay, and its size along the mean.
    """
    views = np.lib.stride_tricks.sliding_window_view(wide, len(mean))
    views = views - views.mean(axis=1, keepdims=True)
    own = mean - mean.mean()
    products = views @ own
    like = products / (np.linalg.norm(views, axis=1) * np.linalg.norm(own) + 1e-30)
    best = int(like.argmax())
    late = float(best - SHIFT)
    if 0 < best < len(like) - 1:
        before, at, after = like[best - 1 : best + 2]
        bend = before - 2 * at + after
        late += 0.5 * (before - after) / bend if bend < 0 else 0.0
    return late, float(like[best]), float(products[best] / (own @ own + 1e-30))


def plain_bpm(rcg: Float64) -> float:
    """Return a simple classical heart rate of channels [P, n].

    The envelope of 2 to 20 Hz is filtered to 0.5 to 4 Hz; the strongest peak at 45 to 160 bpm of its autocorrelation,
    summed over the channels, is the rate.
    """
    band = signal.butter(2, (2, 20), "bandpass", fs=RCG_RATE_HZ, output="sos")
    beat = signal.butter(2, (0.5, 4), "bandpass", fs=RCG_RATE_HZ, output="sos")
    envelope = signal.sosfiltfilt(beat, np.abs(signal.hilbert(signal.sosfiltfilt(band, rcg))))
    power = np.square(np.abs(np.fft.rfft(envelope, 2 * envelope.shape[1]))).sum(axis=0)
    lags = np.arange(-(-60 * RCG_RATE_HZ // 160), 60 * RCG_RATE_HZ // 45 + 1)
    return float(60 * RCG_RATE_HZ / lags[np.fft.irfft(power)[lags].argmax()])


def _beats(x: Float64, r_peaks: Float64, reach: npt.NDArray[np.int64]) -> Float64:
    """Return [P, k, samples] around the R peaks that are far enough from both ends."""
    at = np.rint(r_peaks).astype(int)
    at = at[(at + reach[0] >= 0) & (at + reach[-1] < x.shape[1])]
    return x[:, at[:, None] + reach]


def _wide(start: int) -> npt.NDArray[np.int64]:
    return np.arange(start - SHIFT, start + BEAT + SHIFT)


def _robust_spread(x: Float64) -> float:
    """Return the median absolute deviation, scaled to the standard deviation of a normal distribution."""
    return 1.4826 * float(np.median(np.abs(x - np.median(x))))
