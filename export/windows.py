"""Provides windows of a data set or of a recording as network inputs, for calibration and comparison."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS
from edge.dsp.frontend.rcg import find_problem
from edge.ecg.reconstructor import cpu_inference
from edge.inference.backends.base import Predictor
from edge.inference.bundle import Points
from edge.pipeline import Pipeline
from edge.sources.recording import open_recording
from edge.sources.replay import ReplaySource
from train.data.dataset import Recording
from train.training.batches import Batches

CALIBRATION_WINDOWS = 128
"""Number of windows that calibrate int8."""


def windows_of(recordings: Sequence[Recording], points: Points, count: int = CALIBRATION_WINDOWS) -> list[Float32]:
    """Return at most `count` windows [1, P, 71, 120], spread over the recordings. Raises InputError if none exists."""
    batches = Batches(recordings, 1, POINTS if points == "any" else points, augment=False, seed=0, spec=SST_DEFAULT)
    return [batch.x for batch in batches.sample_evenly(count)]


def replayed(folder: Path, predict: Predictor) -> list[Float32]:
    """Return the windows [1, P, 71, 120] that the device computes from a recording. Raises InputError."""
    recording = open_recording(folder)
    chain = Pipeline(recording.chirp, lambda: True, recording.calibration, partial(cpu_inference, predict))
    blocks = [ecg for frame in ReplaySource(recording).frames() for ecg in chain.push(frame)]
    windows = [ecg.window.values[None] for ecg in blocks if ecg.window]
    if not windows:
        problem = (
            find_problem(recording.chirp, ReplaySource(recording).frames())
            or "no chest in view for the six seconds of a window"
        )
        raise InputError(f"{folder}: {problem}")
    return windows
