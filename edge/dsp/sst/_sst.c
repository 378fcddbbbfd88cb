// The SST of edge/dsp/sst/reference.py in float32, eight channels at a time: every value is a vector of 8 lanes, one a
// channel, so that nothing is ever shuffled. GCC compiles each entry for AVX-512, AVX2 and the base (on arm64: NEON)
// and picks at load time. All memory is the caller's. See edge/dsp/sst/transform.py for the calls.
#include <math.h>
#include <string.h>

#include "_fft.h"

#define BINS 71
#define TRASH BINS  // the row of cells that belong to no bin
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define INTERLEAVE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#endif
#endif
#ifndef INTERLEAVE  // GCC before 12
#define INTERLEAVE(a, b, ...) __builtin_shuffle(a, b, (ivec){__VA_ARGS__})
#endif

INLINE vec pick(ivec where, vec a, vec b) { return (vec)(((ivec)a & where) | ((ivec)b & ~where)); }

// log2 of positive normal numbers, to 2e-7 and the rounding of the sum: exponent, and polynomial for 0.75 to 1.5.
INLINE vec log2v(vec x) {
    const ivec i = (ivec)x, e = (i - 0x3f400000) >> 23;
    const vec t = (vec)(i - (e << 23)) - 1.0f;
    const vec y = 1.44269525f + t * (-0.721350693f + t * (0.48084751f + t * (-0.360335294f + t * (0.290073565f +
                  t * (-0.250652196f + t * (0.204127339f - t * 0.0961639716f))))));
    return __builtin_convertvector(e, vec) + t * y;
}

// Scales that share a circle: `period` samples from `start` of the whole. The first of `frames` frames is frame
// `frame0` of the circle's `frames_around` and frame `frame` of the window. See `Band` in tables.py.
// spread [scales]: 0, 1 or 2 for a first pass of radix 1, 4 or 16 that only copies and rotates; the transform of the
// rest is entry `spread` of the three.
typedef struct {
    int32_t start, period, frames_around, frame0, frame, frames, scales;
    const int32_t *first, *count, *offset, *spread, *period_radices, *frame_radices[3];
    const float *gain, *turns, *period_twiddles, *frame_twiddles[3];
} band;

// silence: a smaller scale is rounding error.
typedef struct {
    int32_t segment, whole, frames, averaged, columns, order, rank;
    float threshold, ridge, silence, low_log2, bins_per_octave;  // low_log2: of the lowest bin's edge in rad/sample
    const float *taper;
} plan;

// Continues x from the segment to the whole by linear prediction; see `extend` in the reference. t: as long as the whole.
INLINE void extend(const plan *p, vec *x, vec *t) {
    dvec lag[65], a[65], b[65];  // the equations of a signal without noise are too close to singular for float32
    const int n = p->segment, order = p->order;
    for (int i = 0; i < n; i++) t[i] = x[i] * p->taper[i];
    for (int k = 0; k <= order; k++) {
        lag[k] = (dvec){0};
        for (int i = k; i < n;) {
            vec sum = {0};
            for (const int end = i + 32 < n ? i + 32 : n; i < end; i++) sum += t[i] * t[i - k];
            lag[k] += __builtin_convertvector(sum, dvec);
        }
    }
    for (int l = 0; l < LANES; l++) lag[0][l] = lag[0][l] > 0 ? lag[0][l] * (1 + p->ridge) : 1;
    dvec error = lag[0];
    for (int i = 1; i <= order; i++) {  // Levinson's recursion
        dvec sum = lag[i];
        for (int k = 1; k < i; k++) sum -= a[k] * lag[i - k];
        const dvec reflection = sum / error;
        for (int k = 1; k < i; k++) b[k] = a[k] - reflection * a[i - k];
        for (int k = 1; k < i; k++) a[k] = b[k];
        a[i] = reflection;
        error *= 1 - reflection * reflection;
    }
    vec tap[65];
    for (int k = 1; k <= order; k++) tap[k] = __builtin_convertvector(a[k], vec);
    for (int i = n; i < p->whole; i++) {
        vec even = {0}, odd = {0};
        for (int k = 1; k < order; k += 2) even += tap[k] * x[i - k], odd += tap[k + 1] * x[i - k - 1];
        x[i] = even + odd;
    }
}

