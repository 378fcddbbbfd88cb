"""The network that a runtime uses: a bundle on the backend that runs it, behind the SST, tried before it is used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.core.errors import InputError
from edge.core.spec import ANCHOR_CLASSES, CYCLE_CLASSES, PIECE, SST_BINS, SST_COLUMNS
from edge.core.types import Float32
from edge.dsp.frontend.point_selection import POINTS
from edge.ecg.reconstructor import InferWindow, cpu_inference
from edge.gpu.context import cuda_context
from edge.gpu.sst import CudaSst
from edge.inference.backends.base import BackendError, LoadedPredictor, Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.backends.tensorrt import TensorRt, TensorRtFromSegments
from edge.inference.bundle import MODEL, SHIPPED, Bundle, load

log = logging.getLogger(__name__)

MAX_INFERENCE_S = 0.5
"""A window comes every second; a network that takes longer than this leaves too little of it to the others."""
_LENGTHS = (PIECE, ANCHOR_CLASSES, CYCLE_CLASSES)

Backend = Callable[[Bundle, Path | None, int], tuple[Predictor, InferWindow | None]]
"""A bundle, its engine where there is one, and the cores it may use, to `predict` and `read` of a Network."""


class NetworkError(InputError):
    """The network runs, but what it says cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Network:
    """What makes the ECG: `predict` says it, `name` and `sha256` (of model.onnx) say who said it.

    `folder` is where its bundle lies, all links followed. `read`: where the SST runs beside it on the GPU, both in one
    step.
    """

    name: str
    sha256: str
    folder: Path
    predict: Predictor
    read: InferWindow | None = None

    def begin(self, channels: int) -> InferWindow:
        """SST and network for a new stretch of RCG of so many channels."""
        return self.read or cpu_inference(self.predict, channels)


def load_network(
    folder: Path | None = None,
    backend: str = "onnxruntime",
    engine: Path | None = None,
    threads: int = 1,
    public_key: Path | None = None,
) -> Network:
    """The bundle in `folder`, or the one that comes with radarecg, on a row of BACKENDS; it has been tried.

    With a public key the bundle must be signed by its owner. `threads`: cores, for a backend on the CPU.
    Raises InputError, FileNotFoundError.
    """
    folder = (folder or SHIPPED).resolve()
    bundle = load(folder, public_key)
    sha256 = bundle.about.sha256[MODEL]
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, folder, *BACKENDS[backend](bundle, engine, threads))


def _self_test(predict: LoadedPredictor, bundle: Bundle) -> Predictor:
    """The same, if it answers silence, noise and the largest there is as it should. Raises NetworkError.

    One that is slow here and now is only warned of: the machine may have been busy.
    """
    times_s = []
    for window in _self_test_inputs(POINTS if predict.points == "any" else predict.points):
        start_s = time.perf_counter()
        said = predict(window[None])
        times_s.append(time.perf_counter() - start_s)
        if [(len(one.ecg), len(one.anchor), len(one.cycle)) for one in said] != [_LENGTHS]:
            raise NetworkError(f"{bundle.folder / MODEL}: it answers in another shape than it says; export it again")
        if not said[0].finite:
            raise NetworkError(f"{bundle.folder / MODEL}: its answer is not finite; train or export it again")
    if min(times_s) > MAX_INFERENCE_S:
        log.warning(
            "%s: it takes %.2f s a window, more than %g; use a smaller one, or an engine of it",
            *(bundle.folder / MODEL, min(times_s), MAX_INFERENCE_S),
        )
    return predict


def _self_test_inputs(points: int) -> tuple[Float32, ...]:
    shape = (points, SST_BINS, SST_COLUMNS)
    noise = np.random.default_rng(0).random(shape, np.float32) ** 4
    return np.zeros(shape, np.float32), noise, np.ones(shape, np.float32)


def _onnxruntime(bundle: Bundle, engine: Path | None, threads: int) -> tuple[Predictor, None]:
    return _self_test(OnnxRuntime(bundle, threads), bundle), None


def _tensorrt(bundle: Bundle, engine: Path | None, threads: int) -> tuple[Predictor, InferWindow]:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: python -m export.build_engine {bundle.folder} makes one; "
            "name it as engine under [network]"
        )
    with cuda_context():
        network, sst = TensorRt(bundle, engine), bundle.about.sst
        return _self_test(network, bundle), TensorRtFromSegments(network, CudaSst(network.points, sst), sst.segment)


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
