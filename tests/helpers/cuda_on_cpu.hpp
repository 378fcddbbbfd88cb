// Runs a plain CUDA kernel on a CPU, so that its numbers can be checked where there is no GPU.
//
// Blocks run one after another. The threads of a block are fibers: each runs until its next __syncthreads(), and the
// next round starts when all have arrived. A kernel that lacks a barrier therefore depends on the order in which the
// threads are called, and shows it when it runs in three orders. Dynamic shared memory is allocated anew for every
// block, exactly as large as launched, and filled with NaN: a sanitizer sees an access outside, a test one too early.
#pragma once

#include <ucontext.h>

#include "cuda_language.hpp"

#define __syncthreads() cuda_on_cpu::barrier()
#define DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(cuda_on_cpu::dynamic_shared)

static Index threadIdx, blockIdx;

template <class T> static inline void atomicAdd(T *place, T value) { *place += value; }
template <class T> static inline void atomicMax(T *place, T value) { *place = max(*place, value); }

namespace cuda_on_cpu {

enum Order { ASCENDING, DESCENDING, SHUFFLED };

struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(64 << 10);
    bool done = true;
};

using Kernel = void (*)(void **arguments);

static void *dynamic_shared;
static std::vector<Fiber> fibers;
static Kernel kernel;
static void **arguments;
static ucontext_t caller;

static void barrier()
{
    const int me = threadIdx.x;
    swapcontext(&fibers[me].context, &caller);
    threadIdx.x = me;
}

static void run_fiber()
{
    const int me = threadIdx.x;
    kernel(arguments);
    fibers[me].done = true;
}

// False when some threads of a block ended while others still waited at a barrier.
static bool launch(Kernel launched, void **with, int blocks, int threads, size_t shared_bytes, int order)
{
    kernel = launched;
    arguments = with;
    fibers.resize(threads);
    std::vector<int> turn(threads);
    for (int k = 0; k < threads; k++) turn[k] = order == DESCENDING ? threads - 1 - k : k;
    uint32_t random = 1;
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
        free(dynamic_shared);
        dynamic_shared = malloc(shared_bytes);
        memset(dynamic_shared, 0xff, shared_bytes);
        for (Fiber &fiber : fibers) {
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.data();
            fiber.context.uc_stack.ss_size = fiber.stack.size();
            fiber.context.uc_link = &caller;
            makecontext(&fiber.context, run_fiber, 0);
            fiber.done = false;
        }
        for (int left = threads; left > 0;) {
            for (int k = threads; order == SHUFFLED && k > 1; k--) {
                random = random * 1664525u + 1013904223u;
                std::swap(turn[k - 1], turn[(random >> 8) % k]);
            }
            for (int k : turn) {
                threadIdx.x = k;
                swapcontext(&caller, &fibers[k].context);
            }
            const int before = left;
            left = 0;
            for (const Fiber &fiber : fibers) left += !fiber.done;
            if (left > 0 && left < before) return false;
        }
    }
    return true;
}

}  // namespace cuda_on_cpu
