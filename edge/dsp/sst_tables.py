"""What the fast forms of the SST, on the CPU and on the GPU, compute once: the wavelets' bands and the frame grid.

The inverse transform is never made at 200 Hz: a frame every N/M samples of a circle of N needs only the spectrum
folded to M values (bin k onto k mod M), exactly. Folding adds at most SST_PERIOD/2 products a scale; the inverse
transform shrinks from 1600 to 480 or 240 points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import signal

from edge.dsp.sst_reference import admissibility, averaged, morlet
from edge.frames import Float32
from edge.spec import (
    RCG_RATE_HZ,
    SST_AR_TAPER,
    SST_COLUMN_RATE_HZ,
    SST_COLUMNS,
    SST_PAST,
    SST_PERIOD,
    SST_SCALES,
    SST_THRESHOLD,
    SstSpec,
)

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SstTables:
    """taper [segment]; scale j has bins first[j] .. first[j] + count[j] - 1 with weights gain[offset[j] ..].

    The gains hold every constant factor, so that a sinusoid of amplitude A ends with magnitude A in its bin;
    coefficients made with them count when they exceed `threshold` times the segment's largest sample.
    `circle` frames lie on the whole circle; the window's are frame0 .. frame0 + frames - 1.
    """

    segment: int
    averaged: bool
    circle: int
    frame0: int
    frames: int
    threshold: float
    taper: Float32
    first: Int32
    count: Int32
    offset: Int32
    gain: Float32


def sst_tables(spec: SstSpec) -> SstTables:
    """The tables of one SST."""
    before = 1 if averaged(spec) else 0
    bins = np.arange(1, SST_PERIOD // 2)
    first, gains = [], []
    for scale in SST_SCALES:
        band = morlet(scale * 2 * np.pi * bins / SST_PERIOD) * 2 / SST_PERIOD / admissibility()
        inside = np.nonzero(band)[0]
        first.append(bins[inside[0]])
        gains.append(band[inside])
    count = np.array([len(gain) for gain in gains], np.int32)
    return SstTables(
        segment=spec.segment,
        averaged=averaged(spec),
        circle=SST_PERIOD * spec.frame_rate_hz // RCG_RATE_HZ,
        frame0=SST_PAST * spec.frame_rate_hz // RCG_RATE_HZ - before,
        frames=SST_COLUMNS * spec.frame_rate_hz // SST_COLUMN_RATE_HZ + before,
        threshold=SST_THRESHOLD / admissibility(),
        taper=signal.windows.tukey(spec.segment, SST_AR_TAPER).astype(np.float32),
        first=np.array(first, np.int32),
        count=count,
        offset=np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int32),
        gain=np.concatenate(gains).astype(np.float32),
    )
