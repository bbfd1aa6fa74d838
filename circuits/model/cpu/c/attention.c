/* Attention over a few positions and its gradient, and attention of patched runs. */

#include "common.h"

#define MOST_SEEN 256
#define INLINE static inline __attribute__((always_inline))

/* Calls function(d, ...) with the usual widths of a head as constants, so that its loops unroll. */
#define WITH_WIDTH(d, function, ...)             \
    switch (d) {                                 \
        case 16: function(16, __VA_ARGS__); break; \
        case 24: function(24, __VA_ARGS__); break; \
        case 32: function(32, __VA_ARGS__); break; \
        case 64: function(64, __VA_ARGS__); break; \
        default: function(d, __VA_ARGS__);       \
    }

/* e^x for x <= 0, as exact as expf to two units in the last place, in a form that becomes vectors:
 * 2^k times the Taylor series of e^r, where |r| <= log(2) / 2. NaN stays NaN. */
static inline float exponential(float x) {
    x = x < -87 ? -87 : x;
    float k = rintf(x * 1.44269504f), r = x - k * 0.693359375f + k * 2.12194440e-4f, power;
    float series = 1 + r * (1 + r * (1 / 2.f + r * (1 / 6.f + r * (1 / 24.f + r * (1 / 120.f + r * (1 / 720.f))))));
    uint32_t bits = (uint32_t)((int32_t)k + 127) << 23;
    memcpy(&power, &bits, 4);
    return series * power;
}

/* Scores [seen][n_heads] become shares, head by head. */
static inline void softmax(int64_t seen, int64_t n_heads, float *scores) {
    float most[n_heads], total[n_heads];
#pragma omp simd
    for (int64_t head = 0; head < n_heads; head++) {
        most[head] = scores[head];
        total[head] = 0;
    }
    for (int64_t s = 1; s < seen; s++)
#pragma omp simd
        for (int64_t head = 0; head < n_heads; head++) {
            float score = scores[s * n_heads + head];
            most[head] = score > most[head] ? score : most[head];
        }
    for (int64_t s = 0; s < seen; s++)
#pragma omp simd
        for (int64_t head = 0; head < n_heads; head++) {
            float weight = exponential(scores[s * n_heads + head] - most[head]);
            total[head] += scores[s * n_heads + head] = weight;
        }
#pragma omp simd
    for (int64_t head = 0; head < n_heads; head++) total[head] = 1 / total[head];
    for (int64_t s = 0; s < seen; s++)
#pragma omp simd
        for (int64_t head = 0; head < n_heads; head++) scores[s * n_heads + head] *= total[head];
}

/* scores[n_heads] = the products of a query with a key. */
INLINE void score_heads(int64_t d, int64_t n_heads, float scale, const real *query,
                        const real *key, float *scores) {
    for (int64_t head = 0; head < n_heads; head++) {
        float score = 0;
#pragma omp simd reduction(+ : score)
        for (int64_t j = 0; j < d; j++) score += widen(query[head * d + j]) * widen(key[head * d + j]);
        scores[head] = score * scale;
    }
}

/* sum[width] += each head's share of its value; the first sets it. */
INLINE void mix_heads(int64_t d, int64_t n_heads, int first, const float *shares, const real *value,
                      float *sum) {
    for (int64_t head = 0; head < n_heads; head++) {
        float share_of = shares[head];
#pragma omp simd
        for (int64_t j = head * d; j < head * d + d; j++)
            sum[j] = (first ? 0 : sum[j]) + share_of * widen(value[j]);
    }
}

INLINE void attend_rows(int64_t d, int64_t start, int64_t stop, int64_t n, int64_t seen,
                        int64_t n_heads, const real *q, const real *kv, const int64_t *nodes,
                        real *z, float *pattern) {
    int64_t width = n_heads * d;
    float sum[width];
    for (int64_t i = start; i < stop; i++) {
        float *scores = pattern + i * seen * n_heads;
        for (int64_t s = 0; s < seen; s++)
            score_heads(d, n_heads, 1, q + i * width, kv + nodes[s * n + i] * 2 * width,
                        scores + s * n_heads);
        softmax(seen, n_heads, scores);
        for (int64_t s = 0; s < seen; s++)
            mix_heads(d, n_heads, s == 0, scores + s * n_heads,
                      kv + (nodes[s * n + i] * 2 + 1) * width, sum);
#pragma omp simd
        for (int64_t j = 0; j < width; j++) z[i * width + j] = narrow(sum[j]);
    }
}

/* q is scaled; nodes[seen][n] are the rows of kv that each query sees; pattern is [n][seen][head]. */
void attend(int threads, int64_t n, int64_t seen, int64_t n_heads, int64_t d, const real *q,
            const real *kv, const int64_t *nodes, real *z, float *pattern) {
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share(n, &start, &stop);
        WITH_WIDTH(d, attend_rows, start, stop, n, seen, n_heads, q, kv, nodes, z, pattern)
    }
}

#define AHEAD 4

/* Ask early for what lies scattered, which the processor cannot guess: a third of the time else. */
static inline void fetch(const void *start, int64_t bytes) {
    for (int64_t at = 0; at < bytes; at += 64) __builtin_prefetch((const char *)start + at);
}

