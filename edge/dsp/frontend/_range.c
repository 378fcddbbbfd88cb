// The range transform of eight rows at a time, one a lane: a window, then the DFT of every row.
#include <stddef.h>

#include "../sst/_fft.h"

// Python compares it with its own, so that a library built from older sources is detected.
__attribute__((visibility("default"))) const int32_t range_version[1] = {1};

// rows and profiles: complex [count][n]; window [n]; radices and twiddles as in `inverse`. work: 2 n cvec, aligned.
// The forward DFT is the inverse one with real and imaginary parts swapped, before and after it.
ENTRY void range_transform(int n, const int32_t *radices, const float *twiddles, const float *window, const float *rows,
                           int count, float *profiles, cvec *work) {
    for (int first = 0; first < count; first += LANES) {
        const int lanes = count - first < LANES ? count - first : LANES;
        const float *row[LANES];  // lanes without a row repeat the first
        for (int l = 0; l < LANES; l++) row[l] = rows + 2 * (size_t)n * (size_t)(first + (l < lanes ? l : 0));
        for (int i = 0; i < n; i++)
            for (int l = 0; l < LANES; l++) {
                work[i].re[l] = window[i] * row[l][2 * i + 1];
                work[i].im[l] = window[i] * row[l][2 * i];
            }
        const cvec *found = inverse(n, 1, radices, twiddles, work, work + n);
        for (int l = 0; l < lanes; l++) {
            float *profile = profiles + 2 * (size_t)n * (size_t)(first + l);
            for (int i = 0; i < n; i++) {
                profile[2 * i] = found[i].im[l];
                profile[2 * i + 1] = found[i].re[l];
            }
        }
    }
}
