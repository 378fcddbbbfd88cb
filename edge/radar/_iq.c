// The loops of iq.py: bytes of a frame to samples, with the search for zeros that stand for lost packets.
#include <stdint.h>

// Python compares it with its own, so that a library built from older sources is detected.
__attribute__((visibility("default"))) const int32_t iq_version[1] = {2};

static int has_zero_block(const int16_t *words, long count, long size) {
    for (; count--; words += size) {
        int16_t any = words[0];
        for (long i = 1; i < size && !any; i++) any = words[i];
        if (!any) return 1;
    }
    return 0;
}

// words [groups][4] to the parts [groups][4] of two complex samples. real: word of the first real part; the first
// imaginary part is in word 2 - real, and the second sample in the words after these. Returns whether one of the
// blocks of `size` words has zeros only.
__attribute__((visibility("default"))) int decode(const int16_t *restrict words, long groups, int real, long size,
                                                  float *restrict parts) {
    const int16_t *re = words + real, *im = words + 2 - real;
    for (long i = 0; i < 4 * groups; i += 4) {
        parts[i] = re[i], parts[i + 1] = im[i];
        parts[i + 2] = re[i + 1], parts[i + 3] = im[i + 1];
    }
    return has_zero_block(words, 4 * groups / size, size);
}