// The spectra of one scale's coefficients w and of their derivatives d (per sample), folded onto the frame grid; if they
// end early, after the transform's first passes, in which each value then meets only zeros.
INLINE void fold(const band *b, int scale, const cvec *spectrum, cvec *w, cvec *d) {
    const int around = b->frames_around, first = b->first[scale], count = b->count[scale];
    const int radix = 1 << 2 * b->spread[scale];
    const float *gain = b->gain + b->offset[scale];
    const float omega = 6.28318530717958648f / (float)b->period;
    memset(w, 0, sizeof *w * (size_t)around);
    memset(d, 0, sizeof *d * (size_t)around);
    for (int i = 0, k = first % around; i < count; i++) {
        const float g = gain[i], o = omega * (float)(first + i);
        const cvec v = {g * spectrum[first + i].re, g * spectrum[first + i].im};
        if (radix == 1) {
            w[k].re += v.re, w[k].im += v.im;
            d[k].re += o * v.re, d[k].im += o * v.im;
        } else
            for (int j = 0, turn = 0; j < radix; j++, turn += k) {  // k radix <= around: the turns are of one round
                const cvec u = mul(v, b->turns[2 * turn], b->turns[2 * turn + 1]);
                w[k * radix + j] = u;
                d[k * radix + j] = (cvec){o * u.re, o * u.im};
            }
        if (++k == around) k = 0;
    }
}

// Adds each coefficient to the bin of its instantaneous frequency. cells [lane][BINS + 1][frames]: what is near in time
// and in frequency is near in memory. w and d are used up: by the coefficients, lane after lane, and by their places.
INLINE void squeeze(const plan *p, const band *b, const vec smallest, cvec *w, cvec *d, pair *cells) {
    const ivec lane = (ivec){0, 1, 2, 3, 4, 5, 6, 7} * ((BINS + 1) * p->frames) + b->frame;
    const pair *value = (const pair *)w;
    const int32_t *place = (const int32_t *)d;
    for (int m = 0; m < b->frames; m++) {
        const cvec c = w[b->frame0 + m], e = d[b->frame0 + m];
        const vec power = c.re * c.re + c.im * c.im, turned = c.re * e.re + c.im * e.im;
        const ivec seen = (power > smallest) & (turned > 1e-6f * power);  // no bin is at frequencies as low
        const vec octave = log2v(pick(seen, turned / power, 1 + (vec){0})) - p->low_log2;
        const vec bins = octave * p->bins_per_octave;
        const ivec inside = seen & (bins >= 0.0f) & (bins < (float)BINS);
        const ivec bin = (__builtin_convertvector(bins, ivec) & inside) | (TRASH & ~inside);
        w[m].re = INTERLEAVE(c.re, c.im, 0, 8, 1, 9, 2, 10, 3, 11);
        w[m].im = INTERLEAVE(c.re, c.im, 4, 12, 5, 13, 6, 14, 7, 15);
        ((ivec *)d)[m] = bin * p->frames + lane + m;
    }
    for (int i = 0; i < b->frames * LANES; i++) cells[place[i]] += value[i];
}

// All scales of a band. work: 2 period + 4 frames_around.
INLINE void transform(const plan *p, const band *b, const vec *whole, const vec smallest, cvec *work, pair *cells) {
    const int around = b->frames_around;
    cvec *x = work;
    for (int i = 0; i < b->period; i++) x[i] = (cvec){whole[b->start + i], {0}};
    cvec *spectrum = inverse(b->period, 1, b->period_radices, b->period_twiddles, x, x + b->period);
    for (int k = 0; k < b->period / 2; k++) spectrum[k].im = -spectrum[k].im;  // real samples: conjugate is forward
    cvec *free = work + 2 * b->period;
    for (int j = 0; j < b->scales; j++) {
        cvec *w = free, *d = w + around, *spare = d + around;
        fold(b, j, spectrum, w, d);
        const int plan = b->spread[j], radix = 1 << 2 * plan;
        w = inverse(around / radix, radix, b->frame_radices[plan], b->frame_twiddles[plan], w, spare);
        d = inverse(around / radix, radix, b->frame_radices[plan], b->frame_twiddles[plan], d, spare + around);
        squeeze(p, b, smallest, w, d, cells);
    }
}

