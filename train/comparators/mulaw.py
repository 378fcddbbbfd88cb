"""The 256 classes of an ECG sample: mu-law companding, which gives small waves finer steps than the QRS complex.

f(x) = sign(x) ln(1 + mu |x|) / ln(1 + mu), mu = 255, x in -1..1 (Chen et al., TMC 2022, equation 14). Class c is the
interval of f around 2 c / 255 - 1, so that classes 0 and 255 are -1 and 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge.core.types import Float64

CLASSES = 256
_MU = CLASSES - 1


def compand(ecg: npt.NDArray[np.floating]) -> Float64:
    """Return f of an ECG; values outside -1..1 are clipped."""
    x = np.clip(ecg.astype(np.float64), -1, 1)
    return np.asarray(np.sign(x) * np.log1p(_MU * np.abs(x)) / np.log1p(_MU))


def expand(companded: npt.NDArray[np.floating]) -> Float64:
    """Return the ECG of companded values."""
    y = companded.astype(np.float64)
    return np.asarray(np.sign(y) * np.expm1(np.abs(y) * np.log1p(_MU)) / _MU)


def encode(ecg: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return the class of each sample."""
    return np.rint((compand(ecg) + 1) / 2 * _MU).astype(np.int64)


def decode(classes: npt.NDArray[np.integer]) -> Float64:
    """Return the ECG in the middle of each class."""
    return expand(2 * classes.astype(np.float64) / _MU - 1)
