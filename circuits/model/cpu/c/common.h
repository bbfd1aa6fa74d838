/* What all kernels share: numbers as the matrix products take them, and shares of rows.
 *
 * kernels.py compiles these files on the user's machine, once with matrix products in bf16, held as
 * its 16 bits, and once with -DFP32. Matrices are row-major, and every sum is taken in fp32. Rows (or
 * heads) are dealt out to threads in fixed shares, and what threads add up apart is joined in their
 * order: the same number of threads gives the same bits.
 */

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#ifdef FP32
typedef float real;
static inline float widen(real x) { return x; }
static inline real narrow(float value) { return value; }
#else
typedef uint16_t real;

static inline float widen(real x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* To the nearest, ties to even; NaN stays NaN. */
static inline real narrow(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    return (bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : (real)rounded;
}
#endif

/* This thread's share of n rows. */
static inline void share(int64_t n, int64_t *start, int64_t *stop) {
    int64_t threads = omp_get_num_threads(), me = omp_get_thread_num();
    *start = n * me / threads;
    *stop = n * (me + 1) / threads;
}
