"""RCG to a long-term ECG, live: SST, network, stitching, with the time and the number of every sample."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from edge.dsp.rcg import delay_s
from edge.dsp.sst import HOP, SstStream
from edge.frames import EcgBlock, Float32, RcgBlock, SstWindow, TaskOutputs
from edge.spec import RCG_RATE_HZ, SST_DEFAULT, SST_PAST, SST_WINDOW
from edge.vitals.stitch import Stitcher

Predict = Callable[[Float32], Sequence[TaskOutputs]]
"""A network: spectrograms [B, P, 71, 120] to what it says of each window."""

LEAST_COVERAGE = 0.9
"""A window of which less was measured is not shown to the network: the rest of it is a straight line."""
_SAMPLE_NS = 1_000_000_000 // RCG_RATE_HZ

log = logging.getLogger(__name__)


class EcgReconstructor:
    """Streaming: blocks of RCG in, once a second the stretch of ECG that has become ripe out."""

    def __init__(self, predict: Predict, frame_rate_hz: float) -> None:
        self._predict, self._delay_ns = predict, round(delay_s(frame_rate_hz) * 1e9)
        self._sst: SstStream | None = None
        self._before = self._samples = 0  # samples since the boot before this stretch of RCG, and in it
        self.sound = True
        """What the network last said was numbers throughout; what is not becomes no ECG."""

    def push(self, block: RcgBlock) -> list[EcgBlock]:
        """The stretches that the block completes; after a restart, ones that do not continue those before."""
        if self._sst is None or block.restarted:
            self._before += self._samples
            self._samples = 0
            self._sst, self._stitcher = SstStream(len(block.rcg_mm_s2), SST_DEFAULT), Stitcher()
            self._end, self._told = SST_PAST + SST_WINDOW, -1
        self._samples += len(block.covered)
        return [
            ecg for window in self._sst.push(block.rcg_mm_s2, block.covered) for ecg in self._reconstruct(window, block)
        ]

    def _reconstruct(self, window: SstWindow, block: RcgBlock) -> list[EcgBlock]:
        end, self._end = self._end, self._end + HOP
        if window.coverage < LEAST_COVERAGE:
            return []
        said = self._predict(window.values[None])[0]
        if self.sound and not said.finite:
            log.error("what the network says is not finite: there is no ECG until it is")
        self.sound = said.finite
        if not self.sound:
            return []
        estimate = self._stitcher.push(said, end)
        continues, self._told = estimate.sample0 == self._told, estimate.sample0 + len(estimate.ecg)
        age = self._samples - 1 - estimate.sample0
        t_ns = block.t_ns - self._delay_ns - age * _SAMPLE_NS
        return [EcgBlock(t_ns, self._before + estimate.sample0, estimate, continues, window, self._before + end)]
