// The objects of the stand-in driver, and the rules of CUDA for who may use them.
#pragma once

#include <cuda.h>
#include <dlfcn.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "cubin.hpp"
#include "memory.hpp"

// A setting of the stand-in, read at each use, so that a test can change it while the process runs.
static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

static long capability() { return setting("STAND_IN_CAPABILITY", 87); }
static long driver_version() { return setting("STAND_IN_DRIVER", 12060); }
static long total_bytes() { return setting("STAND_IN_MEMORY_BYTES", 8L << 30); }
static long shared_bytes() { return setting("STAND_IN_SHARED_BYTES", 166912); }

struct Context;

// Objects are never deleted, so that a use after destruction is an error instead of a crash.
struct Object {
    Context *context = nullptr;
    bool is_alive = true;
};

struct Work {
    std::function<void()> run;
    bool is_guarded;  // kernels and copies: a fault inside is the device's
};

struct Stream : Object {
    std::deque<Work> work;
    bool is_busy = false;
    std::mutex running;
};

struct Event : Object {
    std::shared_ptr<bool> is_pending = std::make_shared<bool>(false);
    std::shared_ptr<std::chrono::steady_clock::time_point> time = std::make_shared<std::chrono::steady_clock::time_point>();
    Stream *stream = nullptr;
};

struct Module : Object {
    Cubin cubin;
    void *library = nullptr;
};

struct Function : Object {
    Module *module = nullptr;
    KernelInfo info;
    std::string name;
    size_t dynamic_limit = 48 << 10;
};

struct Context : Object {
    int references = 0;
    std::atomic<CUresult> failure{CUDA_SUCCESS};  // after a kernel's fault each call returns it
    Stream null_stream;
    std::vector<Object *> objects;
    std::vector<Stream *> streams;
    Context() { context = null_stream.context = this; }
};

static std::recursive_mutex state_lock;
static bool is_initialized;
static Memory device_memory, pinned_memory;
static Context *primary;
static std::set<void *> handles;  // all objects that were ever given out
static thread_local std::vector<Context *> stack;
static std::atomic<size_t> launches;

// The rules in which a call is refused. A destroyed context can be current still, but is of no use.
static CUresult check_context()
{
    if (!is_initialized) return CUDA_ERROR_NOT_INITIALIZED;
    if (stack.empty()) return CUDA_ERROR_INVALID_CONTEXT;
    if (!stack.back()->is_alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    return stack.back()->failure;
}

template <class T> static CUresult check_object(const T *object)
{
    if (const CUresult problem = check_context()) return problem;
    if (!handles.count((void *)object) || !object->is_alive) return CUDA_ERROR_INVALID_HANDLE;
    return object->context == stack.back() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

template <class T> static T *create()
{
    auto *made = new T;
    made->context = stack.back();
    made->context->objects.push_back(made);
    handles.insert(made);
    return made;
}

// Null is the default stream. Returns null for what is no stream of the current context.
static Stream *stream_of(CUstream handle)
{
    auto *stream = handle ? (Stream *)handle : &stack.back()->null_stream;
    return handle && check_object(stream) ? nullptr : stream;
}

// Runs what waits in a stream, in order. Without the state's lock: a host function may need a lock of its caller's.
static void run_all(Stream *stream)
{
    std::lock_guard<std::mutex> alone(stream->running);
    for (;;) {
        Work next;
        {
            std::lock_guard<std::recursive_mutex> guard(state_lock);
            stream->is_busy = !stream->work.empty();
            if (!stream->is_busy) return;
            next = std::move(stream->work.front());
            stream->work.pop_front();
        }
        if (stream->context->failure) continue;
        if (!next.is_guarded) next.run();
        else if (!run_guarded(next.run)) stream->context->failure = CUDA_ERROR_ILLEGAL_ADDRESS;
    }
}

static void run_all(Context *context)
{
    std::vector<Stream *> streams;
    {
        std::lock_guard<std::recursive_mutex> guard(state_lock);
        streams = context->streams;
    }
    for (Stream *stream : streams) run_all(stream);
    run_all(&context->null_stream);
}

static void destroy(Context *context)
{
    for (Object *object : context->objects) object->is_alive = false;
    context->is_alive = false;
    device_memory.release_all_of(context);
    pinned_memory.release_all_of(context);
}
