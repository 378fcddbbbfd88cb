"""Tables that the fast SST implementations on CPU and GPU share: wavelet bands and the grid of frames.

The inverse transform is not computed at 200 Hz. A frame every N/M samples of a circle of N samples needs only the
spectrum folded to M values (bin k is added to bin k mod M), which is exact. Folding costs at most N/2 products a scale,
and the inverse transform has 480 or 240 points instead of 1600.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_COLUMN_RATE_HZ,
    SST_COLUMNS,
    SST_GRID,
    SST_PAST,
    SST_PERIOD,
    SST_REACH,
    SST_SCALES,
    SST_THRESHOLD,
    SST_WINDOW,
    SstSpec,
)
from edge.core.types import Float32
from edge.dsp.sst.reference import admissibility, averaged, morlet, taper

Int32 = npt.NDArray[np.int32]

LOW_SCALES, HIGH_SCALES = SST_SCALES[45:], SST_SCALES[:45]


@dataclass(frozen=True, slots=True)
class Band:
    """Scales that are computed on one circle: `period` samples from sample `start` of the extended segment.

    Scale j uses the bins first[j] .. first[j] + count[j] - 1 of the circle with weights gain[offset[j] ..]. The circle
    has `frames_around` frames; frame0 .. frame0 + frames - 1 are needed, and are those of the window from `frame` on.
    """

    start: int
    period: int
    frames_around: int
    frame0: int
    frame: int
    frames: int
    first: Int32
    count: Int32
    offset: Int32
    gain: Float32


@dataclass(frozen=True, slots=True)
class SstTables:
    """Tables of one SstSpec: number of frames of the window and the taper [segment].

    The gains of the bands contain all constant factors, so that a sinusoid of amplitude A has magnitude A in its bin.
    Coefficients below `threshold` times the largest sample of the segment are ignored.
    """

    spec: SstSpec
    averaged: bool
    frames: int
    taper: Float32
    threshold: float

    def whole(self, scales: Sequence[float] = SST_SCALES) -> Band:
        """Return the band of all frames on the full circle, as in the definition."""
        return self._band(scales, 0, SST_PERIOD, 0)

    def high(self, hop: int | None = None) -> Band:
        """Return the band of the short wavelets, on a shorter circle that contains the frames and the wavelets' reach.

        With `hop`, only the frames that the newest `hop` samples can change are computed. Beyond its reach a wavelet is
        below 4e-6 of its peak.
        """
        reach = math.ceil(SST_REACH * HIGH_SCALES[-1])
        frame = 0
        if hop is not None:
            unchanged = self.spec.segment - SST_PAST - hop - reach
            frame = max(0, unchanged * self.spec.frame_rate_hz // RCG_RATE_HZ)
        first = frame * RCG_RATE_HZ // self.spec.frame_rate_hz + SST_PAST - reach - SST_GRID
        start = first // SST_GRID * SST_GRID
        needed = SST_PAST + SST_WINDOW + reach - start
        return self._band(HIGH_SCALES, start, _circle(needed), frame)

    def _band(self, scales: Sequence[float], start: int, period: int, frame: int) -> Band:
        bins = np.arange(1, period // 2)
        factor = 2 / period / admissibility()
        rows = [factor * morlet(scale, 2 * np.pi * bins / period) for scale in scales]
        inside = [np.nonzero(row)[0] for row in rows]
        count = np.array([len(i) for i in inside], np.int32)
        frame_rate_hz = self.spec.frame_rate_hz
        return Band(
            start=start,
            period=period,
            frames_around=period * frame_rate_hz // RCG_RATE_HZ,
            frame0=(SST_PAST - start) * frame_rate_hz // RCG_RATE_HZ - self.averaged + frame,
            frame=frame,
            frames=self.frames - frame,
            first=np.array([bins[i[0]] for i in inside], np.int32),
            count=count,
            offset=np.concatenate([[0], np.cumsum(count)[:-1]]).astype(np.int32),
            gain=np.concatenate([row[i] for row, i in zip(rows, inside, strict=True)]).astype(np.float32),
        )


def sst_tables(spec: SstSpec) -> SstTables:
    """Compute the tables of one SST."""
    return SstTables(
        spec=spec,
        averaged=averaged(spec),
        frames=SST_COLUMNS * spec.frame_rate_hz // SST_COLUMN_RATE_HZ + averaged(spec),
        taper=taper(spec.segment).astype(np.float32),
        threshold=SST_THRESHOLD / admissibility(),
    )


@cache
def radices(n: int) -> tuple[int, ...]:
    """Factor the length of a transform into as few factors 2 to 6 as possible; empty if it has other factors."""
    if n <= 6:
        return (n,)
    rests = [(radix, *rest) for radix in (4, 6, 5, 3, 2) if n % radix == 0 and (rest := radices(n // radix))]
    return min(rests, key=len, default=())


def twiddles(n: int) -> Float32:
    """Return re, im of w_n^(j p), j = 1 .. radix - 1, p increasing, of each pass of an inverse transform."""
    turns = []
    for radix in radices(n):
        p, j = np.arange(n // radix)[:, None], np.arange(1, radix)
        turns.append(np.exp(2j * np.pi * j * p / n).ravel())
        n //= radix
    return np.asarray(np.concatenate(turns).astype(np.complex64).view(np.float32))


def _circle(needed: int) -> int:
    """Return the shortest circle on the frame grid with at least `needed` samples and only the factors 2, 3 and 5."""
    period = -(-needed // SST_GRID) * SST_GRID
    while not radices(period):
        period += SST_GRID
    return period
