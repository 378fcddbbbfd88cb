// Runs a plain CUDA kernel with a thread of the CPU for each of CUDA's, so that the thread sanitizer finds its races.
#pragma once

#include <pthread.h>

#include <thread>

#include "cuda_language.hpp"

static pthread_barrier_t all_threads;
static void *dynamic_shared;
#define __syncthreads() pthread_barrier_wait(&all_threads)
#define DYNAMIC_SHARED(type, name) type *name = static_cast<type *>(dynamic_shared)

static thread_local Index threadIdx;
static Index blockIdx;

template <class T> static inline void atomicAdd(T *place, T value) { __atomic_fetch_add(place, value, __ATOMIC_RELAXED); }
template <class T> static inline void atomicMax(T *place, T value)
{
    T old = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(place, &old, value, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

template <class Kernel> static void launch(Kernel kernel, int threads, size_t shared_bytes)
{
    std::vector<char> shared(shared_bytes + 1);
    dynamic_shared = shared.data();
    pthread_barrier_init(&all_threads, nullptr, threads);
    std::vector<std::thread> running;
    for (int k = 0; k < threads; k++)
        running.emplace_back([=] {
            threadIdx.x = k;
            kernel();
        });
    for (std::thread &thread : running) thread.join();
    pthread_barrier_destroy(&all_threads);
}
