// The SST of edge/dsp/sst_reference.py in float32, eight channels at a time: every value is a vector of 8 lanes, one a
// channel, so that nothing is ever shuffled. GCC compiles each entry for AVX-512, AVX2 and the base (on arm64: NEON)
// and picks at load time. All memory is the caller's. See edge/dsp/sst.py for the calls.
#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 8
#define BINS 71
#define TRASH BINS  // the row of cells that belong to no bin
typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), may_alias));
typedef double dvec __attribute__((vector_size(8 * LANES)));
typedef float pair __attribute__((vector_size(8), may_alias));  // re, im of one lane
typedef struct { vec re, im; } cvec;

#define INLINE static inline __attribute__((always_inline))
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define ENTRY __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), visibility("default")))
#else
#define ENTRY __attribute__((visibility("default")))
#endif

INLINE cvec add(cvec a, cvec b) { return (cvec){a.re + b.re, a.im + b.im}; }
INLINE cvec sub(cvec a, cvec b) { return (cvec){a.re - b.re, a.im - b.im}; }
INLINE cvec mul(cvec a, float c, float s) { return (cvec){a.re * c - a.im * s, a.im * c + a.re * s}; }
INLINE cvec turn(cvec a) { return (cvec){-a.im, a.re}; }  // times i
INLINE vec pick(ivec where, vec a, vec b) { return (vec)(((ivec)a & where) | ((ivec)b & ~where)); }

// DFT of three points, inverse.
INLINE void three(cvec a0, cvec a1, cvec a2, cvec *y) {
    const float h = 0.86602540378443865f;
    const cvec t = add(a1, a2), d = sub(a1, a2);
    const cvec u = {a0.re - 0.5f * t.re, a0.im - 0.5f * t.im}, v = turn((cvec){h * d.re, h * d.im});
    y[0] = add(a0, t), y[1] = add(u, v), y[2] = sub(u, v);
}

// One Stockham pass of the inverse DFT: radix r, n points still to split, s already apart.
// y[q + s(r p + j)] = w_n^{jp} sum_i x[q + s(p + n/r i)] w_r^{ij}
INLINE void pass(int r, int n, int s, const cvec *x, cvec *y, const float *w) {
    const int m = n / r;
    for (int p = 0; p < m; p++, w += 2 * (r - 1))
        for (int q = 0; q < s; q++) {
            const cvec *a = x + q + s * p;
            cvec *b = y + q + s * r * p;
            if (r == 2) {
                cvec a0 = a[0], a1 = a[s * m];
                b[0] = add(a0, a1);
                b[s] = mul(sub(a0, a1), w[0], w[1]);
            } else if (r == 3) {
                cvec c[3];
                three(a[0], a[s * m], a[2 * s * m], c);
                b[0] = c[0];
                for (int j = 1; j < 3; j++) b[j * s] = mul(c[j], w[2 * j - 2], w[2 * j - 1]);
            } else if (r == 4) {
                cvec a0 = a[0], a1 = a[s * m], a2 = a[2 * s * m], a3 = a[3 * s * m];
                cvec e = add(a0, a2), f = sub(a0, a2), g = add(a1, a3), h = turn(sub(a1, a3));
                b[0] = add(e, g);
                b[s] = mul(add(f, h), w[0], w[1]);
                b[2 * s] = mul(sub(e, g), w[2], w[3]);
                b[3 * s] = mul(sub(f, h), w[4], w[5]);
            } else if (r == 6) {  // two of three, no twiddles between them (Good and Thomas)
                cvec c[3], d[3];
                three(a[0], a[2 * s * m], a[4 * s * m], c);
                three(a[3 * s * m], a[5 * s * m], a[s * m], d);
                b[0] = add(c[0], d[0]);
                b[s] = mul(sub(c[1], d[1]), w[0], w[1]);
                b[2 * s] = mul(add(c[2], d[2]), w[2], w[3]);
                b[3 * s] = mul(sub(c[0], d[0]), w[4], w[5]);
                b[4 * s] = mul(add(c[1], d[1]), w[6], w[7]);
                b[5 * s] = mul(sub(c[2], d[2]), w[8], w[9]);
            } else {
                const float c1 = 0.30901699437494742f, c2 = -0.80901699437494742f;
                const float s1 = 0.95105651629515357f, s2 = 0.58778525229247313f;
                cvec a0 = a[0], a1 = a[s * m], a2 = a[2 * s * m], a3 = a[3 * s * m], a4 = a[4 * s * m];
                cvec p1 = add(a1, a4), m1 = sub(a1, a4), p2 = add(a2, a3), m2 = sub(a2, a3);
                cvec u = {a0.re + c1 * p1.re + c2 * p2.re, a0.im + c1 * p1.im + c2 * p2.im};
                cvec v = {a0.re + c2 * p1.re + c1 * p2.re, a0.im + c2 * p1.im + c1 * p2.im};
                cvec g = turn((cvec){s1 * m1.re + s2 * m2.re, s1 * m1.im + s2 * m2.im});
                cvec h = turn((cvec){s2 * m1.re - s1 * m2.re, s2 * m1.im - s1 * m2.im});
                b[0] = add(a0, add(p1, p2));
                b[s] = mul(add(u, g), w[0], w[1]);
                b[2 * s] = mul(add(v, h), w[2], w[3]);
                b[3 * s] = mul(sub(v, h), w[4], w[5]);
                b[4 * s] = mul(sub(u, g), w[6], w[7]);
            }
        }
}

