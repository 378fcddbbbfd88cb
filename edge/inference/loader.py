"""Loads the network that a runtime uses: a bundle on a backend, with its SST, self-tested before use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.ecg.reconstructor import InferWindow, cpu_inference
from edge.gpu.context import cuda_context
from edge.gpu.sst import CudaSst
from edge.inference.backends.base import BackendError, Predictor
from edge.inference.backends.onnxrt import OnnxRuntime
from edge.inference.backends.tensorrt import TensorRt, TensorRtFromSegments
from edge.inference.bundle import MODEL, SHIPPED, Bundle, load_bundle
from edge.inference.self_test import run_self_test

Backend = Callable[[Bundle, Path | None, int], tuple[Predictor, InferWindow | None]]
"""Returns `predict` and `infer_window` of a Network for a bundle, its engine (if any) and the number of cores."""


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
    """Load the bundle in `folder`, or the shipped one, on one of BACKENDS and self-test it.

    With a public key, the bundle must be signed with that key. `threads`: cores, for a backend on the CPU.
    Raises InputError, FileNotFoundError.
    """
    return load_on_backend(load_bundle((folder or SHIPPED).resolve(), public_key), backend, engine, threads)


def load_on_backend(bundle: Bundle, backend: str, engine: Path | None = None, threads: int = 1) -> Network:
    """Load a bundle's network on one of BACKENDS and self-test it. Raises InputError."""
    predict, infer_window = BACKENDS[backend](bundle, engine, threads)
    return Network(network_name(bundle), bundle.about.sha256[MODEL], bundle.folder, predict, infer_window)


def network_name(bundle: Bundle) -> str:
    """Return the bundle's name with the first digits of its model's digest."""
    return f"{bundle.about.name}-{bundle.about.sha256[MODEL][:8]}"


def _onnxruntime(bundle: Bundle, _engine: Path | None, threads: int) -> tuple[Predictor, None]:
    network = OnnxRuntime(bundle, threads)
    run_self_test(network, bundle)
    return network, None


def _tensorrt(bundle: Bundle, engine: Path | None, _threads: int) -> tuple[Predictor, InferWindow]:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: build it with python -m export.build_engine {bundle.folder} and "
            "set engine under [network]"
        )
    with cuda_context():
        network, sst = TensorRt(bundle, engine), bundle.about.sst
        run_self_test(network, bundle)
        return network, TensorRtFromSegments(network, CudaSst(network.points, sst), sst.segment)


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
