"""Compares statistics of real and simulated recordings.

    python -m train.realism.compare --simulated DIR [--real FOLDER] [--figure FILE.png]

A statistic's median over the simulated recordings should lie between the real quartiles, a share within
MAX_SHARE_DIFFERENCE of the real one. All sets are processed under the same conditions: ten-second segments, R peaks
detected in the ECG, at rest, without labelled movements, and at most nine neighbouring points. The output contains
summaries only, no recordings. `train.realism.statistics` defines the statistics; docs/twin-calibration.md has the
results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from edge.core.errors import InputError
from edge.core.interrupts import raise_on_interrupt
from edge.core.spec import RCG_RATE_HZ
from edge.core.types import Float64
from edge.vitals.quality import tolerance_bpm
from train.data.peaks import find_beats
from train.data.readers import mmecg, phase80, ustc_af
from train.data.trial import Trial
from train.evaluation.figures import classical_bpm
from train.realism import statistics

SEGMENT_S = 10.0
SEGMENT_INTERVAL_S = 30.0  # between the starts of the segments of one long trial
SETTLED_S = 5.0  # phase80 starts with transients
POINTS = 9
MAX_SHARE_DIFFERENCE = 0.05

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


def compare(real: list[Measured], other: list[Measured], simulated: list[Measured]) -> Table:
    """Return a table of medians and quartiles; `simulated` is judged against `real`, `other` is shown for context."""
    table = Table("", "ustc_af", "phase80", "simulated", "median", title="median [quartiles]")
    for name, label in (ROWS | CONTEXT_ROWS).items():
        found = [values(one, name) for one in (real, other, simulated)]
        low, high = np.percentile(found[0], (25, 75))
        verdict = "inside" if low <= np.median(found[2]) <= high else "outside"
        table.add_row(label, *map(_quartiles, found), "" if name in CONTEXT_ROWS else verdict)
    af = float(np.mean([one.fibrillating for one in real]))
    for name, label in SHARES.items():
        means = share(real, name, af), share(other, name, 0), share(simulated, name, af)
        table.add_row(label, *(f"{mean:.0%}" for mean in means), _near(means[0], means[2]))
    table.add_row(
        "segments (people)", *(f"{len(s)} ({len({one.subject for one in s})})" for s in (real, other, simulated))
    )
    return table


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m train.realism.compare", description="Compare real and simulated recordings."
    )
    parser.add_argument("--real", type=Path, required=True, metavar="DIR", help="real recordings, a folder per set")
    parser.add_argument("--simulated", type=Path, required=True, metavar="DIR", help="written by train.simulate")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="also draw a figure")
    args = parser.parse_args(arguments)
    try:
        real = _measured("ustc_af", segments(ustc_af.read(args.real / "ustc_af")))
        other = _measured("phase80", segments(phase80.read(args.real / "phase80"), SETTLED_S))
        simulated = _measured("simulated", segments(mmecg.read(args.simulated)))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    Console().print(compare(real, other, simulated))
    if args.figure:
        from train.realism.picture import draw

        draw({"ustc_af": real, "phase80": other, "simulated": simulated}).savefig(args.figure, dpi=100)
    return 0


def _measured(name: str, parts: Iterator[Trial]) -> list[Measured]:
    found = [one for part in track(parts, name) if (one := measure(part))]
    if not found:
        raise InputError(f"{name}: no ten seconds at rest with an ECG to compare")
    return found


def _dissimilarity(wide: Float64, other: Float64) -> float:
    """Return 1 - correlation for the better sign, because the sign of the motion depends on the chest position."""
    return 1 - max(statistics.match_to_mean(sign * wide, other)[1] for sign in (1, -1))


def _quartiles(found: Float64) -> str:
    if not len(found):
        return "-"
    low, median, high = np.percentile(found, (25, 50, 75))
    return f"{median:.2f} [{low:.2f} {high:.2f}]"


def _near(real: float, simulated: float) -> str:
    return "inside" if abs(real - simulated) <= MAX_SHARE_DIFFERENCE else "outside"


if __name__ == "__main__":
    raise_on_interrupt()
    sys.exit(main())
