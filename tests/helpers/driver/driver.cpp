// A stand-in for NVIDIA's driver, libcuda.so.1, on a CPU: under it the real PyCUDA runs without a GPU.
//
// A context is current on one thread only. Streams do nothing until somebody waits for them, so a result that is read
// too early is NaN. Memory outside a buffer, after its release or of a destroyed context is not accessible. Kernels are
// those of the cubin, built for the CPU by g++: the folder STAND_IN_KERNELS has them under the cubin's fingerprint.
// All error codes are the real driver's. Functions that PyCUDA can call but that are missing here report themselves.
#include "state.hpp"

#define REQUIRE(condition, problem) do { if (!(condition)) return problem; } while (0)
#define CHECK(call) do { if (const CUresult problem = (call)) return problem; } while (0)
#define LOCK std::lock_guard<std::recursive_mutex> guard(state_lock)

extern "C" {

CUresult cuInit(unsigned)
{
    REQUIRE(setting("STAND_IN_DEVICES", 1) > 0, CUDA_ERROR_NO_DEVICE);
    is_initialized = true;
    return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) { return *version = driver_version(), CUDA_SUCCESS; }

CUresult cuGetErrorString(CUresult error, const char **text)
{
    switch (error) {
    case CUDA_ERROR_INVALID_VALUE: *text = "invalid argument"; break;
    case CUDA_ERROR_OUT_OF_MEMORY: *text = "out of memory"; break;
    case CUDA_ERROR_NOT_INITIALIZED: *text = "initialization error"; break;
    case CUDA_ERROR_NO_DEVICE: *text = "no CUDA-capable device is detected"; break;
    case CUDA_ERROR_INVALID_IMAGE: *text = "device kernel image is invalid"; break;
    case CUDA_ERROR_INVALID_CONTEXT: *text = "invalid device context"; break;
    case CUDA_ERROR_NO_BINARY_FOR_GPU: *text = "no kernel image is available for execution on the device"; break;
    case CUDA_ERROR_INVALID_HANDLE: *text = "invalid resource handle"; break;
    case CUDA_ERROR_NOT_FOUND: *text = "named symbol not found"; break;
    case CUDA_ERROR_ILLEGAL_ADDRESS: *text = "an illegal memory access was encountered"; break;
    case CUDA_ERROR_CONTEXT_IS_DESTROYED: *text = "context is destroyed"; break;
    default: *text = "error of the stand-in driver"; return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) { return *count = 1, CUDA_SUCCESS; }

CUresult cuDeviceGet(CUdevice *device, int number)
{
    *device = number;
    return number ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice)
{
    const char *text = getenv("STAND_IN_NAME");
    snprintf(name, size, "%s", text ? text : "CPU");
    return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem(size_t *bytes, CUdevice) { return *bytes = total_bytes(), CUDA_SUCCESS; }

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice)
{
    switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: *value = capability() / 10; break;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: *value = capability() % 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: *value = 48 << 10; break;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: *value = shared_bytes(); break;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = setting("STAND_IN_MULTIPROCESSORS", 8); break;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: *value = 1; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice)
{
    *major = capability() / 10;
    *minor = capability() % 10;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice)
{
    LOCK;
    REQUIRE(is_initialized, CUDA_ERROR_NOT_INITIALIZED);
    if (!primary || !primary->is_alive) primary = new Context;
    primary->references++;
    *context = (CUcontext)primary;
    return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease(CUdevice)
{
    LOCK;
    REQUIRE(primary && primary->is_alive, CUDA_ERROR_INVALID_CONTEXT);
    if (--primary->references == 0) destroy(primary);
    return CUDA_SUCCESS;
}

CUresult cuCtxCreate(CUcontext *context, unsigned, CUdevice)
{
    LOCK;
    REQUIRE(is_initialized, CUDA_ERROR_NOT_INITIALIZED);
    auto *made = new Context;
    stack.push_back(made);
    *context = (CUcontext)made;
    return CUDA_SUCCESS;
}

CUresult cuCtxDetach(CUcontext handle)
{
    LOCK;
    auto *context = (Context *)handle;
    REQUIRE(context->is_alive, CUDA_ERROR_CONTEXT_IS_DESTROYED);
    if (!stack.empty() && stack.back() == context) stack.pop_back();
    destroy(context);
    return CUDA_SUCCESS;
}

CUresult cuCtxPushCurrent(CUcontext context)
{
    LOCK;
    REQUIRE(((Context *)context)->is_alive, CUDA_ERROR_INVALID_CONTEXT);
    stack.push_back((Context *)context);
    return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent(CUcontext *context)
{
    REQUIRE(!stack.empty(), CUDA_ERROR_INVALID_CONTEXT);
    *context = (CUcontext)stack.back();
    stack.pop_back();
    return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device)
{
    CHECK(check_context());
    return *device = 0, CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
    CHECK(check_context());
    run_all(stack.back());
    return check_context();
}

CUresult cuCtxGetApiVersion(CUcontext, unsigned *version) { return *version = driver_version(), CUDA_SUCCESS; }

// NVRTC 13 asks for the driver's private functions, and compiles without.
CUresult cuGetExportTable(const void **, const CUuuid *) { return CUDA_ERROR_NOT_FOUND; }

// For tests: blocks of device memory, blocks of pinned memory, launches, contexts of this thread, references to the
// primary context.
void stand_in_usage(size_t *counts)
{
    LOCK;
    counts[0] = device_memory.count();
    counts[1] = pinned_memory.count();
    counts[2] = launches;
    counts[3] = stack.size();
    counts[4] = primary && primary->is_alive ? primary->references : 0;
}

// For tests: makes the primary context usable after a kernel's fault. The real driver's is lost.
void stand_in_recover(void)
{
    LOCK;
    if (primary) primary->failure = CUDA_SUCCESS;
}

}  // extern "C"

#include "memory_api.hpp"
#include "work_api.hpp"
