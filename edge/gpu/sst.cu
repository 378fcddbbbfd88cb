// SST on a GPU, in two launches. It computes the same as edge/dsp/sst/reference.py.
//
// All constants are macros defined by edge/gpu/sst.py, which takes them from edge/core/spec.py.
// No shuffles, no textures, no asynchronous copies: tests/helpers/cuda_on_cpu.hpp runs this source on a CPU.
// The result does not depend on the order of the threads: the same samples give the same bits.

#include "fourier.cuh"

#ifndef DYNAMIC_SHARED
#define DYNAMIC_SHARED(type, name) extern __shared__ type name[]
#endif

constexpr int HALF = PERIOD / 2, LAGS = AR_ORDER + 1;
constexpr int SPECTRUM_THREADS = PERIOD / 5, PARTS = SPECTRUM_THREADS / LAGS;
constexpr int STRIDE = 4;                        // predicted samples between two barriers
constexpr int FIRST = CIRCLE / 48;               // radix of the first pass of the squeeze's transform; then 6, then 8
constexpr int LINES = 2 * TOGETHER;              // transforms at a time: wavelet and derivative of TOGETHER scales
constexpr int SQUEEZE_THREADS = LINES * CIRCLE / 6;
constexpr int CELLS = BINS * COLUMNS, FRAMES_A_COLUMN = FRAMES / COLUMNS;
constexpr unsigned NOT_FINITE = 0x7f800000u;     // the bits of infinity; those of NaN lie above
static_assert(PERIOD == 5 * 5 * 8 * 8 && (FIRST == 5 || FIRST == 10) && CIRCLE % 48 == 0 && SCALES % TOGETHER == 0,
              "the radices and the rounds come out even");

// Samples [channel][SEGMENT] to the spectrum [channel][HALF] of their continuation to PERIOD samples, bins 1.. used,
// in units of the channel's largest sample `peak` [channel]: 0 for a silent channel, NaN for one that is not finite.
// One block a channel.
//
// 0.33 MFLOP and 11 KB of memory traffic a channel, but 64 + 100 sequential steps limit the speed; many small blocks
// hide their latency. sm_87: 44 registers, 24 KB shared, 4 blocks (40 of 48 warps) on a multiprocessor.
extern "C" __global__ void __launch_bounds__(SPECTRUM_THREADS)
sst_spectrum(const float *__restrict__ segment, const float *__restrict__ taper, float2 *__restrict__ spectrum,
             float *__restrict__ peak)
{
    __shared__ unsigned largest;
    __shared__ float2 line[PERIOD];
    __shared__ float tapered[SEGMENT];
    __shared__ double lag_part[PARTS][LAGS], forward[2][LAGS], backward[2][LAGS], polynomial[2][LAGS];
    __shared__ float predictor[AR_ORDER + STRIDE + 1], state[2][AR_ORDER + STRIDE];
    const int t = threadIdx.x;
    segment += (size_t)blockIdx.x * SEGMENT;
    spectrum += (size_t)blockIdx.x * HALF;

    // Compared as integers, magnitudes keep their order and values that are not finite are largest: one maximum suffices.
    if (t == 0) largest = 0;
    __syncthreads();
    unsigned mine = 0;
    for (int n = t; n < SEGMENT; n += SPECTRUM_THREADS) mine = max(mine, __float_as_uint(fabsf(segment[n])));
    atomicMax(&largest, mine);
    __syncthreads();
    const float unit = __uint_as_float(largest < NOT_FINITE ? largest : NOT_FINITE + 1);
    if (t == 0) peak[blockIdx.x] = unit;
    if (!(unit > 0)) return;

    for (int n = t; n < PERIOD; n += SPECTRUM_THREADS) {
        line[n] = make_float2(n < SEGMENT ? segment[n] / unit : 0, 0);
        if (n < SEGMENT) tapered[n] = line[n].x * taper[n];
    }
    __syncthreads();

    // Autocorrelation: each lag in PARTS sums, added in a fixed order. The equations of a signal without noise are too
    // close to singular for float32, so sums of 32 products are added in float64, which is slow here but rarely used.
    if (t < PARTS * LAGS) {
        const int lag = t % LAGS, part = t / LAGS;
        double sum = 0;
        for (int n = part; n + lag < SEGMENT;) {
            float few = 0;
            for (int i = 0; i < 32 && n + lag < SEGMENT; i++, n += PARTS) few += tapered[n] * tapered[n + lag];
            sum += few;
        }
        lag_part[part][lag] = sum;
    }
    __syncthreads();
    if (t < LAGS) {
        double sum = 0;
        for (int part = 0; part < PARTS; part++) sum += lag_part[part][t];
        forward[0][t] = backward[0][t] = t ? sum : sum * (1.0 + AR_RIDGE);
        polynomial[0][t] = t ? 0 : 1;
    }
    __syncthreads();

    if (forward[0][0] > 0) {
        // Schur's recursion: unlike Levinson's it has no inner product, so a step is one product a thread.
        for (int m = 1; m < LAGS; m++) {
            const int old = (m - 1) % 2;
            if (t < LAGS) {
                const double k = -forward[old][m] / backward[old][m - 1];
                if (t >= m) {
                    forward[1 - old][t] = forward[old][t] + k * backward[old][t - 1];
                    backward[1 - old][t] = backward[old][t - 1] + k * forward[old][t];
                }
                polynomial[1 - old][t] = polynomial[old][t] + (t <= m ? k * polynomial[old][m - t] : 0);
            }
            __syncthreads();
        }

        // The predictor in transposed form: what sample n will get from the past is ready in state[0].
        if (t <= AR_ORDER + STRIDE) predictor[t] = t < LAGS ? (float)-polynomial[AR_ORDER % 2][t] : 0;
        if (t < AR_ORDER + STRIDE) state[0][t] = state[1][t] = 0;
        __syncthreads();
        if (t < AR_ORDER) {
            float sum = 0;
            for (int j = t + 1; j < LAGS; j++) sum += predictor[j] * line[SEGMENT + t - j].x;
            state[0][t] = sum;
        }
        __syncthreads();
        int now = 0;
        for (int n = SEGMENT; n < PERIOD; n += STRIDE) {
            if (t < AR_ORDER) {
                float next[STRIDE], later = state[now][t + STRIDE];
#pragma unroll
                for (int u = 0; u < STRIDE; u++) {
                    next[u] = state[now][u];
#pragma unroll
                    for (int v = 0; v < u; v++) next[u] += predictor[u - v] * next[v];
                    later += predictor[t + STRIDE - u] * next[u];
                    if (t == u && n + u < PERIOD) line[n + u].x = next[u];
                }
                state[1 - now][t] = later;
            }
            now = 1 - now;
            __syncthreads();
        }
    }

    pass<PERIOD, 5, 1>(line, 1, turn(0, 5));
    pass<PERIOD, 5, 5>(line, 1, turn(t % 5, 25));
    pass<PERIOD, 8, 25>(line, 1, turn(t % 25, 200));
    pass<PERIOD, 8, 200>(line, 1, turn(t % 200, PERIOD));
    // The samples are real, so the transform with the other sign is the conjugate.
    for (int k = t; k < HALF; k += SPECTRUM_THREADS) spectrum[k] = make_float2(line[k].x, -line[k].y);
}

