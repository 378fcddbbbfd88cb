"""Measures how the delay before a beat is final (0.5, 1, 2 and 3 s) affects the long-term ECG.

    python bench/latency.py

Runs the shipped network on the simulated people of `train.evaluate --shipped`, none of whom it was trained on, and
stitches the same outputs with every delay. The ECG is output once a second, so a beat is published up to a second after
its delay. Rates are compared as in `train.evaluate`; the ECG's correlation covers the time for which there is an ECG.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from rich.progress import track

sys.path.insert(0, str(Path(__file__).parents[1]))

from edge.core.spec import RCG_RATE_HZ, SST_WINDOW
from edge.ecg.stitcher import Stitcher
from edge.inference.loader import load_network
from train.data.dataset import Recording, load_dataset
from train.data.labels import clean_ecg
from train.evaluation.metrics import BeatMatch, match_beats, pcc
from train.evaluation.reconstruct import reconstruct
from train.simulation.simulated_set import UNSEEN_FOLDER, UNSEEN_SEED, UNSEEN_SUBJECTS, simulate_set

DELAYS_S = (0.5, 1.0, 2.0, 3.0)


def main() -> None:
    simulate_set(UNSEEN_FOLDER, UNSEEN_SUBJECTS, UNSEEN_SEED, trials_per_subject=1)
    predict = load_network().predict
    found: dict[float, list[tuple[BeatMatch, float]]] = {delay_s: [] for delay_s in DELAYS_S}
    for recording in track(load_dataset(UNSEEN_FOLDER / "dataset.toml").recordings, "stitching"):
        windows = reconstruct(predict, recording.trial.rcg).windows
        for delay_s in DELAYS_S:
            found[delay_s].append(stitched(recording, windows, delay_s))
    print("| delay, s | R timing, ms (median) | missed | false | ECG PCC |\n| --: | --: | --: | --: | --: |")
    for delay_s, of_people in found.items():
        timing = np.abs(np.concatenate([match.timing_ms for match, _ in of_people]))
        missed, false = sum(match.missed for match, _ in of_people), sum(match.false for match, _ in of_people)
        beats = len(timing) + missed
        likeness = np.mean([likeness for _, likeness in of_people])
        print(
            f"| {delay_s:g} | {np.median(timing):.1f} | {missed / beats:.1%} | {false / beats:.1%} | {likeness:.3f} |"
        )


def stitched(recording: Recording, windows: list, delay_s: float) -> tuple[BeatMatch, float]:
    """Compares the beats with the true ones, and computes the ECG's correlation."""
    stitcher = Stitcher(delay_s)
    parts = [stitcher.push(outputs, end) for end, outputs in windows]
    first, last = windows[0][0] - SST_WINDOW, parts[-1].sample0 + len(parts[-1].ecg)
    true = recording.labels.beats.r_peaks
    match = match_beats(np.concatenate([part.r_peaks for part in parts]), true[(true >= first) & (true < last)])
    ecg, known = np.concatenate([part.ecg for part in parts]), np.concatenate([part.valid_mask for part in parts])
    truth = clean_ecg(recording.trial.ecg, recording.labels.beats)[parts[0].sample0 :][: len(ecg)]
    assert known.sum() > RCG_RATE_HZ
    return match, pcc(ecg[known], truth[known].astype(float))


if __name__ == "__main__":
    main()
