"""The network that a runtime uses: a bundle, and the backend that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.backends.base import BackendError, Predictor
from edge.backends.onnxrt import OnnxRuntime
from edge.backends.tensorrt import TensorRt
from edge.bundle import MODEL, SHIPPED, Bundle, load

Backend = Callable[[Bundle, Path | None], Predictor]


@dataclass(frozen=True)
class Network:
    """What makes the ECG: `predict` says it, `name` and `sha256` (of model.onnx) say who said it."""

    name: str
    sha256: str
    predict: Predictor


def load_network(folder: Path | None = None, backend: str = "onnxruntime", engine: Path | None = None) -> Network:
    """The bundle in `folder`, or the one that comes with radarecg, on a row of BACKENDS.

    Raises BundleError, BackendError, FileNotFoundError.
    """
    bundle = load(folder or SHIPPED)
    sha256 = bundle.about.sha256[MODEL]
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, BACKENDS[backend](bundle, engine))


def _onnxruntime(bundle: Bundle, engine: Path | None) -> Predictor:
    return OnnxRuntime(bundle)


def _tensorrt(bundle: Bundle, engine: Path | None) -> Predictor:
    if engine is None:
        raise BackendError(
            f"the backend tensorrt needs an engine: python -m export.build_engine {bundle.folder} makes one; "
            "name it as engine under [network]"
        )
    return TensorRt(bundle, engine)


BACKENDS: dict[str, Backend] = {"onnxruntime": _onnxruntime, "tensorrt": _tensorrt}
