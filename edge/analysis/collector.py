"""A sink that collects what the chain sends, and puts it at its place in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from edge.analysis.result import SAMPLE_NS, About, BestStretch, Int64, Result, Seconds
from edge.core.spec import RCG_RATE_HZ, SST_COLUMN_RATE_HZ
from edge.core.types import EcgBlock, EcgEstimate, Float32, Float64, Quality, Vitals, Waveform

ANCHOR_S = 600
"""Longest piece of ECG whose place follows from one anchor: between two clocks, 20 ppm are 12 ms in this time."""
STRETCH_S = 12
"""Length of the stretch whose SST is kept."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """What is kept of an EcgBlock."""

    t_ns: int
    estimate: EcgEstimate
    continues: bool


class Collector:
    """Collect ECG, R peaks and vitals. `on_second` is called once a second with the vitals."""

    def __init__(self, on_second: Callable[[Vitals], object] | None = None) -> None:
        self._on_second = on_second
        self._ecg: list[_Segment] = []
        self._vitals: list[Vitals] = []
        self._recent: deque[tuple[EcgBlock, float]] = deque(maxlen=STRETCH_S)
        self._best: tuple[float, list[EcgBlock]] = (0.0, [])

    def waveform(self, wave: Waveform) -> None:
        """Ignore the waveform, which the ECG replaces."""

    def ecg(self, ecg: EcgBlock, quality: Quality) -> None:
        """Collect a piece of the ECG; keep the windows of the best STRETCH_S only, because they are large."""
        if not ecg.continues:
            self._recent.clear()
        self._recent.append((ecg, quality.sqi if quality.state != "unusable" else 0.0))
        total = sum(sqi for _, sqi in self._recent)
        if total > self._best[0]:
            self._best = total, [block for block, _ in self._recent]
        self._ecg.append(_Segment(ecg.t_ns, ecg.estimate, ecg.continues))

    def vitals(self, vitals: Vitals) -> None:
        """Collect the vitals of a second."""
        self._vitals.append(vitals)
        if self._on_second:
            self._on_second(vitals)

    def result(self, about: About, start_ns: int, end_ns: int, completed: bool) -> Result:
        """Return everything as one result, from `start_ns` to `end_ns`."""
        ecg_mv = np.full(max(0, round((end_ns - start_ns) / SAMPLE_NS)), np.nan, np.float32)
        peaks_ns: list[Int64] = [np.zeros(0, np.int64)]
        confidence: list[Float64] = [np.zeros(0)]
        for first_ns, piece in self._pieces():
            sample0 = piece[0].estimate.sample0
            for segment in piece:
                e = segment.estimate
                place = round((first_ns - start_ns) / SAMPLE_NS) + e.sample0 - sample0
                inside = slice(max(0, -place), max(0, len(ecg_mv) - place))
                values = np.where(e.valid_mask, e.ecg, np.nan)[inside]
                ecg_mv[max(0, place) : max(0, place) + len(values)] = values
                peaks_ns.append(first_ns + np.rint((e.r_peaks - sample0) * SAMPLE_NS).astype(np.int64))
                confidence.append(e.confidence)
        r_peak_t_ns = np.concatenate(peaks_ns)
        is_inside = (r_peak_t_ns >= start_ns) & (r_peak_t_ns < start_ns + len(ecg_mv) * SAMPLE_NS)
        return Result(
            about,
            start_ns,
            ecg_mv,
            r_peak_t_ns[is_inside],
            np.concatenate(confidence)[is_inside],
            _seconds(self._vitals),
            _best_stretch(self._best[1]),
            completed,
        )

    def _pieces(self) -> Iterator[tuple[int, list[_Segment]]]:
        """Yield pieces of adjacent segments, and the time of each piece's first sample.

        The host's time of a single segment is late by as much as its last packet was; the median of the piece is not.
        """
        piece: list[_Segment] = []
        for segment in self._ecg:
            length = segment.estimate.sample0 - piece[0].estimate.sample0 if piece else 0
            if piece and (not segment.continues or length >= ANCHOR_S * RCG_RATE_HZ):
                yield _anchor_ns(piece), piece
                piece = []
            piece.append(segment)
        if piece:
            yield _anchor_ns(piece), piece


def _anchor_ns(piece: list[_Segment]) -> int:
    sample0, t_ns = piece[0].estimate.sample0, piece[0].t_ns
    late_ns = [segment.t_ns - t_ns - (segment.estimate.sample0 - sample0) * SAMPLE_NS for segment in piece]
    return t_ns + round(median(late_ns))


def _best_stretch(blocks: list[EcgBlock]) -> BestStretch | None:
    """Join the third second of every window: two seconds of the window came before it, and one follows."""
    shown: list[Float32] = []
    for block in blocks:
        if block.window:
            scale = np.nan_to_num(block.window.scale)[:, None, None]
            shown.append(block.window.values[:, :, 2 * SST_COLUMN_RATE_HZ : 3 * SST_COLUMN_RATE_HZ] * scale)
    if not shown:
        return None
    magnitude = np.concatenate(shown, axis=2)
    level = np.quantile(magnitude, 0.999, axis=(1, 2), keepdims=True)
    magnitude = np.minimum(magnitude / np.where(level > 0, level, 1), 1).mean(axis=0)
    first, last = blocks[0], blocks[-1]
    start_ns, end_ns = (
        block.t_ns + (block.window_end - block.estimate.sample0 - before_s * RCG_RATE_HZ) * SAMPLE_NS
        for block, before_s in ((first, 2), (last, 1))
    )
    return BestStretch(start_ns, end_ns, magnitude.astype(np.float32))


def _seconds(vitals: list[Vitals]) -> Seconds:
    def column(values: Iterator[float | None]) -> Float64:
        return np.array([np.nan if value is None else value for value in values], np.float64)

    def text(values: Iterator[str]) -> Any:
        return np.array(list(values), np.str_)

    return Seconds(
        t_ns=np.array([v.t_ns for v in vitals], np.int64),
        heart_rate_bpm=column(v.heart_rate_bpm for v in vitals),
        heart_rate_low_bpm=column(v.ci95_bpm[0] if v.ci95_bpm else None for v in vitals),
        heart_rate_high_bpm=column(v.ci95_bpm[1] if v.ci95_bpm else None for v in vitals),
        breathing_rate_bpm=column(v.breathing_rate_bpm for v in vitals),
        chest_range_m=column(v.chest_range_m for v in vitals),
        rmssd_ms=column(v.rhythm.rmssd_ms if v.rhythm else None for v in vitals),
        sdnn_ms=column(v.rhythm.sdnn_ms if v.rhythm else None for v in vitals),
        movement=text(v.movement for v in vitals),
        quality=text(v.quality.state for v in vitals),
        sqi=column(v.quality.sqi for v in vitals),
        flags=text(" ".join(v.quality.flags) for v in vitals),
        frames_lost=np.array([v.frames.lost for v in vitals], np.int64),
    )
