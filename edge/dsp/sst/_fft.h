// Transforms of eight channels at once: a vector holds one value of each channel, a lane a channel.
#include <stdint.h>

#define LANES 8
typedef float vec __attribute__((vector_size(4 * LANES), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), may_alias));
typedef double dvec __attribute__((vector_size(8 * LANES)));
typedef float pair __attribute__((vector_size(8), may_alias));  // re, im of one lane
typedef struct { vec re, im; } cvec;

// A function that Python calls. GCC compiles it for AVX-512, AVX2 and the base, and picks at load time.
#if __GNUC__ >= 12
#define CLONES "arch=x86-64-v4", "arch=x86-64-v3", "default"
#else
#define CLONES "avx512f", "avx2", "default"
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define ENTRY __attribute__((target_clones(CLONES), visibility("default")))
#else
#define ENTRY __attribute__((visibility("default")))
#endif

#define INLINE static inline __attribute__((always_inline))

INLINE cvec add(cvec a, cvec b) { return (cvec){a.re + b.re, a.im + b.im}; }
INLINE cvec sub(cvec a, cvec b) { return (cvec){a.re - b.re, a.im - b.im}; }
INLINE cvec mul(cvec a, float c, float s) { return (cvec){a.re * c - a.im * s, a.im * c + a.re * s}; }
INLINE cvec turn(cvec a) { return (cvec){-a.im, a.re}; }  // times i

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

// Inverse DFT without 1/n of x, with y as scratch; returns the one that holds the result. `radices` ends with 0; `w`
// holds each pass's twiddles in the order they are used. s: transforms of n points, interleaved as a first pass of
// radix s leaves them.
INLINE cvec *inverse(int n, int s, const int32_t *radices, const float *w, cvec *x, cvec *y) {
    for (; *radices; radices++) {
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
