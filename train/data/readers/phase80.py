"""Reads minutes of unfiltered radar phase with an ECG: radar/<name>.npy and ecg/<name>.npy, 80 Hz.

One channel. Phase in rad; the wavelength is not stated, so RCG is in rad/s^2. A name is <date>_<subject>_<..>_<number>.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from train.data.readers.files import find_files, load_array
from train.data.readers.motion import acceleration, resampled
from train.data.trial import Trial, TrialError

RATE_HZ = 80
MIN_DURATION_S = 10


def read(path: Path) -> Iterator[Trial]:
    """Read every recording; log and skip those with a constant phase. Raises TrialError."""
    for file in find_files(path / "radar", ".npy"):
        phase_rad, ecg = load_array(file), load_array(path / "ecg" / file.name)
        if phase_rad.shape != ecg.shape or phase_rad.ndim != 1 or len(ecg) < MIN_DURATION_S * RATE_HZ:
            raise TrialError(
                f"{file}: phase {phase_rad.shape} and ECG {ecg.shape} are not two signals of {MIN_DURATION_S} s"
            )
        if np.ptp(phase_rad) == 0:
            logging.getLogger(__name__).warning("%s: left out, its phase is constant", file)
            continue
        try:
            subject = file.stem.split("_")[1]
        except IndexError as error:
            raise TrialError(f"{file}: the file name has no subject; it must be <date>_<subject>_...npy") from error
        rcg = acceleration(phase_rad[None], RATE_HZ)
        ecg = resampled(ecg, RATE_HZ)[: rcg.shape[1]]
        yield Trial(file.stem, subject, rcg.astype(np.float32), ecg.astype(np.float32))
