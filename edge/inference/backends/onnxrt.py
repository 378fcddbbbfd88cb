"""The ONNX Runtime backend: runs a bundle on the CPU.

An int8 bundle is computed in float32 with all the rounding that its graph contains. Its outputs are therefore the same
on every processor, but it is not faster than float32.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edge.core.errors import install_hint
from edge.core.types import Float32, TaskOutputs
from edge.inference.backends.base import BackendError, task_outputs
from edge.inference.bundle import MODEL, Bundle, Points, Tensor


class OnnxRuntime:
    """Runs a bundle as a `Predictor`. `threads`: cores that one call may use.

    Raises BackendError without onnxruntime, for a model that it cannot load, and for a number of points that the
    network does not accept.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        runtime = _onnxruntime()
        self.points: Points = bundle.about.points
        self.precision = bundle.about.precision
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        # Spinning threads would occupy their cores for the whole second until the next window.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # ONNX Runtime's int8 kernels add products in 16 bits on x86 processors without VNNI, where large sums saturate
        # (its quantization guide, data type selection). With this entry Q/DQ pairs are computed as they are written.
        options.add_session_config_entry("session.disable_quant_qdq", "1")
        try:
            self._session = runtime.InferenceSession(bundle.model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its many exception classes have no other common base
            raise BackendError(
                f"{bundle.folder / MODEL}: ONNX Runtime {runtime.__version__} cannot load it "
                f"({str(error).splitlines()[0]}); "
                "install a newer onnxruntime, or export the bundle again"
            ) from error
        found = _tensors(self._session.get_inputs()), _tensors(self._session.get_outputs())
        if found != (bundle.about.inputs, bundle.about.outputs):
            raise BackendError(
                f"{bundle.folder / MODEL}: its inputs and outputs are not those of bundle.json; export the bundle again"
            )

    def __call__(self, values: Float32) -> list[TaskOutputs]:
        """Run the network on spectrograms [B, P, 71, 120]. Raises BackendError."""
        if self.points not in ("any", values.shape[1]):
            raise BackendError(
                f"{values.shape[1]} points for a network of {self.points}; use that many, or a network for any number"
            )
        try:
            outputs = self._session.run(None, {"spectrograms": values})
        except Exception as error:  # as above
            raise BackendError(f"ONNX Runtime cannot run the network: {str(error).splitlines()[0]}") from error
        return task_outputs(*outputs)


def _onnxruntime() -> Any:
    """Import onnxruntime on demand, because a device that runs engines may not have it. Raises BackendError."""
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise BackendError(f"onnxruntime is not installed ({error}): {install_hint('cpu')}") from error
    runtime.disable_telemetry_events()  # a device in a home or a hospital sends nothing to the library's maker
    return runtime


def _tensors(found: Any) -> tuple[Tensor, ...]:
    return tuple(Tensor(each.name, tuple(each.shape)) for each in found)
