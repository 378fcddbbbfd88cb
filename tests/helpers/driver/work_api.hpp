// Streams, events, modules and launches of the stand-in driver; part of driver.cpp.
#pragma once

// Order in which the threads of a block run (cuda_on_cpu.hpp).
static int thread_order() { return setting("STAND_IN_THREAD_ORDER", 2); }

static void launch_on_cpu(Function *function, unsigned blocks, unsigned threads, size_t shared, std::vector<void *> at)
{
    using Launch = bool (*)(int, int, size_t, int, void **);
    static std::mutex one_at_a_time;  // the blocks' variables are static
    std::lock_guard<std::mutex> guard(one_at_a_time);
    const auto run = (Launch)dlsym(function->module->library, (function->name + "_on_cpu").c_str());
    launches++;
    Context *context = function->context;
    bool has_ended = true;
    if (!run_guarded([&] { has_ended = run(blocks, threads, shared, thread_order(), at.data()); }))
        context->failure = CUDA_ERROR_ILLEGAL_ADDRESS;
    else if (!has_ended) context->failure = CUDA_ERROR_LAUNCH_TIMEOUT;
}

extern "C" {

CUresult cuStreamCreate(CUstream *stream, unsigned)
{
    LOCK;
    CHECK(check_context());
    auto *made = create<Stream>();
    stack.back()->streams.push_back(made);
    *stream = (CUstream)made;
    return CUDA_SUCCESS;
}

// Work that waits in the stream is still done.
CUresult cuStreamDestroy(CUstream stream)
{
    LOCK;
    CHECK(check_object((Stream *)stream));
    ((Stream *)stream)->is_alive = false;
    return CUDA_SUCCESS;
}

CUresult cuStreamSynchronize(CUstream handle)
{
    CHECK(check_context());
    Stream *stream = stream_of(handle);
    REQUIRE(stream, CUDA_ERROR_INVALID_HANDLE);
    run_all(stream);
    return check_context();
}

CUresult cuStreamQuery(CUstream handle)
{
    LOCK;
    CHECK(check_object((Stream *)handle));
    return ((Stream *)handle)->work.empty() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult cuLaunchHostFunc(CUstream handle, CUhostFn function, void *data)
{
    LOCK;
    CHECK(check_object((Stream *)handle));
    ((Stream *)handle)->work.push_back({[=] { function(data); }, false});
    return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned)
{
    LOCK;
    CHECK(check_context());
    *event = (CUevent)create<Event>();
    return CUDA_SUCCESS;
}

CUresult cuEventDestroy(CUevent event)
{
    LOCK;
    CHECK(check_object((Event *)event));
    ((Event *)event)->is_alive = false;
    return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent handle, CUstream stream_handle)
{
    LOCK;
    auto *event = (Event *)handle;
    CHECK(check_object(event));
    REQUIRE(event->stream = stream_of(stream_handle), CUDA_ERROR_INVALID_HANDLE);
    event->is_pending = std::make_shared<bool>(true);
    const auto is_pending = event->is_pending;
    const auto time = event->time;
    event->stream->work.push_back({[=] { *time = std::chrono::steady_clock::now(), *is_pending = false; }, false});
    return CUDA_SUCCESS;
}

CUresult cuEventQuery(CUevent event)
{
    LOCK;
    CHECK(check_object((Event *)event));
    return *((Event *)event)->is_pending ? CUDA_ERROR_NOT_READY : CUDA_SUCCESS;
}

CUresult cuEventSynchronize(CUevent handle)
{
    auto *event = (Event *)handle;
    CHECK(check_object(event));
    if (event->stream) run_all(event->stream);
    return check_context();
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end)
{
    CHECK(cuEventQuery(begin));
    CHECK(cuEventQuery(end));
    using Milliseconds = std::chrono::duration<float, std::milli>;
    *milliseconds = Milliseconds(*((Event *)end)->time - *((Event *)begin)->time).count();
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
    LOCK;
    CHECK(check_context());
    const Cubin cubin = read_cubin(image);
    REQUIRE(cubin.capability && cubin.toolkit_major <= driver_version() / 1000, CUDA_ERROR_INVALID_IMAGE);
    const long found = cubin.capability, ours = capability();
    REQUIRE(found / 10 == ours / 10 && found % 10 <= ours % 10, CUDA_ERROR_NO_BINARY_FOR_GPU);
    const char *folder = getenv("STAND_IN_KERNELS");
    const std::string path = std::string(folder ? folder : ".") + "/" + fingerprint(image, cubin.bytes) + ".so";
    void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "stand-in driver: no kernels for this cubin: %s\n", dlerror());
        return CUDA_ERROR_INVALID_IMAGE;
    }
    auto *made = create<Module>();
    made->cubin = cubin;
    made->library = library;
    *module = (CUmodule)made;
    return CUDA_SUCCESS;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned count, CUjit_option *options, void **values)
{
    for (unsigned k = 0; k < count; k++)
        if (options[k] == CU_JIT_INFO_LOG_BUFFER || options[k] == CU_JIT_ERROR_LOG_BUFFER) *(char *)values[k] = 0;
        else values[k] = nullptr;  // the size of a log
    return cuModuleLoadData(module, image);
}

