"""RCG to a long-term ECG, live: SST, network, stitching, with the time and the number of every sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.dsp.phase import SecondDerivative
from edge.dsp.sst import HOP, SstStream
from edge.frames import EcgBlock, Float32, RcgBlock, SstWindow, TaskOutputs
from edge.spec import RCG_RATE_HZ, SST_DEFAULT, SST_PAST, SST_WINDOW
from edge.vitals.stitch import Stitcher

Predict = Callable[[Float32], Sequence[TaskOutputs]]
"""A network: spectrograms [B, P, 71, 120] to what it says of each window."""

LEAST_COVERAGE = 0.9
"""A window of which less was measured is not shown to the network: the rest of it is a straight line."""
_SAMPLE_NS = 1_000_000_000 // RCG_RATE_HZ


class EcgReconstructor:
    """Streaming: blocks of RCG in, once a second the stretch of ECG that has become ripe out."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._sst: SstStream | None = None
        self._before = self._samples = 0  # samples since the boot before this stretch of RCG, and in it

    def push(self, block: RcgBlock) -> list[EcgBlock]:
        """The stretches that the block completes; after a restart, ones that do not continue those before."""
        if self._sst is None or block.restarted:
            self._before += self._samples
            self._samples = 0
            self._sst, self._stitcher = SstStream(len(block.rcg_mm_s2), SST_DEFAULT), Stitcher()
            self._end, self._continues = SST_PAST + SST_WINDOW, False
        self._samples += len(block.covered)
        return [
            ecg for window in self._sst.push(block.rcg_mm_s2, block.covered) for ecg in self._reconstruct(window, block)
        ]

    def _reconstruct(self, window: SstWindow, block: RcgBlock) -> list[EcgBlock]:
        end, self._end = self._end, self._end + HOP
        if window.coverage < LEAST_COVERAGE:
            return []
        estimate = self._stitcher.push(self._predict(window.values[None])[0], end)
        continues, self._continues = self._continues, True
        # The block's last sample is DELAY samples older than its last frame.
        age = self._samples - 1 + SecondDerivative.DELAY - estimate.sample0
        sample0, window_end = self._before + estimate.sample0, self._before + end
        return [EcgBlock(block.t_ns - age * _SAMPLE_NS, sample0, estimate, continues, window, window_end)]
