"""Synchrosqueezed spectrograms (SST) of RCG, the input of the network. Training and device use this same definition.

A window is 4 s of RCG at 200 Hz. It is processed as follows, with the constants of `edge.core.spec`:

1. A causal 0.7 Hz high-pass (Butterworth, order 2) over the whole stream removes the rest of breathing and posture.
2. The window and 2 s of past are extended by linear prediction to a circle of 8 s. So no sample after the window is
   used, and there is no edge at its end.
3. Analytic Morlet wavelet transform W and its derivative W' at 90 scales, 60 frames a second.
4. Each coefficient is added, as a complex number, to the bin of its instantaneous frequency Im(W'/W): 71 bins of a
   tenth of an octave, 0.695 to 100 Hz. A sinusoid of amplitude A becomes a line of magnitude A.
5. Magnitude; frames averaged 1-2-1 to 120 columns; the 9th largest cell is scaled to 1, larger ones are clipped.

The paper (radarODE-MTL, section III) transforms whole recordings with MATLAB's wsst and scales by the whole recording,
which uses the future; our windows correlate with that at about 0.99 (docs/sst.md).
`reference.py` is the definition in float64; `_sst.c` computes eight channels at once, and `edge/gpu/sst.cu` runs on the
GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np

from edge.core.spec import (
    RCG_RATE_HZ,
    SST_BINS,
    SST_COLUMNS,
    SST_DEFAULT,
    SST_GRID,
    SST_HIGH_PASS_HZ,
    SST_PAST,
    SST_WINDOW,
    SstSpec,
)
from edge.core.types import Bool, Float32, Float64, SstWindow
from edge.dsp.sst.native import NativeSst
from edge.dsp.sst.tables import sst_tables
from edge.filters.butterworth import butterworth
from edge.filters.sections import SectionFilter

HOP = RCG_RATE_HZ
"""Samples between two windows: 1 s, as in the paper."""


class Sst:
    """Transform of P channels: steps 2 to 5.

    With `hop` (a multiple of 20 samples), each segment must be the previous one, advanced by `hop`, and only frames
    that can have changed are computed; after `restart`, all are. The results are equal except for rounding: after a
    shock ten thousand times larger than the signal, its rounding errors remain while it is in the window.
    """

    def __init__(self, channels: int, spec: SstSpec = SST_DEFAULT, hop: int | None = None, threads: int = 1) -> None:
        if hop is not None and (hop <= 0 or hop % SST_GRID):
            raise ValueError(f"hop is {hop}; it must be a positive multiple of {SST_GRID} samples")
        if channels < 1 or threads < 1:
            raise ValueError(f"{channels} channels on {threads} threads; there must be at least one of each")
        self._shape = (channels, spec.segment)
        tables = sst_tables(spec)
        share = -(-channels // (8 * threads)) * 8  # eight channels are computed together
        self._parts = [slice(c, c + share) for c in range(0, channels, share)]
        self._engines = [NativeSst(tables, min(share, channels - part.start), hop) for part in self._parts]
        self._pool = ThreadPoolExecutor(len(self._parts)) if len(self._parts) > 1 else None
        self._streaming = hop is not None
        self._out = SstWindow(np.zeros((channels, SST_BINS, SST_COLUMNS), np.float32), np.zeros(channels, np.float32))
        self.restart()

    def restart(self) -> None:
        """Discard the previous window, so that the next call computes all frames."""
        self._has_previous = False

    def __call__(self, segment: Float32) -> SstWindow:
        """Transform high-passed samples [P, spec.segment] to a window. The next call overwrites its arrays.

        Raises ValueError for another shape.
        """
        if segment.shape != self._shape:
            raise ValueError(f"segment is {segment.shape}, not {self._shape}")
        segment = np.ascontiguousarray(segment, np.float32)
        for _ in (self._pool.map if self._pool else map)(self._compute_part, range(len(self._parts)), repeat(segment)):
            pass  # raises exceptions of the threads here
        # A channel that is not finite stores nothing that the next window could reuse.
        self._has_previous = self._streaming and not np.isnan(self._out.scale).any()
        return self._out

    def _compute_part(self, number: int, segment: Float32) -> None:
        """Compute the channels of one thread."""
        part = self._parts[number]
        self._engines[number](segment[part], self._out.values[part], self._out.scale[part], self._has_previous)


class HighPass:
    """Step 1, streaming high-pass. Its initial state is that of a constant equal to the first sample."""

    _SECTIONS = butterworth(2, SST_HIGH_PASS_HZ, "highpass", RCG_RATE_HZ)

    def __init__(self) -> None:
        self._filter = SectionFilter(self._SECTIONS, settled=True)
        self._last: Float64 | None = None

    def push(self, x: Float64) -> Float64:
        """Filter x [P, n], n > 0. Samples that are not finite become NaN and do not affect other samples."""
        finite = np.isfinite(x)
        held = x if finite.all() else self._hold(x, finite)
        self._last = held[:, -1]
        return np.where(finite, self._filter(held), np.nan)

    def _hold(self, x: Float64, finite: Bool) -> Float64:
        """Replace samples that are not finite by the previous sample, or at the start by the first finite one."""
        first = np.take_along_axis(x, finite.argmax(axis=1)[:, None], axis=1)
        before = self._last[:, None] if self._last is not None else np.where(np.isfinite(first), first, 0)
        place = np.maximum.accumulate(np.where(finite, np.arange(1, x.shape[1] + 1), 0), axis=1)
        return np.take_along_axis(np.concatenate([before, x], axis=1), place, axis=1)


class Segments:
    """Split a live stream of P channels into segments for the transform: one every HOP, after 6 s."""

    def __init__(self, channels: int, spec: SstSpec = SST_DEFAULT) -> None:
        self._high_pass = HighPass()
        self._segment = spec.segment
        # Twice the needed length, so that the latest samples are moved to the front only rarely.
        self._samples = np.zeros((channels, 2 * spec.segment), np.float32)
        self._covered = np.zeros(2 * spec.segment, bool)
        self._end = spec.segment
        self._missing = spec.segment
        """Samples that are missing for the next segment."""

    def push(self, rcg_mm_s2: Float64, covered: Bool) -> list[tuple[Float32, float]]:
        """Add RCG [P, n] and covered [n]; return the high-passed segments [P, spec.segment] that are now complete.

        Each comes with its coverage, the fraction of its window's 4 s that was measured, not interpolated.
        Raises ValueError if the shapes do not match.
        """
        if rcg_mm_s2.shape != (len(self._samples), len(covered)):
            raise ValueError(f"RCG is {rcg_mm_s2.shape} with {len(covered)} covered, not {len(self._samples)} channels")
        segments = []
        x = self._high_pass.push(rcg_mm_s2) if len(covered) else rcg_mm_s2
        done = 0
        while done < len(covered):
            part = slice(done, min(done + self._missing, len(covered)))
            self._append(x[:, part], covered[part])
            done = part.stop
            if self._missing == 0:
                self._missing = HOP
                segments.append((self._samples[:, self._end - self._segment : self._end].copy(), self._coverage()))
        return segments

    def _append(self, x: Float64, covered: Bool) -> None:
        n = len(covered)
        if self._end + n > len(self._covered):
            latest = slice(self._end - self._segment, self._end)
            self._samples[:, : self._segment] = self._samples[:, latest]
            self._covered[: self._segment] = self._covered[latest]
            self._end = self._segment
        self._samples[:, self._end : self._end + n] = x
        self._covered[self._end : self._end + n] = covered
        self._end += n
        self._missing -= n

    def _coverage(self) -> float:
        start = self._end - self._segment + SST_PAST
        return float(self._covered[start : start + SST_WINDOW].mean())


class SstStream:
    """Transform of a live stream of P channels: one window for each segment."""

    def __init__(self, channels: int, spec: SstSpec = SST_DEFAULT, threads: int = 1) -> None:
        self._segments, self._sst = Segments(channels, spec), Sst(channels, spec, HOP, threads)

    def push(self, rcg_mm_s2: Float64, covered: Bool) -> list[SstWindow]:
        """Add RCG [P, n] and covered [n]; return the windows now complete. Raises ValueError like `Segments`."""
        return [self._window(*segment) for segment in self._segments.push(rcg_mm_s2, covered)]

    def _window(self, segment: Float32, coverage: float) -> SstWindow:
        window = self._sst(segment)
        return SstWindow(window.values.copy(), window.scale.copy(), coverage)


def spectrograms(rcg_mm_s2: Float64, spec: SstSpec = SST_DEFAULT) -> Iterator[tuple[int, SstWindow]]:
    """Yield (sample after the window, window) of a recording's RCG [P, n], as the device would compute them."""
    stream = SstStream(len(rcg_mm_s2), spec)
    end = SST_PAST + SST_WINDOW
    for start in range(0, rcg_mm_s2.shape[1], HOP):
        block = rcg_mm_s2[:, start : start + HOP]
        for window in stream.push(block, np.ones(block.shape[1], bool)):
            yield end, window
            end += HOP
