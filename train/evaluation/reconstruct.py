"""Reconstructs the ECG of a recording as on the device, from RCG on: less noise, SST, network, stitching."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from edge.core.spec import SST_DEFAULT, SstSpec
from edge.core.types import Bool, Float32, Float64, TaskOutputs
from edge.dsp.sst.transform import spectrograms
from edge.ecg.shared_motion import keep_shared_motion
from edge.ecg.stitcher import Stitcher
from edge.inference.backends.base import Predictor

BATCH = 16


@dataclass(frozen=True)
class Reconstruction:
    """Long-term ECG of a recording of n samples.

    ecg [n], 0 where not `valid_mask` [n]; R peaks [k] in samples, each with its confidence; `windows`: (sample after
    the window, outputs of the network).
    """

    ecg: Float64
    valid_mask: Bool
    r_peaks: Float64
    confidence: Float64
    windows: list[tuple[int, TaskOutputs]]


def reconstruct(predict: Predictor, rcg: Float32, spec: SstSpec = SST_DEFAULT) -> Reconstruction:
    """Reconstruct the ECG of RCG [P, n] as on the device; the first two seconds are only context."""
    stitcher, n = Stitcher(), rcg.shape[1]
    parts, windows = [], []
    for end, outputs in _predicted(predict, rcg, spec):
        parts.append(stitcher.push(outputs, end))
        windows.append((end, outputs))
    parts.append(stitcher.flush())
    ecg, known = np.zeros(n), np.zeros(n, bool)
    for part in parts:
        inside = slice(part.sample0, part.sample0 + len(part.ecg))
        ecg[inside], known[inside] = part.ecg, part.valid_mask
    r_peaks = np.concatenate([part.r_peaks for part in parts])
    confidence = np.concatenate([part.confidence for part in parts])
    return Reconstruction(ecg, known, r_peaks, confidence, windows)


def _predicted(predict: Predictor, rcg: Float32, spec: SstSpec) -> Iterator[tuple[int, TaskOutputs]]:
    shown = ((end, window.values) for end, window in spectrograms(keep_shared_motion(rcg.astype(np.float64)), spec))
    with ThreadPoolExecutor(1) as ahead:  # the SST of the next windows runs beside the network: neither holds the GIL
        coming = ahead.submit(lambda: list(islice(shown, BATCH)))
        while batch := coming.result():
            coming = ahead.submit(lambda: list(islice(shown, BATCH)))
            outputs = predict(np.stack([values for _, values in batch]))
            yield from zip((end for end, _ in batch), outputs, strict=True)