CUresult cuModuleUnload(CUmodule module)
{
    LOCK;
    CHECK(check_object((Module *)module));
    ((Module *)module)->is_alive = false;
    return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule handle, const char *name)
{
    LOCK;
    auto *module = (Module *)handle;
    CHECK(check_object(module));
    const auto found = module->cubin.kernels.find(name);
    REQUIRE(found != module->cubin.kernels.end(), CUDA_ERROR_NOT_FOUND);
    REQUIRE(dlsym(module->library, (std::string(name) + "_on_cpu").c_str()), CUDA_ERROR_NOT_FOUND);
    auto *made = create<Function>();
    made->module = module;
    made->info = found->second;
    made->name = name;
    *function = (CUfunction)made;
    return CUDA_SUCCESS;
}

CUresult cuFuncSetBlockShape(CUfunction function, int, int, int) { return check_object((Function *)function); }

CUresult cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value)
{
    LOCK;
    auto *function = (Function *)handle;
    CHECK(check_object(function));
    REQUIRE(attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, CUDA_ERROR_NOT_SUPPORTED);
    REQUIRE(value >= 0 && value + (long)function->info.static_shared_bytes <= shared_bytes(), CUDA_ERROR_INVALID_VALUE);
    function->dynamic_limit = value;
    return CUDA_SUCCESS;
}

CUresult cuLaunchKernel(CUfunction handle, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared, CUstream stream_handle, void **parameters,
                        void **extra)
{
    LOCK;
    auto *function = (Function *)handle;
    CHECK(check_object(function));
    REQUIRE(function->module->is_alive, CUDA_ERROR_INVALID_HANDLE);
    Stream *stream = stream_of(stream_handle);
    REQUIRE(stream, CUDA_ERROR_INVALID_HANDLE);
    REQUIRE(grid_x > 0 && grid_y == 1 && grid_z == 1 && block_y == 1 && block_z == 1, CUDA_ERROR_INVALID_VALUE);
    REQUIRE(block_x > 0 && block_x <= function->info.max_threads, CUDA_ERROR_INVALID_VALUE);
    REQUIRE(shared <= function->dynamic_limit, CUDA_ERROR_INVALID_VALUE);
    const void *buffer = nullptr;
    size_t bytes = 0;
    for (int k = 0; !parameters && extra && extra[k] != CU_LAUNCH_PARAM_END; k += 2) {
        if (extra[k] == CU_LAUNCH_PARAM_BUFFER_POINTER) buffer = extra[k + 1];
        if (extra[k] == CU_LAUNCH_PARAM_BUFFER_SIZE) bytes = *(size_t *)extra[k + 1];
    }
    REQUIRE(buffer && bytes == function->info.parameter_bytes, CUDA_ERROR_INVALID_VALUE);
    std::vector<void *> at(bytes / sizeof(void *));
    memcpy(at.data(), buffer, bytes);
    for (void *address : at)  // a kernel that reads such an address would find nothing, and the context be lost
        if (address && !device_memory.contains(address, 1) && !pinned_memory.contains(address, 1))
            stream->work.push_back({[=] { function->context->failure = CUDA_ERROR_ILLEGAL_ADDRESS; }, false});
    stream->work.push_back({[=] { launch_on_cpu(function, grid_x, block_x, shared, at); }, false});
    return CUDA_SUCCESS;
}

}  // extern "C"
