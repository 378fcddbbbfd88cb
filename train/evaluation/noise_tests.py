"""The paper's noise tests: constant and abrupt white noise (radarODE-MTL section IV-D); beside them, movements."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from edge.core.spec import RCG_RATE_HZ, SST_WINDOW
from train.data.augment import constant_noise, movement
from train.data.trial import Trial

CONSTANT_SNR_DB = (6.0, 3.0, 0.0, -1.0, -2.0, -3.0)
ABRUPT_S = (1, 2, 3)
ABRUPT_SNR_DB = {"mild": 0.0, "extensive": -9.0}
ABRUPT_SHARE = 0.2
"""Fraction of the four-second segments with abrupt noise."""


Kind = Literal["white", "movement"]
KINDS: tuple[Kind, ...] = ("white", "movement")


class NoiseTest(NamedTuple):
    """`seconds`: length of each piece of abrupt noise; 0: constant noise."""

    kind: Kind
    snr_db: float
    seconds: int


TESTS = {f"constant {snr_db:+g} dB": NoiseTest("white", snr_db, 0) for snr_db in CONSTANT_SNR_DB} | {
    f"{kind}, {name} {seconds} s": NoiseTest(kind, snr_db, seconds)
    for kind in KINDS
    for name, snr_db in ABRUPT_SNR_DB.items()
    for seconds in ABRUPT_S
}
"""The paper's abrupt noise is white Gaussian. "movement" is slower than 6 Hz and common to all points, as the movement
of a body is; it disturbs the waves of the heart less."""


def add_noise(trial: Trial, test: str, seed: int = 1) -> Trial:
    """Return the trial with the noise of a row of TESTS; reproducible for the same seed.

    Powers are relative to the RCG's power in the median four seconds, which excludes movements in the recording.
    """
    kind, snr_db, seconds = TESTS[test]
    rng = np.random.default_rng((seed, *trial.name.encode()))
    segments = trial.rcg.shape[1] // SST_WINDOW
    parts = trial.rcg[:, : segments * SST_WINDOW].reshape(len(trial.rcg), segments, SST_WINDOW)
    power = float(np.median(np.square(parts).mean(axis=(0, 2))))
    if not seconds:
        return replace(trial, rcg=trial.rcg + constant_noise(trial.rcg.shape, power, snr_db, rng))
    length, rcg = seconds * RCG_RATE_HZ, trial.rcg.copy()
    for segment in rng.choice(segments, max(1, round(ABRUPT_SHARE * segments)), replace=False):
        start = SST_WINDOW * int(segment) + int(rng.integers(SST_WINDOW - length + 1))
        if kind == "movement":
            rcg += movement(rcg.shape, start, length, power, snr_db, rng)
        else:
            rcg[:, start : start + length] += constant_noise((len(rcg), length), power, snr_db, rng)
    return replace(trial, rcg=rcg)
