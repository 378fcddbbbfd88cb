"""Measures the quality indicators: detection of movement, wrong rates published, right rates withheld.

    python bench/quality.py [--people N] [FOLDER OF RECORDINGS]

Simulates people (a seed not used for training or fitting) from raw frames through the whole chain, a minute in each
scenario of `train.simulation.scenarios`; then runs real recordings, if the folder has them, from their displacement on.
A rate is wrong if it differs by more than max(5 bpm, 10 %) from the mean rate of the true beats in the last 10 s.
"right" is the tracker's rate, published or not; "beats right", that of the network's beats alone; "without network",
that of a tracker of the motion alone.
Movement: each second's highest score of a block is compared with whether the person moved for 0.3 s of it. Time to
flag: from the start of a movement to the first vitals that flag it (vitals come once a second). Time to recover: from
its end to the next valid rate, if there was one before. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.classical import SETS
from edge.core.spec import VITALS_PERIOD_S
from edge.dsp.frontend.phase import SecondDerivative
from edge.inference.loader import load_network
from edge.pipeline import Pipeline
from edge.radar.chirp_file.parser import load_chirp
from edge.vitals.quality import tolerance_bpm
from edge.vitals.rate_evidence import MOTION_SOURCES
from edge.vitals.rate_tracker import RateTracker
from train.simulation.scenarios import KINDS, draw_scenario, feed_rcg, frames, true_bpm

CHIRP = load_chirp(Path(__file__).parents[1] / "firmware_config" / "awr1843_mmecg.cfg")
SEED, PEOPLE = 9003, 12
SETTLED_S = 15.0  # the chest is found after 4 s, and the first rate needs five seconds of beats
MOVED_SHARE = 0.3


class Second(NamedTuple):
    """One second. `score`: movement; wrong: the published rate is not true. A missing rate is not right."""

    t_s: float
    valid: bool
    wrong: bool
    moved: float
    score: float
    flagged: bool
    right: bool
    beats_right: bool
    motion_right: bool


class Minute(NamedTuple):
    """One recording; `events`: start and end of each movement."""

    kind: str
    status: str
    seconds: list[Second]
    events: list[tuple[float, float]]


def judged(pipeline: Pipeline, motion: RateTracker, now_s: float, true: float, moved: float, score: float) -> Second:
    vitals = pipeline.vitals(round(now_s * 1e9))
    evidence = pipeline.evidence
    sources = {name: source for name, source in evidence.sources.items() if name in MOTION_SOURCES}
    without_network = motion.update(sources)

    def right(bpm: float | None) -> bool:
        return bpm is not None and abs(bpm - true) <= tolerance_bpm(true)

    valid = vitals.heart_rate_bpm is not None
    return Second(
        now_s,
        valid,
        valid and not right(vitals.heart_rate_bpm),
        moved,
        score,
        "body_movement" in vitals.quality.flags,
        right(evidence.rate.bpm),
        right(evidence.beats and evidence.beats.bpm),
        right(without_network.bpm),
    )


def simulated(number: int, kind: str) -> Minute:
    scenario = draw_scenario(kind, SEED, number, CHIRP)
    pipeline, motion = Pipeline(CHIRP, lambda: True, network=load_network().begin), RateTracker()
    beats_s = scenario.session.scene.heart.beats_s(0, len(scenario.lost) * CHIRP.frame_period_s)
    seconds, due_s, score = [], VITALS_PERIOD_S, -np.inf
    for frame in frames(scenario, CHIRP):
        pipeline.push(frame)
        score = max(score, pipeline.movement.score)
        now_s = frame.t_ns * 1e-9
        if now_s >= due_s:
            moved = float(scenario.moving(np.linspace(due_s - VITALS_PERIOD_S, due_s, 100)).mean())
            true = np.nan if scenario.absent(now_s) else true_bpm(beats_s, now_s)
            seconds.append(judged(pipeline, motion, now_s, true, moved, score))
            due_s, score = due_s + VITALS_PERIOD_S, -np.inf
    return Minute(kind, scenario.session.status, seconds, events(scenario.session.scene.body.movements))


def events(movements) -> list[tuple[float, float]]:
    """Returns start and end of the movements; adjacent ones are merged."""
    merged: list[tuple[float, float]] = []
    for begin_s, end_s in sorted((m.start_s, m.start_s + m.duration_s) for m in movements):
        if merged and begin_s < merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((begin_s, end_s))
    return merged


def recorded(root: Path, name: str) -> Minute:
    seconds = []
    for record in SETS[name](root / name):
        x = record.displacement_mm
        rcg = SecondDerivative(200).push(x, np.ones(x.shape[1], bool))[1]
        pipeline, motion = Pipeline(CHIRP, lambda: True, network=load_network().begin), RateTracker()
        for now_s in feed_rcg(pipeline, rcg, x):
            true = true_bpm(record.r_peaks_s, now_s)
            second = judged(pipeline, motion, now_s, true, 0.0, pipeline.movement.score)
            if np.isfinite(true):
                seconds.append(second)
    return Minute(name, "", seconds, [])


def auroc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Returns the probability that a second with movement scores higher than one without."""
    return float(stats.mannwhitneyu(positive, negative).statistic) / (len(positive) * len(negative))


