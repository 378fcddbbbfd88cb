"""Loads the network that a runtime uses: a bundle on a backend, with its SST, self-tested before use."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, ECG_PIECE_SAMPLES, SST_BINS, SST_COLUMNS
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS
from edge.ecg.reconstructor import InferWindow, cpu_inference
from edge.gpu.context import cuda_context
from edge.gpu.sst import CudaSst
from edge.inference.backends.base import BackendError, LoadedPredictor, Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.backends.tensorrt import TensorRt, TensorRtFromSegments
from edge.inference.bundle import MODEL, SHIPPED, Bundle, load_bundle

log = logging.getLogger(__name__)

MAX_INFERENCE_S = 0.5
"""A window arrives every second; slower inference leaves too little time for the other tasks."""
_LENGTHS = (ECG_PIECE_SAMPLES, ANCHOR_CLASSES, CYCLE_CLASSES)

Backend = Callable[[Bundle, Path | None, int], tuple[Predictor, InferWindow | None]]
"""Returns `predict` and `infer_window` of a Network for a bundle, its engine (if any) and the number of cores."""


class NetworkError(InputError):
    """The network runs, but its outputs are unusable; the message says why."""


@dataclass(frozen=True)
class Network:
    """A network that reconstructs the ECG: `predict` runs it, `name` and `sha256` (of model.onnx) identify it.

    `folder` is the bundle's folder with all links resolved. `infer_window` runs SST and network in one step, if the SST
    also runs on the GPU.
    """

    name: str
    sha256: str
    folder: Path
    predict: Predictor
    infer_window: InferWindow | None = None

    def begin(self, channels: int) -> InferWindow:
        """Start SST and network for a new, continuous RCG stream of `channels` channels."""
        return self.infer_window or cpu_inference(self.predict, channels)


def load_network(
    folder: Path | None = None,
    backend: str = "onnxruntime",
    engine: Path | None = None,
    threads: int = 1,
    public_key: Path | None = None,
) -> Network:
    """Load the bundle in `folder`, or the shipped one, on one of BACKENDS and self-tests it.

    With a public key, the bundle must be signed with that key. `threads`: cores, for a backend on the CPU.
    Raises InputError, FileNotFoundError.
    """
    folder = (folder or SHIPPED).resolve()
    bundle = load_bundle(folder, public_key)
    sha256 = bundle.about.sha256[MODEL]
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, folder, *BACKENDS[backend](bundle, engine, threads))


def _self_test(predict: LoadedPredictor, bundle: Bundle) -> Predictor:
    """Return `predict` if its outputs for zeros, noise and ones are valid. Raises NetworkError.

    A slow network only causes a warning: the machine may have been busy.
    """
    times_s = []
    for window in _self_test_inputs(POINTS if predict.points == "any" else predict.points):
        start_s = time.perf_counter()
        found = predict(window[None])
        times_s.append(time.perf_counter() - start_s)
        if [(len(one.ecg), len(one.anchor), len(one.cycle)) for one in found] != [_LENGTHS]:
            raise NetworkError(f"{bundle.folder / MODEL}: its outputs have the wrong shapes; export it again")
        if not found[0].finite:
            raise NetworkError(f"{bundle.folder / MODEL}: its outputs are not finite; train or export it again")
    if min(times_s) > MAX_INFERENCE_S:
        log.warning(
            "%s: inference takes %.2f s per window, more than %g; use a smaller network, or a TensorRT engine",
            *(bundle.folder / MODEL, min(times_s), MAX_INFERENCE_S),
        )
    return predict


def _self_test_inputs(points: int) -> tuple[Float32, ...]:
    shape = (points, SST_BINS, SST_COLUMNS)
    noise = np.random.default_rng(0).random(shape, np.float32) ** 4
    return np.zeros(shape, np.float32), noise, np.ones(shape, np.float32)


def _onnxruntime(bundle: Bundle, _engine: Path | None, threads: int) -> tuple[Predictor, None]:
    return _self_test(OnnxRuntime(bundle, threads), bundle), None


def _tensorrt(bundle: Bundle, engine: Path | None, _threads: int) -> tuple[Predictor, InferWindow]:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: build it with python -m export.build_engine {bundle.folder} and "
            "set engine under [network]"
        )
    with cuda_context():
        network, sst = TensorRt(bundle, engine), bundle.about.sst
        on_gpu = TensorRtFromSegments(network, CudaSst(network.points, sst, engine.parent), sst.segment)
        return _self_test(network, bundle), on_gpu


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
