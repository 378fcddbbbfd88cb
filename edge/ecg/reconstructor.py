"""Live reconstruction of a continuous ECG from RCG: less noise, SST, network, stitching, and time stamps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT, SST_PAST, SST_WINDOW
from edge.core.types import EcgBlock, Float32, RcgBlock, SstWindow, TaskOutputs
from edge.dsp.frontend.rcg import delay_s
from edge.dsp.sst.transform import HOP, Segments, Sst
from edge.ecg.shared_motion import SharedMotion
from edge.ecg.stitcher import DELAY_S, Stitcher

Predictor = Callable[[Float32], Sequence[TaskOutputs]]
"""Runs a network: spectrograms [B, P, 71, 120] to the outputs of each window."""
InferWindow = Callable[[Float32], tuple[SstWindow, TaskOutputs]]
"""Runs SST and network on the next window: high-passed samples [P, spec.segment], HOP after the previous ones."""
InferenceFactory = Callable[[int], InferWindow]
"""Creates an InferWindow for a new segment of RCG with this number of channels."""

MIN_COVERAGE = 0.4
"""Windows with less than this fraction of measured samples are ignored.

With a third of the frames lost at random, the rate is still as often right (docs/quality.md). Longer gaps start a new
segment (`edge.dsp.frontend.rcg`).
"""
_SAMPLE_NS = 1_000_000_000 // RCG_RATE_HZ

log = logging.getLogger(__name__)


class NoNetworkError(Exception):
    """An InferWindow has no network any more: there is no ECG until it has one again."""


def cpu_inference(predict: Predictor, channels: int) -> InferWindow:
    """Create the inference for one segment of RCG: incremental SST on the CPU, then `predict`."""
    sst = Sst(channels, SST_DEFAULT, HOP)

    def infer(segment: Float32) -> tuple[SstWindow, TaskOutputs]:
        window = sst(segment)  # its arrays are overwritten by the next call
        window = SstWindow(window.values.copy(), window.scale.copy())
        return window, predict(window.values[None])[0]

    return infer


class EcgReconstructor:
    """Reconstruct the ECG block by block. Once a second, the ECG that is final is returned."""

    def __init__(
        self, start_inference: InferenceFactory, frame_rate_hz: float, decide_after_s: float = DELAY_S
    ) -> None:
        self._start_inference, self._delay_ns = start_inference, round(delay_s(frame_rate_hz) * 1e9)
        self._decide_after_s = decide_after_s
        self._segments: Segments | None = None
        self._stream_offset = self._samples = 0  # samples since the start: before this segment of RCG, and in it
        self.outputs_finite = True
        """Whether the latest outputs of the network were all finite. Outputs that are not produce no ECG."""
        self.has_network = True
        """Whether there was a network for the latest window (NoNetworkError)."""

    def push(self, block: RcgBlock) -> list[EcgBlock]:
        """Add a block and return the ECG that is now final. After a restart it does not continue the earlier ECG."""
        if self._segments is None or block.restarted:
            self._stream_offset += self._samples
            self._samples = 0
            channels = len(block.rcg_mm_s2)
            self._segments, self._infer = Segments(channels), self._start_inference(channels)
            self._shared = SharedMotion(channels)
            self._stitcher = Stitcher(self._decide_after_s)
            self._end, self._next_sample = SST_PAST + SST_WINDOW, -1
        self._samples += len(block.covered)
        return [
            ecg
            for segment, coverage in self._segments.push(self._shared.push(block.rcg_mm_s2), block.covered)
            for ecg in self._reconstruct(segment, coverage, block)
        ]

    def _reconstruct(self, segment: Float32, coverage: float, block: RcgBlock) -> list[EcgBlock]:
        end, self._end = self._end, self._end + HOP
        try:
            window, outputs = self._infer(segment)  # always, because the SST of the next window is computed from this
            self.has_network = True
        except NoNetworkError:
            self.has_network, self.outputs_finite = False, True
            return []
        if coverage < MIN_COVERAGE:
            return []
        if self.outputs_finite and not outputs.finite:
            log.error("the network outputs are not finite; no ECG until they are")
        self.outputs_finite = outputs.finite
        if not self.outputs_finite:
            return []
        estimate = self._stitcher.push(outputs, end)
        continues, self._next_sample = estimate.sample0 == self._next_sample, estimate.sample0 + len(estimate.ecg)
        age = self._samples - 1 - estimate.sample0
        t_ns = block.t_ns - self._delay_ns - age * _SAMPLE_NS
        window = replace(window, coverage=coverage)
        return [
            EcgBlock(
                t_ns,
                self._stream_offset + estimate.sample0,
                estimate,
                continues,
                outputs,
                window,
                self._stream_offset + end,
            )
        ]