def shares(seconds: list[Second]) -> str:
    valid = [second for second in seconds if second.valid]
    wrong = sum(second.wrong for second in valid)
    rights = (np.mean([second[k] for second in seconds]) for k in (6, 7, 8))
    columns = " | ".join(f"{share:.1%}" for share in (len(valid) / len(seconds), wrong / max(1, len(valid)), *rights))
    return f"{len(seconds)} | {columns} |"


def median_or_nan(values: list[float]) -> float:
    return round(float(np.median(values)), 2) if values else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "recordings",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="folder with one subfolder per set of real recordings",
    )
    parser.add_argument("--people", type=int, default=PEOPLE)
    args = parser.parse_args()
    numbers = [number for kind in KINDS for number in range(1, args.people + 1)]
    kinds = [kind for kind in KINDS for _ in range(args.people)]
    folder: Path | None = args.recordings
    sets = [name for name in ("ustc_af", "phase80", "bgt60") if folder and (folder / name).is_dir()]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        minutes = list(track(pool.map(simulated, numbers, kinds), "simulated people", total=len(kinds)))
        real = list(track(pool.map(partial(recorded, folder), sets), "recordings", total=len(sets)))

    print("| after 15 s | seconds | published | of these wrong | right | beats right | without network |")
    print("| -- | --: | --: | --: | --: | --: | --: |")
    settled = {kind: [s for m in minutes if m.kind == kind for s in m.seconds if s.t_s > SETTLED_S] for kind in KINDS}
    for kind, seconds in settled.items():
        print(f"| {kind} | {shares(seconds)}")
    for status in ("NB", "IB", "PE", "SP"):
        of_status = [s for m in minutes if m.status == status for s in m.seconds if s.t_s > SETTLED_S]
        if of_status:
            print(f"| all of status {status} | {shares(of_status)}")
    for minute in real:
        print(f"| `{minute.kind}`, all | {shares(minute.seconds)}")

    still = np.array([s.score for m in minutes if m.kind != "leaving" for s in m.seconds[8:] if s.moved == 0])
    moving = {
        kind: np.array([s.score for m in minutes if m.kind == kind for s in m.seconds if s.moved > MOVED_SHARE])
        for kind in ("mild", "extensive")
    }
    for kind, scores in moving.items():
        print(f"AUROC of {kind} movement: {auroc(scores, still):.4f} ({len(scores)} seconds and {len(still)} still)")
    flag_s, recover_s, missed = [], [], 0
    for minute in minutes:
        for begin_s, end_s in minute.events:
            flagged_s = [s.t_s for s in minute.seconds if s.flagged and begin_s <= s.t_s <= end_s + 2]
            flag_s += [flagged_s[0] - begin_s] if flagged_s else []
            missed += not flagged_s
            before = any(s.valid for s in minute.seconds if begin_s - 3 < s.t_s <= begin_s)
            after = [s.t_s for s in minute.seconds if s.valid and s.t_s > end_s]
            recover_s += [after[0] - end_s] if before and after else []
    for what, values in (("to flag", flag_s), ("to recover", recover_s)):
        print(f"time {what}, s: median {np.median(values):.2f}, 90th percentile {np.quantile(values, 0.9):.2f}")
    print(f"movements not flagged: {missed} of {missed + len(flag_s)}")
    valid = [s for seconds in settled.values() for s in seconds if s.valid]
    result = {
        "auroc_rbm": round(auroc(np.concatenate(list(moving.values())), still), 4),
        "false_valid_fraction": round(sum(s.wrong for s in valid) / max(1, len(valid)), 4),
        "coverage": round(float(np.mean([s.valid for s in settled["undisturbed"]])), 3),
        "time_to_flag_s": median_or_nan(flag_s),
        "time_to_recover_s": median_or_nan(recover_s),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
