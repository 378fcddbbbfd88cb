"""RCG to a long-term ECG, live: SST, network, stitching, with the time and the number of every sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT, SST_PAST, SST_WINDOW
from edge.core.types import EcgBlock, Float32, RcgBlock, SstWindow, TaskOutputs
from edge.dsp.frontend.rcg import delay_s
from edge.dsp.sst.transform import HOP, Segments, Sst
from edge.ecg.stitcher import DELAY_S, Stitcher

Predictor = Callable[[Float32], Sequence[TaskOutputs]]
"""A network: spectrograms [B, P, 71, 120] to what it says of each window."""
InferWindow = Callable[[Float32], tuple[SstWindow, TaskOutputs]]
"""SST and network: high-passed samples [P, spec.segment], HOP after those before, to their window and what is said."""
InferenceFactory = Callable[[int], InferWindow]
"""SST and network for a new stretch of RCG of so many channels."""

MIN_COVERAGE = 0.4
"""Of a window of which less was measured nothing is believed. A third of the frames may be lost here and there before
the rate is less often right (docs/quality.md); longer gaps start_inference a new stretch (`edge.dsp.frontend.rcg`)."""
_SAMPLE_NS = 1_000_000_000 // RCG_RATE_HZ

log = logging.getLogger(__name__)


def cpu_inference(predict: Predictor, channels: int) -> InferWindow:
    """A network behind the SST on the CPU, for one stretch: the SST goes on from window to window."""
    sst = Sst(channels, SST_DEFAULT, HOP)

    def infer(segment: Float32) -> tuple[SstWindow, TaskOutputs]:
        window = sst(segment)  # the next call writes over it
        window = SstWindow(window.values.copy(), window.scale.copy())
        return window, predict(window.values[None])[0]

    return infer


class EcgReconstructor:
    """Streaming: blocks of RCG in, once a second the stretch of ECG that has become ripe out."""

    def __init__(
        self, start_inference: InferenceFactory, frame_rate_hz: float, decide_after_s: float = DELAY_S
    ) -> None:
        self._start_inference, self._delay_ns = start_inference, round(delay_s(frame_rate_hz) * 1e9)
        self._decide_after_s = decide_after_s
        self._segments: Segments | None = None
        self._stream_offset = self._samples = 0  # samples since the boot before this stretch of RCG, and in it
        self.outputs_finite = True
        """What the network last said was numbers throughout; what is not becomes no ECG."""

    def push(self, block: RcgBlock) -> list[EcgBlock]:
        """The stretches that the block completes; after a restart, ones that do not continue those before."""
        if self._segments is None or block.restarted:
            self._stream_offset += self._samples
            self._samples = 0
            channels = len(block.rcg_mm_s2)
            self._segments, self._infer = Segments(channels), self._start_inference(channels)
            self._stitcher = Stitcher(self._decide_after_s)
            self._end, self._next_sample = SST_PAST + SST_WINDOW, -1
        self._samples += len(block.covered)
        return [
            ecg
            for segment, coverage in self._segments.push(block.rcg_mm_s2, block.covered)
            for ecg in self._reconstruct(segment, coverage, block)
        ]

    def _reconstruct(self, segment: Float32, coverage: float, block: RcgBlock) -> list[EcgBlock]:
        end, self._end = self._end, self._end + HOP
        window, outputs = self._infer(segment)  # believed or not: the SST goes on from this window to the next
        if coverage < MIN_COVERAGE:
            return []
        if self.outputs_finite and not outputs.finite:
            log.error("what the network says is not finite: there is no ECG until it is")
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
