"""The paper's noise tests: constant noise, and abrupt noise like body movements (radarODE-MTL section IV-D)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edge.core.spec import RCG_RATE_HZ, SST_WINDOW
from train.data.augment import constant_noise, movement
from train.data.trial import Trial

CONSTANT_SNR_DB = (6.0, 3.0, 0.0, -1.0, -2.0, -3.0)
ABRUPT_S = (1, 2, 3)
ABRUPT_SNR_DB = {"mild": 0.0, "extensive": -9.0}
ABRUPT_SHARE = 0.2
"""Fraction of the four-second segments with a movement."""

TESTS = {f"constant {snr:+g} dB": (snr, 0) for snr in CONSTANT_SNR_DB} | {
    f"{name} {seconds} s": (snr, seconds) for name, snr in ABRUPT_SNR_DB.items() for seconds in ABRUPT_S
}
"""Name -> SNR in dB and length of each movement in s; 0: constant noise."""


def add_noise(trial: Trial, test: str, seed: int = 1) -> Trial:
    """Return the trial with the noise of a row of TESTS; reproducible for the same seed.

    Powers are relative to the RCG's power in the median four seconds, which excludes movements in the recording.
    """
    snr_db, seconds = TESTS[test]
    rng = np.random.default_rng((seed, *trial.name.encode()))
    segments = trial.rcg.shape[1] // SST_WINDOW
    parts = trial.rcg[:, : segments * SST_WINDOW].reshape(len(trial.rcg), segments, SST_WINDOW)
    power = float(np.median(np.square(parts).mean(axis=(0, 2))))
    if not seconds:
        return replace(trial, rcg=trial.rcg + constant_noise(trial.rcg.shape, power, snr_db, rng))
    length, rcg = seconds * RCG_RATE_HZ, trial.rcg.copy()
    for segment in rng.choice(segments, max(1, round(ABRUPT_SHARE * segments)), replace=False):
        start = SST_WINDOW * int(segment) + int(rng.integers(SST_WINDOW - length + 1))
        rcg += movement(rcg.shape, start, length, power, snr_db, rng)
    return replace(trial, rcg=rcg)
