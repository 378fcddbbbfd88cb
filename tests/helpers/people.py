"""A small data set on the disk, quickly made: chests that shake at their R peaks, with an ECG."""

from pathlib import Path

import numpy as np

from train.data.readers import mmecg
from train.data.trial import Trial

SPLIT = '[split]\nkind = "leave-subject-out"\nseed = 1\n'


def write_people(folder: Path, people: int = 4, split: str = SPLIT, seconds: int = 14) -> Path:
    """A trial of each of `p1`, `p2` ..., of three points; the set's TOML is returned, its name is `people`."""
    (folder / "trials").mkdir(parents=True)
    t = np.arange(200 * seconds)
    for number in range(people):
        rng = np.random.default_rng(number)
        r = 60 + np.cumsum(150 + 40 * np.sin(np.arange(seconds) + number))
        r = r[r < len(t) - 10]
        rcg = sum(np.exp(-0.5 * ((t - beat - 8) / 4) ** 2) for beat in r) + 0.01 * rng.standard_normal((3, len(t)))
        ecg = sum(np.exp(-0.5 * ((t - beat) / 3) ** 2) for beat in r).astype(np.float32)
        trial = Trial(str(number + 1), f"p{number + 1}", rcg.astype(np.float32), ecg, r / 200)
        mmecg.write(trial, folder / "trials" / f"{trial.name}.mat")
    path = folder / "people.toml"
    path.write_text(f'name = "people"\nreader = "mmecg"\npath = "trials"\n{split}')
    return path
