// Complex numbers and short Fourier transforms, all with exp(+2 pi i n k / N) and without a factor.
#pragma once

__device__ __forceinline__ float2 operator+(float2 a, float2 b) { return make_float2(a.x + b.x, a.y + b.y); }
__device__ __forceinline__ float2 operator-(float2 a, float2 b) { return make_float2(a.x - b.x, a.y - b.y); }
__device__ __forceinline__ float2 operator*(float a, float2 b) { return make_float2(a * b.x, a * b.y); }
__device__ __forceinline__ float2 operator*(float2 a, float2 b)
{
    return make_float2(a.x * b.x - a.y * b.y, a.x * b.y + a.y * b.x);
}
__device__ __forceinline__ float2 times_i(float2 a) { return make_float2(-a.y, a.x); }
__device__ __forceinline__ float dot(float2 a, float2 b) { return a.x * b.x + a.y * b.y; }

// exp(2 pi i k / n)
__device__ __forceinline__ float2 turn(int k, int n)
{
    float2 w;
    sincospif(2.0f * k / n, &w.y, &w.x);
    return w;
}

// Transforms in registers.
__device__ __forceinline__ void dft(float2 (&x)[3])
{
    const float2 sum = x[1] + x[2], turned = times_i(0.866025404f * (x[1] - x[2])), rest = x[0] - 0.5f * sum;
    x[0] = x[0] + sum;
    x[1] = rest + turned;
    x[2] = rest - turned;
}

__device__ __forceinline__ void dft(float2 (&x)[4])
{
    const float2 a = x[0] + x[2], b = x[0] - x[2], c = x[1] + x[3], d = times_i(x[1] - x[3]);
    x[0] = a + c;
    x[1] = b + d;
    x[2] = a - c;
    x[3] = b - d;
}

__device__ __forceinline__ void dft(float2 (&x)[5])
{
    constexpr float C1 = 0.309016994f, C2 = -0.809016994f, S1 = 0.951056516f, S2 = 0.587785252f;
    const float2 a = x[1] + x[4], b = x[2] + x[3], c = x[1] - x[4], d = x[2] - x[3];
    const float2 near = x[0] + C1 * a + C2 * b, far = x[0] + C2 * a + C1 * b;
    const float2 p = times_i(S1 * c + S2 * d), q = times_i(S2 * c - S1 * d);
    x[0] = x[0] + a + b;
    x[1] = near + p;
    x[2] = far + q;
    x[3] = far - q;
    x[4] = near - p;
}

__device__ __forceinline__ void dft(float2 (&x)[8])
{
    constexpr float S = 0.707106781f;
    float2 even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
    dft(even);
    dft(odd);
    odd[1] = make_float2(S, S) * odd[1];
    odd[2] = times_i(odd[2]);
    odd[3] = make_float2(-S, S) * odd[3];
#pragma unroll
    for (int k = 0; k < 4; k++) {
        x[k] = even[k] + odd[k];
        x[k + 4] = even[k] - odd[k];
    }
}

// Twice an odd length needs no factors between its two steps (Good and Thomas).
template <int N> __device__ __forceinline__ void dft(float2 (&x)[N])
{
    constexpr int H = N / 2;
    static_assert(N == 2 * H && H % 2 == 1, "twice an odd length");
    float2 sum[H], difference[H];
#pragma unroll
    for (int n = 0; n < H; n++) {
        sum[n] = x[2 * n] + x[(2 * n + H) % N];
        difference[n] = x[2 * n] - x[(2 * n + H) % N];
    }
    dft(sum);
    dft(difference);
#pragma unroll
    for (int k = 0; k < H; k++) {
        x[(H + 1) * k % N] = sum[k];
        x[((H + 1) * k + H) % N] = difference[k];
    }
}

// One pass of Stockham's transform of `lines` lines of N values, in place: all threads read, then all write.
// M is the product of the radices before; w = turn(b % M, R * M) of this thread's butterfly b.
template <int N, int R, int M> __device__ __forceinline__ void pass(float2 *line, int lines, float2 w)
{
    constexpr int WIDTH = N / R;
    const int t = threadIdx.x, b = t % WIDTH, k = b % M;
    const bool busy = t < lines * WIDTH;
    float2 *mine = line + t / WIDTH * N;
    float2 x[R], power = w;
    if (busy) {
        x[0] = mine[b];
#pragma unroll
        for (int r = 1; r < R; r++) {
            x[r] = power * mine[b + r * WIDTH];
            power = power * w;
        }
        dft(x);
    }
    __syncthreads();
    if (busy) {
#pragma unroll
        for (int r = 0; r < R; r++) mine[(b - k) * R + k + r * M] = x[r];
    }
    __syncthreads();
}
