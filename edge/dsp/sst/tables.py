"""What the fast forms of the SST, on the CPU and on the GPU, compute once: the wavelets' bands and the frame grid.

The inverse transform is never made at 200 Hz: a frame every N/M samples of a circle of N needs only the spectrum
folded to M values (bin k onto k mod M), exactly. Folding adds at most N/2 products a scale; the inverse transform
shrinks from 1600 to 480 or 240 points.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy import signal

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_AR_TAPER,
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
from edge.dsp.sst.reference import admissibility, averaged, morlet

Int32 = npt.NDArray[np.int32]

LOW_SCALES, HIGH_SCALES = SST_SCALES[45:], SST_SCALES[:45]


@dataclass(frozen=True, slots=True)
class Band:
    """Scales computed on one circle: `period` samples from sample `start` of the whole.

    Scale j has the circle's bins first[j] .. first[j] + count[j] - 1 with weights gain[offset[j] ..]. The circle has
    `frames_around` frames; those wanted are frame0 .. frame0 + frames - 1, and are the window's from `frame` on.
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
    """What belongs to one SstSpec: the window's frames and the taper [segment].

    The gains of the bands hold every constant factor, so that a sinusoid of amplitude A ends with magnitude A in its
    bin; a coefficient made with them counts when it exceeds `threshold` times the segment's largest sample.
    """

    spec: SstSpec
    averaged: bool
    frames: int
    taper: Float32
    threshold: float

    def whole(self, scales: Sequence[float] = SST_SCALES) -> Band:
        """All frames of the window from the whole circle: what the definition says."""
        return self._band(scales, 0, SST_PERIOD, 0)

    def high(self, hop: int | None = None) -> Band:
        """The short wavelets, from a shorter circle: only as far around the frames as these wavelets reach.

        With `hop`, only the frames that can have changed since the window was `hop` samples earlier: those the new
        samples reach. Beyond its reach a wavelet is below 4e-6 of its peak.
        """
        reach = math.ceil(SST_REACH * HIGH_SCALES[-1])
        frame = 0
        if hop is not None:
            unchanged = self.spec.segment - SST_PAST - hop - reach
            hop_frames = hop * self.spec.frame_rate_hz // RCG_RATE_HZ
            known = min(unchanged * self.spec.frame_rate_hz // RCG_RATE_HZ, self.frames - hop_frames)
            frame = max(0, known)  # a long look-ahead leaves frames unchanged that were not in the window before
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
    """The tables of one SST."""
    return SstTables(
        spec=spec,
        averaged=averaged(spec),
        frames=SST_COLUMNS * spec.frame_rate_hz // SST_COLUMN_RATE_HZ + averaged(spec),
        taper=signal.windows.tukey(spec.segment, SST_AR_TAPER).astype(np.float32),
        threshold=SST_THRESHOLD / admissibility(),
    )


@cache
def radices(n: int) -> tuple[int, ...]:
    """The factors 2 to 6 of a transform's length, as few as there can be; none when it has another factor."""
    if n <= 6:
        return (n,)
    rests = [(radix, *rest) for radix in (4, 6, 5, 3, 2) if n % radix == 0 and (rest := radices(n // radix))]
    return min(rests, key=len, default=())


def twiddles(n: int) -> Float32:
    """Re, im of w_n^(j p), j = 1 .. radix - 1, p rising, pass after pass, of an inverse transform of length n."""
    turns = []
    for radix in radices(n):
        p, j = np.arange(n // radix)[:, None], np.arange(1, radix)
        turns.append(np.exp(2j * np.pi * j * p / n).ravel())
        n //= radix
    return np.asarray(np.concatenate(turns).astype(np.complex64).view(np.float32))


def _circle(needed: int) -> int:
    """The shortest circle on the frame grid that holds `needed` samples and factors into 2, 3 and 5."""
    period = -(-needed // SST_GRID) * SST_GRID
    while not radices(period):
        period += SST_GRID
    return period
