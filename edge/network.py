"""The network that a runtime uses: a bundle, the backend that runs it, and whether it answers as it should."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.backends.base import BackendError, LoadedPredictor, Predictor
from edge.backends.onnxrt import OnnxRuntime
from edge.backends.tensorrt import TensorRt
from edge.bundle import MODEL, SHIPPED, Bundle, load
from edge.cuda import cuda_context
from edge.dsp.points import POINTS
from edge.errors import InputError
from edge.frames import Float32
from edge.spec import ANCHOR_CLASSES, CYCLE_CLASSES, PIECE, SST_BINS, SST_COLUMNS

SLOWEST_S = 0.5
"""A window comes every second; a network that takes longer than this leaves too little of it to the others."""
_LENGTHS = (PIECE, ANCHOR_CLASSES, CYCLE_CLASSES)

Backend = Callable[[Bundle, Path | None], Predictor]


class NetworkError(InputError):
    """The network runs, but what it says cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Network:
    """What makes the ECG: `predict` says it, `name` and `sha256` (of model.onnx) say who said it.

    `folder` is where its bundle lies, all links followed.
    """

    name: str
    sha256: str
    folder: Path
    predict: Predictor


def load_network(folder: Path | None = None, backend: str = "onnxruntime", engine: Path | None = None) -> Network:
    """The bundle in `folder`, or the one that comes with radarecg, on a row of BACKENDS; it has been tried.

    Raises BundleError, BackendError, NetworkError, FileNotFoundError.
    """
    folder = (folder or SHIPPED).resolve()
    bundle = load(folder)
    sha256 = bundle.about.sha256[MODEL]
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, folder, BACKENDS[backend](bundle, engine))


def _tried(predict: LoadedPredictor, bundle: Bundle) -> Predictor:
    """The same, if it answers silence, noise and the largest there is as it should. Raises NetworkError."""
    times_s = []
    for window in _extremes(POINTS if predict.points == "any" else predict.points):
        start_s = time.perf_counter()
        said = predict(window[None])
        times_s.append(time.perf_counter() - start_s)
        if [(len(one.ecg), len(one.anchor), len(one.cycle)) for one in said] != [_LENGTHS]:
            raise NetworkError(f"{bundle.folder / MODEL}: it answers in another shape than it says; export it again")
        if not said[0].finite:
            raise NetworkError(f"{bundle.folder / MODEL}: its answer is not finite; train or export it again")
    if min(times_s) > SLOWEST_S:
        raise NetworkError(
            f"{bundle.folder / MODEL}: it takes {min(times_s):.2f} s a window, more than {SLOWEST_S:g}; "
            "use a smaller one, or an engine of it"
        )
    return predict


def _extremes(points: int) -> tuple[Float32, ...]:
    shape = (points, SST_BINS, SST_COLUMNS)
    noise = np.random.default_rng(0).random(shape, np.float32) ** 4
    return np.zeros(shape, np.float32), noise, np.ones(shape, np.float32)


def _onnxruntime(bundle: Bundle, engine: Path | None) -> Predictor:
    return _tried(OnnxRuntime(bundle), bundle)


def _tensorrt(bundle: Bundle, engine: Path | None) -> Predictor:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: python -m export.build_engine {bundle.folder} makes one; "
            "name it as engine under [network]"
        )
    with cuda_context():
        return _tried(TensorRt(bundle, engine), bundle)


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
