/* Weights and gradients on their way to the products and back, and the numbering of prefixes. */

#include "common.h"

/* n pieces of [outer][inner][length] numbers change places, strides and type. `layout` has seven
 * numbers a piece: these sizes, then the strides of outer and inner on either side. */
#define MOVE_PIECES(name, from_type, to_type, convert)                                          \
    void name(int threads, int64_t n, const from_type *const *from, to_type *const *to,         \
              const int64_t *layout) {                                                          \
        _Pragma("omp parallel for schedule(dynamic) num_threads(threads)")                      \
        for (int64_t p = 0; p < n; p++) {                                                       \
            const int64_t *size = layout + 7 * p, *here = size + 3, *there = size + 5;          \
            for (int64_t i = 0; i < size[0]; i++)                                               \
                for (int64_t j = 0; j < size[1]; j++) {                                         \
                    const from_type *x = from[p] + i * here[0] + j * here[1];                   \
                    to_type *y = to[p] + i * there[0] + j * there[1];                           \
                    for (int64_t k = 0; k < size[2]; k++) y[k] = convert(x[k]);                 \
                }                                                                               \
        }                                                                                       \
    }

MOVE_PIECES(cast_pieces, float, real, narrow)
MOVE_PIECES(widen_pieces, real, float, widen)

/* number[i] = which of the different keys keys[i] is, counted as they appear; first[k] = where the
 * k-th appears first. Returns how many there are. `slots` has a power of two of places, more than n. */
int64_t distinct(int64_t n, int64_t n_slots, const int64_t *keys, int64_t *slots, int64_t *number,
                 int64_t *first) {
    int64_t count = 0;
    for (int64_t i = 0; i < n_slots; i++) slots[i] = -1;
    for (int64_t i = 0; i < n; i++) {
        uint64_t mixed = (uint64_t)keys[i] * 0x9e3779b97f4a7c15u;
        int64_t at = (int64_t)(mixed >> 32) & (n_slots - 1);
        while (slots[at] >= 0 && keys[first[slots[at]]] != keys[i]) at = (at + 1) & (n_slots - 1);
        if (slots[at] < 0) {
            slots[at] = count;
            first[count++] = i;
        }
        number[i] = slots[at];
    }
    return count;
}
