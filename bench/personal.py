"""Measures what a person's delay is worth: the long-term ECG's correlation before and after `radarecg personalise`.

    python bench/personal.py

On the simulated people of `python -m train.evaluate --shipped` (each 3 minutes), from their RCG through the chain. The
delay is measured in the first 70 s, against the R peaks that the command finds in the person's ECG, and applied to the
rest, on which the correlation is computed, where the reconstructed ECG is known. "Best" is the correlation at the best
constant lag of that rest, which nobody could know. Who is refused keeps the ECG unshifted. Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.quality import CHIRP
from edge.core.spec import BLOCK_S, RCG_RATE_HZ
from edge.core.types import Chest, EcgBlock, Quality, RcgBlock
from edge.dsp.frontend.rcg import delay_s
from edge.inference.loader import load_network
from edge.personal.delay import PersonalDelayError, measure_delay
from edge.personal.r_peaks import find_r_peaks
from edge.personal.shift import shift_ecg
from edge.pipeline import Pipeline
from train.data.dataset import Recording
from train.data.labels import clean_ecg
from train.data.readers.motion import integrated
from train.evaluation.metrics import lag_adjusted_pcc, pcc
from train.simulation.simulated_set import unseen_set

MEASURED_S = 70.0


class Person(NamedTuple):
    """The result of one person. `delay_ms` is None if the command refuses the person, for the reason `problem`."""

    name: str
    delay_ms: float | None
    problem: str
    before: float
    after: float
    best: float


def chain(recording: Recording) -> Iterator[tuple[EcgBlock, Quality]]:
    """Yields the ECG with its quality; times are seconds after the trial's first sample."""
    rcg = recording.trial.rcg.astype(np.float64)
    motion, step = integrated(rcg), round(BLOCK_S * RCG_RATE_HZ)
    weights, chest, covered = np.full(len(rcg), 1 / len(rcg)), Chest(0.5, 30.0, True), np.ones(step, bool)
    pipeline = Pipeline(CHIRP, lambda: True, network=load_network(threads=1).begin)
    for start in range(0, rcg.shape[1] - step + 1, step):
        part = slice(start, start + step)
        t_ns = round(((part.stop - 1) / RCG_RATE_HZ + delay_s(CHIRP.frame_rate_hz)) * 1e9)
        block = RcgBlock(t_ns, motion[:, part], rcg[:, part], weights, covered, 0.0, chest, restarted=start == 0)
        ecg_blocks = pipeline.push_rcg(block)
        for ecg in ecg_blocks:
            yield ecg, pipeline.quality
        if part.stop % RCG_RATE_HZ == 0:
            pipeline.vitals(t_ns)


def correlation(blocks: list[EcgBlock], truth: np.ndarray) -> tuple[float, float]:
    """Returns the correlation after MEASURED_S, as it is and at the best constant lag."""
    ours, known = np.zeros(len(truth)), np.zeros(len(truth), bool)
    for ecg in blocks:
        at = round(ecg.t_ns / 1e9 * RCG_RATE_HZ) + np.arange(len(ecg.estimate.ecg))
        inside = (at >= 0) & (at < len(truth))
        ours[at[inside]], known[at[inside]] = ecg.estimate.ecg[inside], ecg.estimate.valid_mask[inside]
    rest = slice(round(MEASURED_S * RCG_RATE_HZ), None)
    ours, known, truth = ours[rest], known[rest], truth[rest]
    return pcc(ours[known], truth[known]), lag_adjusted_pcc(ours, truth, known)[0]


def examined(recording: Recording) -> Person:
    trial = recording.trial
    pairs = list(chain(recording))
    blocks = [ecg for ecg, _ in pairs]
    beats_s = [
        ecg.t_ns / 1e9 + (ecg.estimate.r_peaks - ecg.estimate.sample0) / RCG_RATE_HZ
        for ecg, quality in pairs
        if quality.state != "unusable"
    ]
    r_peaks_s = find_r_peaks(trial.ecg.astype(np.float64), RCG_RATE_HZ)
    beats_s = np.concatenate([np.zeros(0), *beats_s])
    truth = clean_ecg(trial.ecg, recording.labels.beats).astype(np.float64)
    before, best = correlation(blocks, truth)
    try:
        found = measure_delay(beats_s[beats_s < MEASURED_S], r_peaks_s[r_peaks_s < MEASURED_S], 0.0, MEASURED_S)
    except PersonalDelayError as error:
        return Person(trial.name, None, str(error), before, before, best)
    after, _ = correlation([shift_ecg(ecg, found.delay_s) for ecg in blocks], truth)
    return Person(trial.name, 1e3 * found.delay_s, "", before, after, best)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    recordings = unseen_set().recordings
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        people = list(track(pool.map(examined, recordings), "people", total=len(recordings)))
    print("| person | delay, ms | correlation before | after | best |")
    print("| -- | --: | --: | --: | --: |")
    for person in people:
        delay = "refused" if person.delay_ms is None else f"{person.delay_ms:+.0f}"
        print(f"| {person.name} | {delay} | {person.before:.2f} | {person.after:.2f} | {person.best:.2f} |")
        if person.problem:
            print(f"{person.name}: {person.problem}", file=sys.stderr)
    means = {name: round(float(np.mean([getattr(p, name) for p in people])), 3) for name in ("before", "after", "best")}
    print(json.dumps({"people": len(people), "refused": sum(p.delay_ms is None for p in people), **means}))


if __name__ == "__main__":
    main()
