"""The GPU of the measurements: the machine's own, or in a dry run the tests' stand-in for NVIDIA's driver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from edge.core.spec import RCG_RATE_HZ, SST_DEFAULT, SstSpec
from edge.core.types import Float32
from edge.dsp.frontend.phase import SecondDerivative
from edge.gpu import sst
from edge.gpu.context import cuda_driver
from edge.gpu.sst import CudaSst, build_for
from edge.twin.heart import Heart

BUILDS = {"Orin": 163 << 10, "Thor": 227 << 10, "99 KB": 99 << 10}
"""Builds of the kernels, by the shared memory of a block for which each is chosen: RTX cards have 99 KB."""


@contextmanager
def gpu(dry: bool) -> Iterator[Any]:
    """Yield `pycuda.driver` with a context. Raises InputError without PyCUDA or a GPU."""
    if not dry:
        yield cuda_driver()
        return
    from tests.helpers.cuda_stand_in import THOR, Gpu, build_driver, provide_kernels

    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patches:
        folder = Path(name) / "gpu"
        build_driver(folder)
        for shared_bytes in BUILDS.values():
            provide_kernels(folder, replace(THOR, shared_bytes=shared_bytes), SST_DEFAULT)
        Gpu(folder, patches).card = THOR
        yield cuda_driver()


def make_sst(channels: int, build: str, spec: SstSpec = SST_DEFAULT) -> CudaSst:
    """Return the transform in one of BUILDS, whatever this GPU would choose. Raises InputError."""
    chosen = build_for(spec, BUILDS[build])
    with patch.object(sst, "build_for", lambda _spec, _shared_bytes: chosen):
        return CudaSst(channels, spec)


def segments(channels: int, spec: SstSpec = SST_DEFAULT) -> Float32:
    """Return samples of a beating chest [channels, spec.segment], each channel with noise of its own."""
    t = np.arange(4000) / RCG_RATE_HZ
    noise = np.random.default_rng(1).standard_normal((channels, len(t)))
    motion = Heart(seed=4).displacement_mm(t) + 0.002 * noise
    rcg = SecondDerivative(RCG_RATE_HZ).push(motion, np.ones(len(t), bool))[1]
    return rcg[:, -spec.segment :].astype(np.float32)
