"""Measures how often the irregular rhythm indicator is right, and the errors of RMSSD and SDNN.

    python bench/rhythm.py [--people N]

Simulates people of known rhythm (with the seed of `bench/quality.py`), two minutes each, with the quick method of
`train.simulate`. Every second of the second minute with a published rhythm is compared with that of the true beats.
Last line: JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.quality import CHIRP, SEED
from edge.core.spec import RCG_RATE_HZ
from edge.inference.loader import load_network
from edge.pipeline import Pipeline
from edge.vitals.beat_heart_rate import RHYTHM_S
from train.data.readers.motion import integrated
from train.simulation.scenarios import feed_rcg
from train.simulation.session import draw_session
from train.simulation.subject import draw_subject
from train.simulation.trial import simulate

PEOPLE, SECONDS = 80, 2 * RHYTHM_S


class Person(NamedTuple):
    """Returns for each second with a rhythm: whether it is irregular; RMSSD and SDNN in ms, ours and the true ones."""

    rhythm: str
    irregular: list[bool]
    rmssd_ms: list[tuple[float, float]]
    sdnn_ms: list[tuple[float, float]]


def watched(number: int) -> Person:
    subject = draw_subject(SEED, number)
    trial = simulate(draw_session(subject, 1, SECONDS), round(SECONDS * RCG_RATE_HZ))
    pipeline = Pipeline(CHIRP, lambda: True, network=load_network(threads=1).begin)
    rcg = trial.rcg.astype(np.float64)
    person = Person(subject.rhythm, [], [], [])
    for now_s in feed_rcg(pipeline, rcg, integrated(rcg)):
        rhythm = pipeline.vitals(round(now_s * 1e9)).rhythm
        if rhythm and now_s > RHYTHM_S:
            beats_s = trial.r_peaks_s[(trial.r_peaks_s > now_s - RHYTHM_S) & (trial.r_peaks_s <= now_s)]
            cycles_ms = 1000 * np.diff(beats_s)
            person.irregular.append(rhythm.irregular)
            person.rmssd_ms.append((rhythm.rmssd_ms, float(np.sqrt(np.square(np.diff(cycles_ms)).mean()))))
            person.sdnn_ms.append((rhythm.sdnn_ms, float(cycles_ms.std(ddof=1))))
    return person


def beside(pairs: list[tuple[float, float]]) -> str:
    """Formats our median, and the true one in brackets."""
    return "{:.0f} ({:.0f})".format(*np.median(pairs, axis=0)) if pairs else "--"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=PEOPLE)
    count = parser.parse_args().people
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        people = list(track(pool.map(watched, range(1, count + 1)), "people", total=count))
    print("| true rhythm | people | seconds with a rhythm | of these irregular | RMSSD, ms (true) | SDNN, ms (true) |")
    print("| -- | --: | --: | --: | --: | --: |")
    shares = {}
    for rhythm in ("sinus", "ectopic", "af"):
        group = [person for person in people if person.rhythm == rhythm]
        calls = [call for person in group for call in person.irregular]
        published = len(calls) / max(1, len(group) * round(SECONDS - RHYTHM_S))
        shares[rhythm] = round(float(np.mean(calls)), 3) if calls else None
        rmssd_ms = [pair for person in group for pair in person.rmssd_ms]
        sdnn_ms = [pair for person in group for pair in person.sdnn_ms]
        called = f"{np.mean(calls):.1%}" if calls else "--"
        print(f"| {rhythm} | {len(group)} | {published:.1%} | {called} | {beside(rmssd_ms)} | {beside(sdnn_ms)} |")
    print(json.dumps({"called_irregular": shares}))


if __name__ == "__main__":
    main()
