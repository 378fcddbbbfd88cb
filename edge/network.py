"""The network that a runtime uses: a bundle on the backend that runs it, behind the SST."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.backends.base import BackendError, Predictor
from edge.backends.onnxrt import OnnxRuntime
from edge.backends.tensorrt import TensorRt, TensorRtFromSegments
from edge.bundle import MODEL, SHIPPED, Bundle, load
from edge.kernels.sst_cuda import CudaSst
from edge.reconstruction import Read, on_cpu

Backend = Callable[[Bundle, Path | None, int], tuple[Predictor, Read | None]]
"""A bundle, its engine where there is one, and the cores it may use, to `predict` and `read` of a Network."""


@dataclass(frozen=True)
class Network:
    """What makes the ECG: `predict` says it, `name` and `sha256` (of model.onnx) say who said it.

    `read`: where the SST runs beside it on the GPU, both in one step.
    """

    name: str
    sha256: str
    predict: Predictor
    read: Read | None = None

    def begin(self, channels: int) -> Read:
        """SST and network for a new stretch of RCG of so many channels."""
        return self.read or on_cpu(self.predict, channels)


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
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, *BACKENDS[backend](bundle, engine, threads))


def _onnxruntime(bundle: Bundle, engine: Path | None, threads: int) -> tuple[Predictor, None]:
    return OnnxRuntime(bundle, threads), None


def _tensorrt(bundle: Bundle, engine: Path | None, threads: int) -> tuple[Predictor, Read]:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: python -m export.build_engine {bundle.folder} makes one; "
            "name it as engine under [network]"
        )
    network, sst = TensorRt(bundle, engine), bundle.about.sst
    return network, TensorRtFromSegments(network, CudaSst(network.points, sst), sst.segment)


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
