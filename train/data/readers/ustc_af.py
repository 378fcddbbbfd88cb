"""Reads ten-second segments with and without atrial fibrillation, by MMECG's group: 3 x 3 chest voxels at 100 Hz.

Each <A or N>_<subject>_<segment>.mat holds Radar_data [1000, 3, 3], cardiac motion similar to acceleration, in an
unknown unit, and ECG_data [1000, 1]; labels.csv has the rhythm of each. Radar and ECG are not synchronised: the lag is
unknown (-100 to +70 ms), constant in a file, and differs between files by some 30 ms. R peak times learnt from this set
are not more accurate than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from train.data.readers.files import find_files, numbers, read_mat
from train.data.readers.motion import resampled
from train.data.readers.tables import read_text_table
from train.data.trial import Rhythm, Trial, TrialError

RATE_HZ = 100
SAMPLES = 1000


def read(path: Path) -> Iterator[Trial]:
    """Read every segment of the folder; segments without fibrillation are labelled as sinus. Raises TrialError."""
    rhythms = _rhythms(path / "labels.csv")
    for file in find_files(path, ".mat"):
        if file.stem not in rhythms:
            raise TrialError(f"{path / 'labels.csv'}: does not say whether {file.stem} is atrial fibrillation")
        fields = read_mat(file)
        radar = numbers(file, fields, "Radar_data", (SAMPLES, 3, 3)).reshape(SAMPLES, 9).T
        ecg = numbers(file, fields, "ECG_data", (SAMPLES, 1))[:, 0]
        yield Trial(
            name=file.stem,
            subject=file.stem.rsplit("_", 1)[0],
            rcg=resampled(radar, RATE_HZ).astype(np.float32),
            ecg=resampled(ecg, RATE_HZ).astype(np.float32),
            rhythm=rhythms[file.stem],
        )


def _rhythms(path: Path) -> dict[str, Rhythm]:
    try:
        return {name: "af" if int(af) else "sinus" for name, af in read_text_table(path, "subject_id", "AF")}
    except ValueError as error:
        raise TrialError(f"{path}: AF must be 0 or 1 ({error})") from error
