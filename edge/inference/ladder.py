"""The ladder: a network runs on the configured backend, or else on the next one below that works.

tensorrt        the engine that the settings name, usually in half precision
tensorrt-fp32   the float32 engine beside it (`export.ensure_engine` builds both); only for a bundle in float32
onnxruntime     ONNX Runtime on the CPU
none            no network: no ECG, and the heart rate of the classical estimator
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge.core.errors import InputError
from edge.inference.backends.engine_file import float32_path
from edge.inference.bundle import Bundle
from edge.inference.loader import Network, load_on_backend, network_name
from edge.inference.settings import NetworkFiles
from edge.inference.trial import try_network

Rung = Literal["tensorrt", "tensorrt-fp32", "onnxruntime", "none"]


@dataclass(frozen=True)
class PlacedNetwork:
    """A bundle's network on a rung of its ladder; `network` is None on the rung "none".

    `problems`: why it is not on a higher one, a line for each step down.
    """

    bundle: Bundle
    rungs: tuple[Rung, ...]
    rung: Rung
    network: Network | None
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The network's name, whether it runs or not."""
        return network_name(self.bundle)

    @property
    def steps_down(self) -> int:
        """The number of steps below the configured backend."""
        return self.rungs.index(self.rung)

    @property
    def fallback(self) -> str | None:
        """Why the network does not run on the configured backend, in one line; None if it does."""
        return " | ".join(self.problems) or None


def place_network(bundle: Bundle, files: NetworkFiles) -> PlacedNetwork:
    """Load a bundle's network on the highest rung that works; every failure is in `problems`."""
    return _descend(bundle, files, ladder_of(bundle, files), 0, ())


def step_down(placed: PlacedNetwork, files: NetworkFiles, problem: str) -> PlacedNetwork:
    """Load the network on the next lower rung that works, because of a problem on its present one."""
    problems = (*placed.problems, f"{placed.rung}: {problem}")
    return _descend(placed.bundle, files, placed.rungs, placed.steps_down + 1, problems)


def ladder_of(bundle: Bundle, files: NetworkFiles) -> tuple[Rung, ...]:
    """Return the rungs from the configured backend down."""
    if files.backend != "tensorrt":
        return "onnxruntime", "none"
    if bundle.about.precision != "fp32":  # there is no float32 engine of such a bundle
        return "tensorrt", "onnxruntime", "none"
    return "tensorrt", "tensorrt-fp32", "onnxruntime", "none"


def _descend(
    bundle: Bundle, files: NetworkFiles, rungs: tuple[Rung, ...], steps: int, problems: tuple[str, ...]
) -> PlacedNetwork:
    for rung in rungs[steps:-1]:
        try:
            return PlacedNetwork(bundle, rungs, rung, _load(bundle, files, rung), problems)
        except Exception as error:  # whatever fails in a driver or a library must not end the process
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            problems = (*problems, f"{rung}: {kind}{' '.join(str(error).split())}")
    return PlacedNetwork(bundle, rungs, "none", None, problems)


def _load(bundle: Bundle, files: NetworkFiles, rung: Rung) -> Network:
    if rung == "tensorrt-fp32":
        assert files.engine  # `NetworkFiles` requires it for the backend tensorrt
        return load_on_backend(bundle, "tensorrt", float32_path(files.engine), files.threads)
    if rung == "onnxruntime":
        try_network(bundle, files.threads)
    return load_on_backend(bundle, rung, files.engine, files.threads)
