"""Reads one-minute recordings of a BGT60TR13C: the chest's range bin and R peaks.

<n>.npz has z_tau at 36 Hz, <n>.r_peaks.csv has t_s.

One channel, mm/s^2. Many have a poor signal; they test whether poor signals are detected as such. The files do not name
the subjects, so all recordings count as one subject and are never split.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge.core.spec import SPEED_OF_LIGHT_M_S
from edge.dsp.frontend.phase import PhaseTracker
from train.data.readers.files import find_files, load_array
from train.data.readers.motion import acceleration
from train.data.readers.tables import read_table
from train.data.trial import Trial, TrialError

RATE_HZ = 36
WAVELENGTH_M = SPEED_OF_LIGHT_M_S / 60.75e9  # the middle of the sweep, 58 to 63.5 GHz
SUBJECT = "unknown"


def read(path: Path) -> Iterator[Trial]:
    """Read every recording of the folder. Raises TrialError."""
    for file in find_files(path, ".npz"):
        echo = load_array(file, "z_tau")
        if echo.ndim != 1 or len(echo) < 2 or echo.dtype.kind != "c":
            raise TrialError(f"{file}: z_tau is {echo.dtype} {echo.shape}, not one complex signal")
        displacement_mm, _ = PhaseTracker(WAVELENGTH_M).push(list(range(len(echo))), echo[:, None])
        peaks_file = file.with_suffix(".r_peaks.csv")
        r_peaks_s = read_table(peaks_file, "t_s")[:, 0]
        if (np.diff(r_peaks_s) <= 0).any():
            raise TrialError(f"{peaks_file}: t_s does not rise")
        rcg = acceleration(displacement_mm, RATE_HZ)
        yield Trial(f"bgt60-{file.stem}", SUBJECT, rcg.astype(np.float32), r_peaks_s=r_peaks_s)
