"""Range transform: frames to range profiles. `_range.c` computes eight antenna pairs at once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from edge.core.compiled import address, aligned, load_library, require_compiled
from edge.core.types import Complex64, Float32
from edge.dsp.sst.tables import radices, twiddles

_LIBRARY = load_library("edge.dsp.frontend._range", "range_version", [1])
_LANES = 8


def range_profile(iq: Complex64) -> Complex64:
    """Transform frames [frame, loop, tx, rx, sample] to range profiles [frame, tx * rx, bin].

    Loops are averaged. A Hann window keeps the antenna leakage of the first bins out of the bins of the chest.
    """
    samples = iq.shape[-1]
    averaged = np.ascontiguousarray(iq[:, 0] if iq.shape[1] == 1 else iq.mean(axis=1), np.complex64)
    if not radices(samples):  # a number of samples with a prime factor above 5
        profile = np.fft.fft(averaged * _window(samples)).astype(np.complex64, copy=False)
        return profile.reshape(len(iq), -1, samples)
    passes, turns = _plan(samples)
    work = aligned(4 * _LANES * samples)
    profile = np.empty((len(iq), averaged.size // len(iq) // samples, samples), np.complex64)
    require_compiled(_LIBRARY).range_transform(
        samples,
        *map(address, (passes, turns, _window(samples), averaged)),
        averaged.size // samples,
        *map(address, (profile, work)),
    )
    return profile


@cache
def _window(samples: int) -> Float32:
    return np.hanning(samples + 1)[:-1].astype(np.float32)


@cache
def _plan(samples: int) -> tuple[npt.NDArray[np.int32], Float32]:
    """Return radices and twiddles of the transform."""
    return np.array([*radices(samples), 0], np.int32), twiddles(samples)
