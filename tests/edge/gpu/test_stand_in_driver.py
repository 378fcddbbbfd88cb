"""The stand-in for NVIDIA's driver reports misuse with CUDA's error codes; PyCUDA's messages are the codes' texts."""

import gc
import threading
from importlib import import_module

import numpy as np
import pytest

from edge.core.errors import InputError
from edge.core.spec import SST_DEFAULT
from edge.gpu.context import GpuOwner, cuda_context, cuda_driver
from edge.gpu.sst import CudaSst, compile_for
from tests.helpers.cuda_stand_in import RTX_3060, THOR

VALUES = np.arange(12, dtype=np.float32)


@pytest.fixture
def cuda(gpu):
    return cuda_driver()


def test_a_stream_does_nothing_until_it_is_waited_for(cuda):
    stream, source, target = cuda.Stream(), cuda.pagelocked_empty(12, np.float32), cuda.pagelocked_empty(12, np.float32)
    memory = cuda.mem_alloc(VALUES.nbytes)
    source[:] = VALUES
    cuda.memcpy_htod_async(memory, source, stream)
    cuda.memcpy_dtoh_async(target, memory, stream)
    event = cuda.Event()
    event.record(stream)
    assert np.isnan(target).all()
    assert not event.query()
    source[3] = 7  # too early: the copy has not been made
    event.synchronize()
    assert event.query()
    assert target[3] == 7
    assert np.array_equal(np.delete(target, 3), np.delete(VALUES, 3))


def test_an_access_outside_a_buffer_is_refused(cuda):
    memory = cuda.mem_alloc(VALUES.nbytes - 4)
    for copy in (lambda: cuda.memcpy_htod(memory, VALUES), lambda: cuda.memcpy_dtoh(VALUES.copy(), memory)):
        with pytest.raises(cuda.LogicError, match="invalid argument"):
            copy()


def enqueued(gpu, cuda, segment, values) -> None:
    stream, scale = cuda.Stream(), cuda.mem_alloc(4)
    CudaSst(1, cubins=gpu.prepare()).enqueue(segment, values, scale, stream)
    stream.synchronize()


@pytest.mark.parametrize("missing", ["segment", "values"])
def test_a_kernel_that_leaves_its_buffer_is_stopped(gpu, cuda, missing):
    sizes = {"segment": 4 * SST_DEFAULT.segment, "values": 4 * 71 * 120}
    sizes[missing] -= 8
    segment, values = (cuda.mem_alloc(size) for size in sizes.values())
    if missing == "values":
        cuda.memcpy_htod(segment, np.sin(np.arange(SST_DEFAULT.segment), dtype=np.float32))
    with pytest.raises(cuda.LogicError, match="an illegal memory access was encountered"):
        enqueued(gpu, cuda, segment, values)
    with pytest.raises(cuda.LogicError, match="illegal memory access"):
        cuda.mem_alloc(4)
    gpu.recover()


def test_a_kernel_with_freed_memory_is_stopped(gpu, cuda):
    values = cuda.mem_alloc(4 * 71 * 120)
    segment = cuda.mem_alloc(4 * SST_DEFAULT.segment)
    address = int(segment)
    segment.free()
    with pytest.raises(cuda.LogicError, match="an illegal memory access was encountered"):
        enqueued(gpu, cuda, address, values)
    gpu.recover()


def test_memory_can_be_freed_while_a_stream_still_uses_it(cuda):
    stream, target = cuda.Stream(), cuda.pagelocked_empty(12, np.float32)
    memory = cuda.to_device(VALUES)
    cuda.memcpy_dtoh_async(target, memory, stream)
    memory.free()
    stream.synchronize()
    assert np.array_equal(target, VALUES)


def test_memory_can_run_out(cuda, monkeypatch):
    monkeypatch.setenv("STAND_IN_MEMORY_BYTES", str(1 << 20))
    with pytest.raises(cuda.MemoryError, match="out of memory"):
        cuda.mem_alloc(1 << 21)


def test_a_cubin_fits_its_architecture_and_its_driver(gpu, cuda):
    build = CudaSst(1, cubins=gpu.prepare())._build
    orins = compile_for(cuda, build, gpu.cubins)
    gpu.card = RTX_3060
    with pytest.raises(cuda.Error, match="no kernel image is available"):
        cuda.module_from_buffer(orins)
    gpu.card = THOR
    thors = compile_for(cuda, build, gpu.cubins)
    with pytest.raises(cuda.Error, match="no kernel image is available"):
        cuda.module_from_buffer(orins)
    gpu.card = RTX_3060  # its driver is of CUDA 12
    for image in (thors, b"\x7fELF" + bytes(200)):
        with pytest.raises(cuda.Error, match="device kernel image is invalid"):
            cuda.module_from_buffer(image)


def test_objects_of_another_context_are_refused(gpu, cuda):
    stream, host = cuda.Stream(), cuda.pagelocked_empty(12, np.float32)
    other = cuda.Device(0).make_context()
    try:
        memory = cuda.to_device(VALUES)
        with pytest.raises(cuda.LogicError, match="invalid resource handle"):
            cuda.memcpy_dtoh_async(host, memory, stream)
        del memory
    finally:
        other.pop()
        other.detach()


def test_a_thread_without_a_context_is_refused(cuda):
    raised = []

    def allocate():
        try:
            cuda.mem_alloc(4)
        except cuda.LogicError as error:
            raised.append(str(error))

    run_in_thread(allocate)
    assert len(raised) == 1
    assert "context" in raised[0]


def run_in_thread(work) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class Buffer(GpuOwner):
    def __init__(self, cuda) -> None:
        self.memory = cuda.mem_alloc(1024)
        raise InputError("it was made in vain")


def test_what_a_thread_drops_after_its_context_is_freed(gpu, cuda):
    gc.collect()
    before = gpu.usage()

    def make_in_vain():
        try:
            with cuda_context():
                Buffer(cuda)
        except InputError:
            pass

    run_in_thread(make_in_vain)
    gc.collect()
    assert gpu.usage() == before


def test_a_thread_has_the_context_as_long_as_it_needs_it(gpu, cuda):
    seen = []

    def work():
        with cuda_context():
            seen.append(gpu.usage().contexts_of_thread)
        seen.append(gpu.usage().contexts_of_thread)

    run_in_thread(work)
    assert seen == [1, 0]
    work()
    assert seen[2:] == [1, 1]
    assert import_module("pycuda.autoprimaryctx").context is not None
