"""Measures segments of recordings: the figures that `train.realism.compare` compares and `picture` draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64
from edge.vitals.quality import tolerance_bpm
from train.data.peaks import find_beats
from train.data.trial import Trial
from train.evaluation.figures import classical_bpm
from train.realism import statistics

SEGMENT_S = 10.0
SEGMENT_INTERVAL_S = 30.0  # between the starts of the segments of one long trial
POINTS = 9

ROWS = {
    "snr_db": "R-locked signal to noise, dB",
    "shape": "shape of a beat, 1 - correlation",
    "jitter_ms": "time of a beat, spread, ms",
    "strength": "strength of a beat, spread",
    "rest_hz": "middle frequency of the noise, Hz",
    "slope": "spectral slope 8-20 Hz, dB/octave",
    "peak_hz": "spectral peak, Hz",
    "width_hz": "bandwidth, 80 % of energy, Hz",
    "first_share": "energy in the best 0.2 s of 0.45 s",
    "ejection_ms": "first to second vibration, ms",
    "second": "second vibration / first",
    "people": "beats of two people, 1 - correlation",
    "alike": "correlation between points",
    "delays_ms": "delays between points, ms",
    "plain_error": "plain classical rate, error, bpm",
    "ours_error": "our classical rate, error, bpm",
}
SHARES = {
    "second_seen": "second vibration stands out",
    "plain_right": "plain classical rate right",
    "ours_right": "our classical rate right",
}
CONTEXT_ROWS = {"rate_bpm": "heart rate, bpm", "rmssd_ms": "RMSSD, ms"}
"""Rows without a verdict: they depend on the people recorded."""


@dataclass(frozen=True)
class Measured:
    """Figures of one segment by name, its main beat and its spectrum.

    `figures`: medians over the channels; missing where not measurable. `power`: median over the channels at every half
    hertz, as a fraction of the power in BAND_HZ.
    """

    subject: str
    fibrillating: bool
    figures: dict[str, float]
    beat: Float64
    power: Float64


def segments(trials: Iterable[Trial], skip_s: float = 0.0) -> Iterator[Trial]:
    """Yield ten seconds of every half minute, from skip_s on, without exercise trials and labelled movements."""
    for trial in trials:
        for start_s in np.arange(skip_s, trial.seconds - SEGMENT_S + 1 / RCG_RATE_HZ, SEGMENT_INTERVAL_S).tolist():
            part = slice(round(start_s * RCG_RATE_HZ), round((start_s + SEGMENT_S) * RCG_RATE_HZ))
            moving = trial.moving is not None and trial.moving[part].any()
            if trial.ecg is not None and trial.status != "PE" and not moving:
                yield replace(trial, rcg=trial.rcg[:, part], ecg=trial.ecg[part], r_peaks_s=None, moving=None)


def measure(segment: Trial) -> Measured | None:
    """Measure one segment; None if its ECG has too few plausible R peaks."""
    rcg = segment.rcg.astype(np.float64)
    if segment.points_m is not None and len(rcg) > POINTS:
        rcg = rcg[statistics.neighbours(rcg, segment.points_m, POINTS)]
    beats = find_beats(segment)
    r = beats.r_peaks
    if beats.good.sum() <= statistics.MIN_BEATS or beats.good.mean() < 0.7:
        return None
    x = statistics.band_limited(rcg)
    start = statistics.beat_start(x, r)
    of_beats = [found for channel in x if (found := statistics.beat_figures(channel, r, start))]
    if not of_beats:
        return None
    figures = {name: float(np.median([vars(one)[name] for one in of_beats])) for name in vars(of_beats[0])}
    spectral = np.median([statistics.spectral_figures(channel) for channel in x], axis=0)
    figures |= dict(zip(("slope", "peak_hz", "width_hz"), spectral.tolist(), strict=True))
    if len(x) > 1:
        figures["alike"], figures["delays_ms"] = statistics.between_points(x, r, start)
    second = statistics.ejection(x, r, start)
    figures["second_seen"] = float(second is not None)
    if second:
        figures["ejection_ms"], figures["second"] = second
    cycles_ms = np.diff(r)[beats.good] * statistics.MS
    figures["rate_bpm"] = true_bpm = 60_000 / float(cycles_ms.mean())
    figures["rmssd_ms"] = float(np.sqrt(np.square(np.diff(cycles_ms)).mean()))
    ours_bpm = classical_bpm(rcg.astype(np.float32), np.array([SEGMENT_S * RCG_RATE_HZ]))[0]
    for name, bpm in (("plain", statistics.plain_bpm(rcg)), ("ours", float(ours_bpm))):
        figures[f"{name}_right"] = float(abs(bpm - true_bpm) <= tolerance_bpm(true_bpm))
        if np.isfinite(bpm):
            figures[f"{name}_error"] = abs(bpm - true_bpm)
    f_hz, power = statistics.power_spectrum(rcg)
    inside = (f_hz >= statistics.BAND_HZ[0]) & (f_hz <= statistics.BAND_HZ[1])
    power = np.median(power / power[:, inside].sum(axis=1, keepdims=True), axis=0)
    return Measured(
        segment.subject, segment.rhythm == "af", figures, statistics.main_beat(x, r, start), np.asarray(power)
    )


def values(measured: list[Measured], name: str) -> Float64:
    """Return a statistic's values: one per segment, or for `people` one per pair of people."""
    if name == "people":
        first = {one.subject: one.beat for one in reversed(measured)}
        inner = slice(statistics.SHIFT, -statistics.SHIFT)
        return np.array([_dissimilarity(a, b[inner]) for a, b in combinations(first.values(), 2)])
    return np.array([one.figures[name] for one in measured if name in one.figures])


def share(measured: list[Measured], name: str, fibrillating: float) -> float:
    """Return the mean of a 0/1 statistic, weighted to this fraction of segments with fibrillation."""
    mean = 0.0
    for af, weight in ((True, fibrillating), (False, 1 - fibrillating)):
        found = values([one for one in measured if one.fibrillating == af], name)
        mean += weight * float(found.mean()) if weight else 0.0
    return mean


def _dissimilarity(wide: Float64, other: Float64) -> float:
    """Return 1 - correlation for the better sign, because the sign of the motion depends on the chest position."""
    return 1 - max(statistics.match_to_mean(sign * wide, other)[1] for sign in (1, -1))