INLINE void attend_heads_backward(int64_t d, int64_t start, int64_t stop, int64_t n, int64_t seen,
                                  int64_t n_heads, float scale, const real *dz, const real *q,
                                  const real *kv, const int64_t *nodes, const float *pattern,
                                  real *dq, float *dkv) {
    int64_t width = n_heads * d;
    int64_t own = (stop - start) * d;
    for (int64_t i = 0; i < n; i++) {
        if (i + AHEAD < n) {
            int64_t later = (i + AHEAD) * width + start * d;
            fetch(q + later, own * sizeof(real));
            fetch(dz + later, own * sizeof(real));
            for (int64_t s = 0; s < 2 * seen; s++) {
                int64_t to = (nodes[s / 2 * n + i + AHEAD] * 2 + s % 2) * width + start * d;
                fetch(kv + to, own * sizeof(real));
                fetch(dkv + to, own * sizeof(float));
            }
        }
        for (int64_t head = start; head < stop; head++) {
            int64_t at = i * width + head * d;
            const float *shares = pattern + i * seen * n_heads + head;
            float dscores[MOST_SEEN], along = 0, dquery[d], query[d], dout[d];
#pragma omp simd
            for (int64_t j = 0; j < d; j++) {
                dquery[j] = 0;
                query[j] = widen(q[at + j]);
                dout[j] = widen(dz[at + j]);
            }
            for (int64_t s = 0; s < seen; s++) {
                int64_t to = (nodes[s * n + i] * 2 + 1) * width + head * d;
                float dshare = 0, share_of = shares[s * n_heads];
#pragma omp simd reduction(+ : dshare)
                for (int64_t j = 0; j < d; j++) {
                    dshare += widen(kv[to + j]) * dout[j];
                    dkv[to + j] += share_of * dout[j];
                }
                dscores[s] = dshare;
                along += dshare * share_of;
            }
            for (int64_t s = 0; s < seen; s++) {
                int64_t to = nodes[s * n + i] * 2 * width + head * d;
                float dscore = shares[s * n_heads] * (dscores[s] - along);
#pragma omp simd
                for (int64_t j = 0; j < d; j++) {
                    dquery[j] += dscore * widen(kv[to + j]);
                    dkv[to + j] += dscore * query[j];
                }
            }
#pragma omp simd
            for (int64_t j = 0; j < d; j++) dq[at + j] = narrow(scale * dquery[j]);
        }
    }
}

/* Adds to dkv; threads share the heads, so that no two write to one place. */
void attend_backward(int threads, int64_t n, int64_t seen, int64_t n_heads, int64_t d, float scale,
                     const real *dz, const real *q, const real *kv, const int64_t *nodes,
                     const float *pattern, real *dq, float *dkv) {
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share(n_heads, &start, &stop);
        WITH_WIDTH(d, attend_heads_backward, start, stop, n, seen, n_heads, scale, dz, q, kv, nodes,
                   pattern, dq, dkv)
    }
}

INLINE void attend_run(int64_t d, int64_t queries, int64_t seen, int64_t n_heads, float scale,
                       const real *q, int64_t q_stride, const real *const *keys,
                       const real *const *values, const int64_t *offsets, real *out,
                       int64_t out_stride) {
    int64_t width = n_heads * d;
    float scores[seen * n_heads], sum[width];
    for (int64_t t = 0; t < queries; t++) {
        int64_t visible = seen - queries + t + 1;
        for (int64_t s = 0; s < visible; s++)
            score_heads(d, n_heads, scale, q + t * q_stride, keys[s] + offsets[2 * s],
                        scores + s * n_heads);
        softmax(visible, n_heads, scores);
        for (int64_t s = 0; s < visible; s++)
            mix_heads(d, n_heads, s == 0, scores + s * n_heads, values[s] + offsets[2 * s + 1], sum);
#pragma omp simd
        for (int64_t j = 0; j < width; j++) out[t * out_stride + j] = narrow(sum[j]);
    }
}

/* Causal attention of cells x n runs, whose last `queries` of `seen` positions ask. Strides count
 * numbers: of q and out by cell, run and query; of each key and value by cell and run. */
void attend_strided(int threads, int64_t cells, int64_t n, int64_t queries, int64_t seen,
                    int64_t n_heads, int64_t d, float scale, const real *q, const int64_t *q_strides,
                    const real *const *keys, const real *const *values, const int64_t *strides,
                    real *out, const int64_t *out_strides) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t run = 0; run < cells * n; run++) {
        int64_t cell = run / n, i = run % n, offsets[2 * MOST_SEEN];
        for (int64_t s = 0; s < 2 * seen; s++)
            offsets[s] = cell * strides[2 * s] + i * strides[2 * s + 1];
        WITH_WIDTH(d, attend_run, queries, seen, n_heads, scale,
                   q + cell * q_strides[0] + i * q_strides[1], q_strides[2], keys, values, offsets,
                   out + cell * out_strides[0] + i * out_strides[1], out_strides[2])
    }
}