// Spectrum and peak to values [channel][BINS][COLUMNS] in 0..1 and scale [channel]. One block a channel.
//
// The complex spectrogram of all frames stays in shared memory while the scales are computed, TOGETHER at a time. A
// thread owns its frames and adds the scales in order, so no intermediate results are stored. On a GPU with too little
// shared memory (99 KB: sm_86, sm_89, sm_120) GLOBAL_SPECTROGRAM is 1 and the spectrogram is in `workspace`
// [channel][BINS][FRAMES], which stays in the L2 cache; the same operations in the same order give the same bits.
// band [2 * SCALES][3]: of each scale's wavelet and of its derivative, whose gains are times the bin's frequency in Hz:
// first bin, end bin, and the offset from a bin to its index in `gain`.
//
// At 60 Hz 4.7 MFLOP and 41 KB moved a channel (tables stay in the cache): arithmetic is the limit, not memory.
// sm_87, 3 scales together: 99 registers (128 by CUDA 12.6), 160 KB shared, 1 block (15 of 48 warps) on a multiprocessor: what keeps
// it busy are the 6 to 10 values under way in each thread. sm_90 and sm_110, 5 together: 175 KB, 1 block of 25 warps.
extern "C" __global__ void __launch_bounds__(SQUEEZE_THREADS)
sst_squeeze(const float2 *__restrict__ spectrum, const float *__restrict__ peak, const int *__restrict__ band,
            const float *__restrict__ gain, float *__restrict__ values, float *__restrict__ scale,
            float2 *__restrict__ workspace)
{
    __shared__ float kept_unit;                      // for the last step; frees a register
    DYNAMIC_SHARED(float2, line);                    // [LINES][CIRCLE], then unless GLOBAL_SPECTROGRAM [BINS][FRAMES]
    float2 *squeezed = GLOBAL_SPECTROGRAM ? workspace + (size_t)blockIdx.x * BINS * FRAMES : line + LINES * CIRCLE;
    const int t = threadIdx.x;
    const float unit = peak[blockIdx.x];
    spectrum += (size_t)blockIdx.x * HALF;
    values += (size_t)blockIdx.x * CELLS;
    if (!(unit > 0)) {
        for (int cell = t; cell < CELLS; cell += SQUEEZE_THREADS) values[cell] = 0;
        if (t == 0) scale[blockIdx.x] = unit;
        return;
    }

    if (t == 0) kept_unit = unit;
    for (int n = t; n < BINS * FRAMES; n += SQUEEZE_THREADS) squeezed[n] = make_float2(0, 0);
    const float2 second = turn(t % (CIRCLE / 6) % FIRST, 6 * FIRST), third = turn(t % (CIRCLE / 8), CIRCLE);
    for (int round = 0; round < SCALES; round += TOGETHER) {
        // The band, folded to CIRCLE values, is the input of the first pass. One unsigned comparison tests whether
        // a bin is inside, so that loads are predicated; with branches they would wait for each other.
        for (int b = t; b < LINES * 48; b += SQUEEZE_THREADS) {
            const int *mine = band + 3 * (2 * round + b / 48);
            const int first = mine[0], place = mine[2];
            const unsigned width = mine[1] - first;
            float2 x[FIRST];
#pragma unroll
            for (int r = 0; r < FIRST; r++) {
                x[r] = make_float2(0, 0);
                for (int k = b % 48 + 48 * r; k < HALF; k += CIRCLE) {
                    if ((unsigned)(k - first) < width) x[r] = x[r] + gain[k + place] * spectrum[k];
                }
            }
            dft(x);
#pragma unroll
            for (int r = 0; r < FIRST; r++) line[b * FIRST + r] = x[r];
        }
        __syncthreads();
        pass<CIRCLE, 6, FIRST>(line, LINES, second);
        pass<CIRCLE, 8, 6 * FIRST>(line, LINES, third);
        // The fast quotient and logarithm are good to a millionth of a bin.
        for (int frame = t; frame < FRAMES; frame += SQUEEZE_THREADS) {
            for (int s = 0; s < LINES; s += 2) {
                const float2 wavelet = line[s * CIRCLE + FRAME0 + frame];
                const float power = dot(wavelet, wavelet);
                if (power > THRESHOLD * THRESHOLD) {
                    const float hz = __fdividef(dot(line[(s + 1) * CIRCLE + FRAME0 + frame], wavelet), power);
                    const float bin = __log2f(fmaxf(hz, LOW_HZ / 2) * (1 / LOW_HZ)) * (1 / BIN_OCTAVES);
                    if (bin >= 0 && bin < BINS) {
                        float2 *cell = squeezed + (int)bin * FRAMES + frame;
                        *cell = *cell + wavelet;
                    }
                }
            }
        }
        __syncthreads();
    }

    // Magnitudes to .x; the columns, two frames apart and weighted 1 2 1 or as they are, to .y.
    int *reached = reinterpret_cast<int *>(line);
    if (t < 31) reached[t] = 0;
    for (int n = t; n < BINS * FRAMES; n += SQUEEZE_THREADS) squeezed[n].x = sqrtf(dot(squeezed[n], squeezed[n]));
    __syncthreads();
    const auto column = [=](int cell) {
        return squeezed + cell / COLUMNS * FRAMES + cell % COLUMNS * FRAMES_A_COLUMN + FRAMES_A_COLUMN - 1;
    };
    unsigned most = 0;
    for (int cell = t; cell < CELLS; cell += SQUEEZE_THREADS) {
        float2 *c = column(cell);
        c->y = FRAMES_A_COLUMN == 2 ? (c[-1].x + 2 * c->x + c[1].x) / 4 : c->x;
        most = max(most, __float_as_uint(c->y));
    }

    // The SCALE_RANK-th largest cell, bit by bit: the largest number that so many cells reach. Counts are integers,
    // so their order does not matter; most threads see from their largest cell that they have nothing to count.
    unsigned ranked = 0;
    for (int bit = 30; bit >= 0; bit--) {
        const unsigned candidate = ranked | 1u << bit;
        if (most >= candidate) {
            int count = 0;
            for (int cell = t; cell < CELLS; cell += SQUEEZE_THREADS)
                count += __float_as_uint(column(cell)->y) >= candidate;
            atomicAdd(&reached[bit], count);
        }
        __syncthreads();
        if (reached[bit] >= SCALE_RANK) ranked = candidate;
    }
    float one = __uint_as_float(ranked);
    const float magnitude = one * kept_unit;
    if (magnitude < SILENCE) one = 0;
    for (int cell = t; cell < CELLS; cell += SQUEEZE_THREADS)
        values[cell] = one > 0 ? fminf(column(cell)->y / one, 1) : 0;
    if (t == 0) scale[blockIdx.x] = one > 0 ? magnitude : 0;
}
