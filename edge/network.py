"""The network that a runtime uses: a bundle on the backend that runs it, behind the SST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.backends.base import BackendError
from edge.backends.onnxrt import OnnxRuntime
from edge.backends.tensorrt import TensorRt, TensorRtFromSegments
from edge.bundle import MODEL, SHIPPED, Bundle, load
from edge.kernels.sst_cuda import CudaSst
from edge.reconstruction import Begin, on_cpu

Backend = Callable[[Bundle, Path | None, int], Begin]
"""A bundle, its engine where there is one, and the cores that it may use, to what reads a stretch of RCG."""


@dataclass(frozen=True)
class Network:
    """What makes the ECG: `begin` reads a stretch of RCG, `name` and `sha256` (of model.onnx) say who said it."""

    name: str
    sha256: str
    begin: Begin


def load_network(
    folder: Path | None = None,
    backend: str = "onnxruntime",
    engine: Path | None = None,
    threads: int = 1,
    public_key: Path | None = None,
) -> Network:
    """The bundle in `folder`, or the one that comes with radarecg, on a row of BACKENDS.

    With a public key the bundle must be signed by its owner. `threads`: cores, for a backend on the CPU.
    Raises InputError, FileNotFoundError.
    """
    bundle = load(folder or SHIPPED, public_key)
    sha256 = bundle.about.sha256[MODEL]
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, BACKENDS[backend](bundle, engine, threads))


def _onnxruntime(bundle: Bundle, engine: Path | None, threads: int) -> Begin:
    return on_cpu(OnnxRuntime(bundle, threads))


def _tensorrt(bundle: Bundle, engine: Path | None, threads: int) -> Begin:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: python -m export.build_engine {bundle.folder} makes one; "
            "name it as engine under [network]"
        )
    network, sst = TensorRt(bundle, engine), bundle.about.sst
    return TensorRtFromSegments(network, CudaSst(network.points, sst), sst.segment).begin


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
