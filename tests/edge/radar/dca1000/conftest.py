"""Both implementations of the capture: the portable one in Python, which is the reference, and the compiled one."""

import pytest

from edge.radar.dca1000 import native
from edge.radar.dca1000.assembler import FrameAssembler
from tests.helpers.assemblers import NativeAssembler


@pytest.fixture(scope="session", params=[FrameAssembler, NativeAssembler])
def assembler_type(request):
    return request.param


@pytest.fixture(params=["portable", "compiled"])
def _each_receiver(request, monkeypatch):
    """Runs a test of a DataPort with both receivers."""
    assert native.COMPILED, native.NOT_COMPILED
    monkeypatch.setattr(native, "COMPILED", request.param == "compiled")
