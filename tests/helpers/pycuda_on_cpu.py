"""As much of `pycuda.driver` as a build of an engine asks for: which machine this is."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace


def driver_module() -> ModuleType:
    """To stand in for `pycuda.driver` beside TensorRT-RTX, which looks for a driver of its own."""
    device = SimpleNamespace(name=lambda: "CPU", compute_capability=lambda: (8, 7), MULTIPROCESSOR_COUNT=8)
    made = ModuleType("pycuda.driver")
    made.__dict__.update(
        Error=OSError,
        init=lambda: None,
        Context=SimpleNamespace(get_current=lambda: device, get_device=lambda: device),
        get_driver_version=lambda: 12060,
    )
    return made
