"""Measures the published heart rate on real recordings, person by person, with the shipped or another network.

    python bench/real.py FOLDER [--people] [--bundle DIR]

FOLDER has one subfolder per set: mscardio, ustc_af, phase80, bgt60; absent sets are left out. Every recording runs
through the whole chain from its motion on, once a second. A rate is wrong if it differs by more than max(5 bpm, 10 %)
from the reference's mean rate in the last 10 s; a missing rate is not right.

The reference needs its own check, since a plain R-peak detector can count T waves. ECGs: NeuroKit2's detector and that
of Pan and Tompkins must agree within 10 %, else the second is excluded ("detectors"); bgt60 comes with R peaks.
MSCardio has no ECG: its beats are found non-causally, and seconds whose own envelope gives no clear rate are excluded
("unclear", `train.data.motion_beats`). MSCardio's people with odd numbers are for testing, and only they are in the
last line; the others, from which a network may be trained, have a row of their own. In fibrillation the reference is
the mean rate. "right" is the tracker's rate, published or not; "beats right", that of the network's beats alone;
"without network", that of a tracker of the motion alone. Nothing was chosen on these figures.
Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import neurokit2 as nk
import numpy as np
from rich.progress import track
from scipy import signal

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.core.spec import RCG_RATE_HZ
from edge.inference.loader import load_network
from edge.pipeline import Pipeline
from edge.radar.chirp_file.parser import load_chirp
from edge.vitals.quality import tolerance_bpm
from edge.vitals.rate_evidence import MOTION_SOURCES
from edge.vitals.rate_tracker import RateTracker
from train.data.motion_beats import find_motion_beats
from train.data.readers import bgt60, mscardio, phase80, ustc_af
from train.data.readers.motion import integrated
from train.data.trial import Trial
from train.simulation.scenarios import feed_rcg, true_bpm

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg")
FIRST_S = 9.0  # WINDOW_S of history, less what the filters' delay takes from a ten-second file
MAX_DISAGREEMENT = 0.10


@dataclass(frozen=True)
class Record:
    """One recording: motion [P, n], and an ECG [n] or R peaks; without both, the beats are found in the motion."""

    group: str
    person: str
    rcg: np.ndarray
    ecg: np.ndarray | None = None
    r_peaks_s: np.ndarray | None = None


class Second(NamedTuple):
    """One second with a reference; the rates of the tracker, of the beats alone, and of a tracker of the motion alone.

    `published` is NaN if no rate was published.
    """

    group: str
    person: str
    true: float
    published: float
    tracker: float
    network: float
    motion: float


def mscardio_records(folder: Path) -> Iterator[Record]:
    for recording in mscardio.read_recordings(folder):
        group = "mscardio, test" if recording.is_test else "mscardio, may be trained on"
        yield Record(group, f"{recording.person:04d}", recording.acceleration_mm_s2[None])


def trial_records(name: str, read: Callable[[Path], Iterator[Trial]]) -> Callable[[Path], Iterator[Record]]:
    def records(folder: Path) -> Iterator[Record]:
        for trial in read(folder):
            group = f"{name}, {trial.rhythm}" if trial.rhythm else name
            yield Record(group, trial.subject, trial.rcg.astype(np.float64), trial.ecg, trial.r_peaks_s)

    return records


def reference_of(record: Record) -> list[tuple[float, str]]:
    """Returns the rate of every second, and why it is excluded (or ""); two detectors of an ECG must agree."""
    seconds = range(1, record.rcg.shape[1] // RCG_RATE_HZ + 1)
    if record.r_peaks_s is not None:
        return [(true_bpm(record.r_peaks_s, second), "") for second in seconds]
    if record.ecg is None:
        beats = find_motion_beats(record.rcg[0])
        return [(bpm, "" if clear else "unclear") for bpm, clear in zip(beats.bpm, beats.clear, strict=True)]
    fine = signal.resample_poly(record.ecg.astype(float), 5, 1)
    first_s, second_s = (r_peaks_s(fine, method) for method in ("neurokit", "pantompkins1985"))
    found = []
    for second in seconds:
        one, other = (true_bpm(peaks_s, second) for peaks_s in (first_s, second_s))
        agree = abs(one - other) <= MAX_DISAGREEMENT * one
        found.append((one, "" if agree else "detectors"))
    return found


def r_peaks_s(ecg: np.ndarray, method: str) -> np.ndarray:
    rate_hz = 5 * RCG_RATE_HZ
    clean = nk.ecg_clean(ecg, sampling_rate=rate_hz, method=method)
    return np.asarray(nk.ecg_peaks(clean, sampling_rate=rate_hz, method=method)[1]["ECG_R_Peaks"]) / rate_hz


SETS: dict[str, Callable[[Path], Iterator[Record]]] = {
    "mscardio": mscardio_records,
    "ustc_af": trial_records("ustc_af", ustc_af.read),
    "phase80": trial_records("phase80", phase80.read),
    "bgt60": trial_records("bgt60", bgt60.read),
}


def run(bundle: Path | None, record: Record) -> tuple[list[Second], Counter[str]]:
    """Returns the seconds with a reference, and how many were excluded for each reason."""
    pipeline = Pipeline(CHIRP, lambda: True, network=load_network(bundle, threads=1).begin)
    motion, reference, seconds, excluded = RateTracker(), reference_of(record), [], Counter()
    for now_s in feed_rcg(pipeline, record.rcg, integrated(record.rcg)):
        vitals, evidence = pipeline.vitals(round(now_s * 1e9)), pipeline.evidence
        without_network = motion.update({name: x for name, x in evidence.sources.items() if name in MOTION_SOURCES})
        number = round(now_s) - 1
        if now_s < FIRST_S or number >= len(reference):
            continue
        true, reason = reference[number]
        if reason or not np.isfinite(true):
            excluded[reason or "too few beats"] += 1
            continue
        beats = evidence.beats and evidence.beats.bpm
        rates = (vitals.heart_rate_bpm, evidence.rate.bpm, beats, without_network.bpm)
        values = (np.nan if rate is None else rate for rate in rates)
        seconds.append(Second(record.group, record.person, true, *values))
    return seconds, excluded


def summary(seconds: list[Second]) -> dict[str, float]:
    """Returns fractions of the seconds: published, wrong of these, right of each estimator."""
    true, *rates = (np.array([second[k] for second in seconds]) for k in (2, 3, 4, 5, 6))
    tolerance = np.array([tolerance_bpm(bpm) for bpm in true])
    right = [np.abs(rate - true) <= tolerance for rate in rates]
    published = np.isfinite(rates[0])
    return {
        "published": float(published.mean()),
        "wrong": float((published & ~right[0]).sum() / max(1, published.sum())),
        "right": float(right[1].mean()),
        "network right": float(right[2].mean()),
        "motion right": float(right[3].mean()),
    }


def show(title: str, seconds: list[Second], excluded: Counter[str]) -> dict[str, float]:
    figures = summary(seconds)
    left_out = ", ".join(f"{count} {reason}" for reason, count in excluded.items()) or "none"
    columns = " | ".join(f"{figure:.1%}" for figure in figures.values())
    people = len({second.person for second in seconds})
    print(f"| {title} | {people} | {len(seconds)} | {left_out} | {columns} |")
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, metavar="FOLDER", help="folder with one subfolder per set")
    parser.add_argument("--people", action="store_true", help="print one row for each person too")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="a network other than the shipped one")
    args = parser.parse_args()
    records = [record for name, read in SETS.items() if (args.recordings / name).is_dir()
               for record in track(read(args.recordings / name), f"reading {name}")]  # fmt: skip
    if not records:
        parser.error(f"{args.recordings}: none of {', '.join(SETS)} is there")
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        results = list(track(pool.map(partial(run, args.bundle), records), "recordings", total=len(records)))
    print("| set | people | seconds | excluded | published | wrong | right | beats right | without network |")
    print("| -- | --: | --: | -- | --: | --: | --: | --: | --: |")
    figures: dict[str, dict[str, float]] = {}
    for group in dict.fromkeys(record.group for record in records):
        parts = [result for record, result in zip(records, results, strict=True) if record.group == group]
        seconds = [second for part, _ in parts for second in part]
        if not seconds:
            continue
        figures[group] = show(group, seconds, sum((counts for _, counts in parts), Counter()))
        for person in sorted({second.person for second in seconds}) if args.people else ():
            show(f"- {person}", [second for second in seconds if second.person == person], Counter())
    print(json.dumps(last_line(figures)))


def last_line(figures: dict[str, dict[str, float]]) -> dict[str, float | None]:
    """Returns the figures that have aims; None for a set that is absent."""
    rows = {
        "mscardio": ("mscardio, test", ("published", "wrong")),
        "ustc_sinus": ("ustc_af, sinus", ("published", "wrong")),
        "phase80": ("phase80", ("right", "published", "wrong")),
        "bgt60": ("bgt60", ("right", "published", "wrong")),
        "ustc_af": ("ustc_af, af", ("right",)),
    }
    line: dict[str, float | None] = {}
    for name, (group, keys) in rows.items():
        for key in keys:
            line[f"{name}_{key}"] = round(figures[group][key], 4) if group in figures else None
    return line


if __name__ == "__main__":
    main()
