"""A chest that shakes at its R peaks, and a network that returns the truth."""

import numpy as np

from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, ECG_PIECE_SAMPLES, SST_PAST, SST_WINDOW
from edge.core.types import TaskOutputs
from train.data.trial import Trial

HOP = 200


def shaking_chest(samples: int = 8000):
    """A chest that shakes 60 ms after its R peaks, and its ECG."""
    r = 60 + np.cumsum(165 + 20 * np.sin(np.arange(60) / 3))
    r = r[r < samples - 20]
    t = np.arange(samples)
    rcg = sum(np.exp(-0.5 * ((t - beat - 12) / 4) ** 2) * np.cos((t - beat) * 0.3) for beat in r)
    ecg = sum(np.exp(-0.5 * ((t - beat) / 3) ** 2) + 0.3 * np.exp(-0.5 * ((t - beat - 55) / 9) ** 2) for beat in r)
    noise = 0.01 * np.random.default_rng(1).standard_normal((2, samples))
    return Trial("oracle", "nobody", (rcg + noise).astype(np.float32), ecg.astype(np.float32), r / 200)


def oracle(labels, late=0.0):
    """Return the true outputs of each window, `late` samples too late; windows must come in order."""
    window, r = 0, labels.beats.r_peaks
    by_window = {int(w): k for k, w in enumerate(labels.window)}

    def predict(values):
        nonlocal window
        outputs = []
        for _ in values:
            start = SST_PAST + window * HOP
            anchor = np.exp(-0.5 * np.square(np.arange(ANCHOR_CLASSES)[:, None] - (r + late - start)) / 4).sum(axis=1)
            middle = int(np.abs(r - start - SST_WINDOW / 2).argmin())
            length = float((r[1:] - r[:-1])[min(middle, len(r) - 2)])
            cycle = np.exp(-0.5 * np.square(np.arange(CYCLE_CLASSES) + 60 - length) / 4)
            piece = labels.piece[by_window[window]] if window in by_window else np.zeros(ECG_PIECE_SAMPLES)
            outputs.append(TaskOutputs(np.nan_to_num(piece), anchor / anchor.sum(), cycle / cycle.sum()))
            window += 1
        return outputs

    return predict