// Inverse DFT without 1/n of x, a scratch array beside it; returns the one that holds the result.
// `radices` ends with 0; `w` holds each pass's twiddles in the order they are used.
INLINE cvec *inverse(int n, const int *radices, const float *w, cvec *x, cvec *y) {
    for (int s = 1; *radices; radices++) {
        const int r = *radices;
        switch (r) {
            case 2: pass(2, n, s, x, y, w); break;
            case 3: pass(3, n, s, x, y, w); break;
            case 4: pass(4, n, s, x, y, w); break;
            case 6: pass(6, n, s, x, y, w); break;
            default: pass(5, n, s, x, y, w);
        }
        w += 2 * (r - 1) * (n / r);
        n /= r, s *= r;
        cvec *t = x; x = y; y = t;
    }
    return x;
}

// log2 of positive normal numbers, error below 2e-7: the exponent, and a polynomial for 0.75 to 1.5.
INLINE vec log2v(vec x) {
    const ivec i = (ivec)x, e = (i - 0x3f400000) >> 23;
    const vec t = (vec)(i - (e << 23)) - 1.0f;
    const vec y = 1.44269525f + t * (-0.721350693f + t * (0.48084751f + t * (-0.360335294f + t * (0.290073565f +
                  t * (-0.250652196f + t * (0.204127339f - t * 0.0961639716f))))));
    return __builtin_convertvector(e, vec) + t * y;
}

// Scales that share a circle: `period` samples from `start` of the whole. The first of `frames` frames is frame
// `frame0` of the circle's `frames_around` and frame `frame` of the window. See `Band` in sst_tables.py.
typedef struct {
    int32_t start, period, frames_around, frame0, frame, frames, scales;
    const int32_t *period_radices, *frame_radices, *first, *count, *offset;
    const float *period_twiddles, *frame_twiddles, *gain;
} band;

typedef struct {
    int32_t segment, whole, frames, averaged, columns, order, rank;
    float threshold, ridge, low_log2, bins_per_octave;  // low_log2: of the lowest bin's edge in rad/sample
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

// The spectra of one scale's coefficients w and of their derivatives d (per sample), folded onto the frame grid.
INLINE void fold(const band *b, int scale, const cvec *spectrum, cvec *w, cvec *d) {
    const int around = b->frames_around, first = b->first[scale], count = b->count[scale];
    const float *gain = b->gain + b->offset[scale];
    const float omega = 6.28318530717958648f / (float)b->period;
    memset(w, 0, sizeof *w * (size_t)around);
    memset(d, 0, sizeof *d * (size_t)around);
    for (int i = 0, k = first % around; i < count; i++) {
        const float g = gain[i], go = g * omega * (float)(first + i);
        const cvec s = spectrum[first + i];
        w[k].re += g * s.re, w[k].im += g * s.im;
        d[k].re += go * s.re, d[k].im += go * s.im;
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
        w[m].re = __builtin_shuffle(c.re, c.im, (ivec){0, 8, 1, 9, 2, 10, 3, 11});
        w[m].im = __builtin_shuffle(c.re, c.im, (ivec){4, 12, 5, 13, 6, 14, 7, 15});
        ((ivec *)d)[m] = bin * p->frames + lane + m;
    }
    for (int i = 0; i < b->frames * LANES; i++) cells[place[i]] += value[i];
}

// All scales of a band. work: 2 period + 4 frames_around.
INLINE void transform(const plan *p, const band *b, const vec *whole, const vec smallest, cvec *work, pair *cells) {
    const int around = b->frames_around;
    cvec *x = work;
    for (int i = 0; i < b->period; i++) x[i] = (cvec){whole[b->start + i], {0}};
    cvec *spectrum = inverse(b->period, b->period_radices, b->period_twiddles, x, x + b->period);
    for (int k = 0; k < b->period / 2; k++) spectrum[k].im = -spectrum[k].im;  // real samples: conjugate is forward
    cvec *free = work + 2 * b->period;
    for (int j = 0; j < b->scales; j++) {
        cvec *w = free, *d = w + around, *spare = d + around;
        fold(b, j, spectrum, w, d);
        w = inverse(around, b->frame_radices, b->frame_twiddles, w, spare);
        d = inverse(around, b->frame_radices, b->frame_twiddles, d, spare + around);
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
    const float one = largest[rank - 1], by = one > 0 ? 1 / one : 0;
    for (int i = 0; i < all; i++) {
        const float v = values[i] * by;
        values[i] = v < 1 ? v : 1;
    }
    return one;
}

// Up to 8 channels: segment [lanes][segment] to values [lanes][BINS][columns] and scale [lanes].
// kept [LANES][BINS + 1][keep]: what the high band had added up for the frames before high->frame, if any; on return,
// for the first `keep` frames of the window `hop` frames later. work: 64-byte aligned; its size is in sst_native.py.
ENTRY void sst_window(const plan *p, const band *low, const band *high, int hop, int keep, pair *kept,
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
    memset(cells, 0, sizeof *cells * (size_t)(rows * p->frames));
    if (high->frame > 0)
        for (int r = 0; r < rows; r++) memcpy(cells + r * p->frames, kept + r * keep, kept_row);
    transform(p, high, whole, smallest, scratch, cells);
    for (int r = 0; keep && r < rows; r++) memcpy(kept + r * keep, cells + r * p->frames + hop, kept_row);
    transform(p, low, whole, smallest, scratch, cells);
    for (int l = 0; l < lanes; l++)
        scale[l] = nothing[l] + finish(p, cells + l * (BINS + 1) * p->frames, values + l * BINS * p->columns);
}
