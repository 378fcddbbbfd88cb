// A cascade of second-order sections in the transposed direct form II, as in SciPy's sosfilt, with the same order of
// operations and without fused products, so that the results are the same to the last bit.

#include <stdint.h>

// Python compares it with its own, so that a library built from older sources is detected.
__attribute__((visibility("default"))) const int32_t sections_version[1] = {1};

// sections [count][6]: b0 b1 b2 a0 a1 a2, a0 is 1. x and y [channels][n]; state [channels][count][2] is updated.
__attribute__((visibility("default"))) void filter_sections(const double *sections, int count, const double *x,
                                                            double *y, long channels, long n, double *state) {
    for (long c = 0; c < channels; c++, x += n, y += n, state += 2 * count)
        for (long i = 0; i < n; i++) {
            double value = x[i];
            for (int k = 0; k < count; k++) {
                const double *b = sections + 6 * k, *a = b + 3;
                double *z = state + 2 * k;
                const double out = b[0] * value + z[0];
                z[0] = b[1] * value - a[1] * out + z[1];
                z[1] = b[2] * value - a[2] * out;
                value = out;
            }
            y[i] = value;
        }
}
