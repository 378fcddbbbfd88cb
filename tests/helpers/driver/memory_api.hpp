// Memory and copies of the stand-in driver; part of driver.cpp.
#pragma once

static CUresult allocate(Memory &memory, void **begin, size_t bytes, size_t limit)
{
    LOCK;
    CHECK(check_context());
    REQUIRE(bytes > 0, CUDA_ERROR_INVALID_VALUE);
    REQUIRE(memory.total_bytes() + bytes <= limit, CUDA_ERROR_OUT_OF_MEMORY);
    *begin = memory.allocate(bytes, stack.back());
    return *begin ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

// The real driver waits for the work under way. Here that could need a lock of the caller's, so the work keeps the pages.
static CUresult release(Memory &memory, const void *begin)
{
    LOCK;
    CHECK(check_context());
    const auto pages = memory.release(begin);
    REQUIRE(pages, CUDA_ERROR_INVALID_VALUE);
    for (Stream *stream : stack.back()->streams)
        if (stream->is_busy || !stream->work.empty()) stream->work.push_back({[pages] {}, false});
    return CUDA_SUCCESS;
}

// A copy in a stream reads and writes when it runs, not before; memory that is not pinned is staged at once.
static CUresult copy_later(void *to, const void *from, size_t bytes, CUstream handle, bool is_to_device)
{
    std::unique_lock<std::recursive_mutex> guard(state_lock);
    CHECK(check_context());
    Stream *stream = stream_of(handle);
    REQUIRE(stream, CUDA_ERROR_INVALID_HANDLE);
    REQUIRE(device_memory.contains(is_to_device ? to : from, bytes), CUDA_ERROR_INVALID_VALUE);
    if (!is_to_device && !pinned_memory.contains(to, bytes)) {
        guard.unlock();
        run_all(stream);
        CHECK(check_context());
        memcpy(to, from, bytes);
        return CUDA_SUCCESS;
    }
    std::shared_ptr<std::vector<char>> staged;
    if (is_to_device && !pinned_memory.contains(from, bytes))
        staged = std::make_shared<std::vector<char>>((const char *)from, (const char *)from + bytes);
    stream->work.push_back({[=] { memcpy(to, staged ? staged->data() : from, bytes); }, true});
    return CUDA_SUCCESS;
}

// The default stream waits for all others.
static CUresult copy_now(void *to, const void *from, size_t bytes, const void *on_device)
{
    CHECK(check_context());
    run_all(stack.back());
    LOCK;
    CHECK(check_context());
    REQUIRE(device_memory.contains(on_device, bytes), CUDA_ERROR_INVALID_VALUE);
    memcpy(to, from, bytes);
    return CUDA_SUCCESS;
}

extern "C" {

CUresult cuMemAlloc(CUdeviceptr *begin, size_t bytes)
{
    return allocate(device_memory, (void **)begin, bytes, total_bytes());
}

CUresult cuMemHostAlloc(void **begin, size_t bytes, unsigned) { return allocate(pinned_memory, begin, bytes, SIZE_MAX); }

CUresult cuMemFree(CUdeviceptr begin) { return release(device_memory, (void *)begin); }

CUresult cuMemFreeHost(void *begin) { return release(pinned_memory, begin); }

CUresult cuMemGetInfo(size_t *free, size_t *total)
{
    LOCK;
    CHECK(check_context());
    *total = total_bytes();
    *free = *total - device_memory.total_bytes();
    return CUDA_SUCCESS;
}

CUresult cuMemcpyHtoD(CUdeviceptr to, const void *from, size_t bytes)
{
    return copy_now((void *)to, from, bytes, (void *)to);
}

CUresult cuMemcpyDtoH(void *to, CUdeviceptr from, size_t bytes)
{
    return copy_now(to, (void *)from, bytes, (void *)from);
}

CUresult cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
    return copy_later((void *)to, from, bytes, stream, true);
}

CUresult cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    return copy_later(to, (void *)from, bytes, stream, false);
}

}  // extern "C"