// One channel: magnitude, 1-2-1 average of the frames to columns, the cell of `rank` to 1; returns its magnitude.
// cells [BINS][frames], values [BINS][columns]
INLINE float finish(const plan *p, const pair *cells, float *values) {
    const int frames = p->frames, columns = p->columns, all = BINS * columns, rank = p->rank;
    float largest[16] = {0}, magnitude[frames];
    for (int bin = 0; bin < BINS; bin++, cells += frames) {
        float *row = values + bin * columns;
        for (int m = 0; m < frames; m++) magnitude[m] = sqrtf(cells[m][0] * cells[m][0] + cells[m][1] * cells[m][1]);
        if (p->averaged)
            for (int c = 0; c < columns; c++)
                row[c] = (magnitude[2 * c] + 2 * magnitude[2 * c + 1] + magnitude[2 * c + 2]) / 4;
        else
            memcpy(row, magnitude, sizeof *row * (size_t)columns);
        for (int c = 0; c < columns; c++)
            if (row[c] > largest[rank - 1]) {  // a sorted list of the largest: rarely entered
                int r = rank - 1;
                for (; r > 0 && row[c] > largest[r - 1]; r--) largest[r] = largest[r - 1];
                largest[r] = row[c];
            }
    }
    const float one = largest[rank - 1] >= p->silence ? largest[rank - 1] : 0, by = one > 0 ? 1 / one : 0;
    for (int i = 0; i < all; i++) {
        const float v = values[i] * by;
        values[i] = v < 1 ? v : 1;
    }
    return one;
}

// Up to 8 channels; see sst_windows.
INLINE void window(const plan *p, const band *low, const band *high, int hop, int keep, pair *kept,
                   const float *segment, int lanes, float *values, float *scale, float *work) {
    const int rows = LANES * (BINS + 1);
    const size_t kept_row = sizeof *kept * (size_t)keep;
    vec *whole = (vec *)work, largest = {0}, nothing = {0};
    cvec *scratch = (cvec *)(whole + p->whole);
    pair *cells = (pair *)(scratch + 2 * low->period + 4 * low->frames_around);
    for (int i = 0; i < p->segment; i++)
        for (int l = 0; l < LANES; l++) whole[i][l] = l < lanes ? segment[l * p->segment + i] : 0;
    for (int i = 0; i < p->segment; i++) {
        const vec size = pick(whole[i] < 0.0f, -whole[i], whole[i]);
        largest = pick(size > largest, size, largest);
        nothing += whole[i] * 0.0f;  // NaN for a NaN or an infinity
    }
    const ivec finite = nothing == 0.0f;
    largest = pick(finite, largest, (vec){0});
    for (int i = 0; i < p->segment; i++) whole[i] = pick(finite, whole[i], (vec){0});
    extend(p, whole, (vec *)scratch);
    const vec smallest = p->threshold * p->threshold * largest * largest;
    const int known = high->frame > 0 ? keep : 0;
    for (int r = 0; r < rows; r++) {
        pair *row = cells + r * p->frames;
        if (known) memcpy(row, kept + r * keep, kept_row);
        memset(row + known, 0, sizeof *row * (size_t)(p->frames - known));
    }
    transform(p, high, whole, smallest, scratch, cells);
    for (int r = 0; keep && r < rows; r++) memcpy(kept + r * keep, cells + r * p->frames + hop, kept_row);
    transform(p, low, whole, smallest, scratch, cells);
    for (int l = 0; l < lanes; l++) {
        scale[l] = finish(p, cells + l * (BINS + 1) * p->frames, values + l * BINS * p->columns);
        if (finite[l]) continue;
        scale[l] = NAN;  // and discard the stored sums
        memset(values + l * BINS * p->columns, 0, sizeof *values * (size_t)(BINS * p->columns));
    }
}

// Python compares these sizes with its own structs, so that a library built from older sources is detected.
__attribute__((visibility("default"))) const int32_t sst_layout[2] = {sizeof(plan), sizeof(band)};

// All channels: segment [channels][segment] to values [channels][BINS][columns] and scale [channels].
// kept [channels, rounded up to LANES][BINS + 1][keep]: what the high band had added up for the frames before
// high->frame, if any; on return, for the first `keep` frames of the window `hop` frames later. work: aligned to 64
// bytes, as kept; its size is in native.py.
ENTRY void sst_windows(const plan *p, const band *low, const band *high, int hop, int keep, pair *kept,
                       const float *segment, int channels, float *values, float *scale, float *work) {
    for (int c = 0; c < channels; c += LANES) {
        const int lanes = channels - c < LANES ? channels - c : LANES;
        window(p, low, high, hop, keep, kept + (size_t)c * (BINS + 1) * keep, segment + (size_t)c * p->segment, lanes,
               values + (size_t)c * BINS * p->columns, scale + c, work);
    }
}
