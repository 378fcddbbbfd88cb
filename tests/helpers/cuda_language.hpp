// CUDA's words and functions for g++; what depends on how threads run is in cuda_on_cpu.hpp and cuda_on_threads.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline
#define __restrict__
#define __shared__ static
#define __launch_bounds__(threads)

struct Index {
    int x;
};

struct float2 {
    float x, y;
};
static inline float2 make_float2(float x, float y) { return {x, y}; }

static inline uint32_t __float_as_uint(float value)
{
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float __uint_as_float(uint32_t bits)
{
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static inline void sincospif(float half_turns, float *sine, float *cosine)
{
    *sine = static_cast<float>(std::sin(M_PI * half_turns));
    *cosine = static_cast<float>(std::cos(M_PI * half_turns));
}

#define __fdividef(a, b) ((a) / (b))
#define __log2f(x) std::log2(x)

template <class T> static inline T max(T a, T b) { return a < b ? b : a; }
