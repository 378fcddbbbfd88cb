"""The network that a runtime uses: a bundle, and the backend that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.backends.base import Predictor
from edge.backends.onnxrt import OnnxRuntime
from edge.bundle import MODEL, SHIPPED, Bundle, load

BACKENDS: dict[str, Callable[[Bundle], Predictor]] = {"onnxruntime": OnnxRuntime}


@dataclass(frozen=True)
class Network:
    """What makes the ECG: `predict` says it, `name` and `sha256` (of model.onnx) say who said it."""

    name: str
    sha256: str
    predict: Predictor


def load_network(folder: Path | None = None, backend: str = "onnxruntime") -> Network:
    """The bundle in `folder`, or the one that comes with radarecg, on a row of BACKENDS.

    Raises BundleError, BackendError, FileNotFoundError.
    """
    bundle = load(folder or SHIPPED)
    sha256 = bundle.about.sha256[MODEL]
    return Network(f"{bundle.about.name}-{sha256[:8]}", sha256, BACKENDS[backend](bundle))
