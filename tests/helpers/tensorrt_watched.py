"""A module of TensorRT's kind that notes which names of which classes are used."""

from __future__ import annotations

from types import ModuleType
from typing import Any


class Watched:
    """Stands before an object of TensorRT: what it gives is watched too, what it is given is handed on bare."""

    def __init__(self, bare: Any, used: set[tuple[str, str]]) -> None:
        object.__setattr__(self, "_bare", bare)
        object.__setattr__(self, "_used", used)

    def __getattr__(self, name: str) -> Any:
        self._used.add((type(self._bare).__name__, name))
        found = getattr(self._bare, name)
        return self._calling(found) if callable(found) else found

    def __setattr__(self, name: str, value: Any) -> None:
        self._used.add((type(self._bare).__name__, name))
        setattr(self._bare, name, value)

    def __bytes__(self) -> bytes:
        return bytes(self._bare)

    def _calling(self, method: Any) -> Any:
        def call(*arguments: Any) -> Any:
            made = method(*(each._bare if isinstance(each, Watched) else each for each in arguments))
            return Watched(made, self._used) if "tensorrt" in type(made).__module__ else made

        return call


def watched(trt: ModuleType, used: set[tuple[str, str]]) -> ModuleType:
    """TensorRT-RTX in the place of TensorRT: builds without a GPU, and notes (class, name) in `used`."""

    def builder(log: Any) -> Watched:
        real = trt.Builder(log)
        create = real.create_builder_config

        class Builder:  # its configurations are for a GPU that is not there
            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

            def create_builder_config(self) -> Any:
                config = create()
                config.num_compute_capabilities = 1
                config.set_compute_capability(trt.ComputeCapability.SM86, 0)
                return config

        return Watched(Builder(), used)

    def parser(network: Watched, log: Any) -> Watched:
        return Watched(trt.OnnxParser(network._bare, log), used)

    made = ModuleType("tensorrt")
    made.__dict__.update(vars(trt))
    made.__dict__.update(__version__="10.3.0", Builder=builder, OnnxParser=parser)
    return made
