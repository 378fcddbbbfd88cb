// The kernels of edge/gpu/sst.cu as functions of a CPU's library; `at` are the pointers they are launched with.
#include "cuda_on_cpu.hpp"

#include "sst.cu"

#define POINTER(type, k) static_cast<type *>(at[k])

static void spectrum(void **at)
{
    sst_spectrum(POINTER(float, 0), POINTER(float, 1), POINTER(float2, 2), POINTER(float, 3));
}

static void squeeze(void **at)
{
    sst_squeeze(POINTER(float2, 0), POINTER(float, 1), POINTER(int, 2), POINTER(float, 3), POINTER(float, 4),
                POINTER(float, 5), POINTER(float2, 6));
}

extern "C" bool sst_spectrum_on_cpu(int blocks, int threads, size_t shared_bytes, int order, void **at)
{
    return cuda_on_cpu::launch(spectrum, at, blocks, threads, shared_bytes, order);
}

extern "C" bool sst_squeeze_on_cpu(int blocks, int threads, size_t shared_bytes, int order, void **at)
{
    return cuda_on_cpu::launch(squeeze, at, blocks, threads, shared_bytes, order);
}
