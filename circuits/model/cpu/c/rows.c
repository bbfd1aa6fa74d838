/* What a block does between its matrix products but for attention, in one pass over the rows each. */

#include "common.h"

/* total[width] = the sum of the partial sums that each thread has taken. */
static void join(int threads, int64_t width, float *partial, real *total) {
    for (int t = 1; t < threads; t++)
        for (int64_t j = 0; j < width; j++) partial[j] += partial[t * width + j];
    for (int64_t j = 0; j < width; j++) total[j] = narrow(partial[j]);
}

/* mid = resid[rows] + delta; out = LayerNorm(mid). rows and delta may be absent (NULL). */
void add_norm(int threads, int64_t n, int64_t width, const float *resid, const int64_t *rows,
              const real *delta, const float *w, const float *b, float eps, float *mid, real *out,
              float *mean, float *rstd) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t i = 0; i < n; i++) {
        const float *from = resid + (rows ? rows[i] : i) * width;
        const real *step = delta + i * width;
        float *x = mid + i * width;
        real *y = out + i * width;
        float sum = 0, squares = 0;
        if (delta) {
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < width; j++) {
                x[j] = from[j] + widen(step[j]);
                sum += x[j];
            }
        } else {
#pragma omp simd reduction(+ : sum)
            for (int64_t j = 0; j < width; j++) {
                x[j] = from[j];
                sum += x[j];
            }
        }
        float middle = sum / width;
#pragma omp simd reduction(+ : squares)
        for (int64_t j = 0; j < width; j++) squares += (x[j] - middle) * (x[j] - middle);
        float scale = 1 / sqrtf(squares / width + eps);
#pragma omp simd
        for (int64_t j = 0; j < width; j++) y[j] = narrow((x[j] - middle) * scale * w[j] + b[j]);
        mean[i] = middle;
        rstd[i] = scale;
    }
}

/* Gradient of LayerNorm's input, plus `add`. dout is one + (from row skip on) two + more; any of
 * them, and `add`, may be absent. */
void norm_backward(int threads, int64_t n, int64_t width, const real *one, const real *two,
                   int64_t skip, const float *more, const float *x, const float *mean,
                   const float *rstd, const float *w, const float *add, float *dx, float *partial,
                   float *dw, float *db) {
    memset(partial, 0, 3 * threads * width * sizeof(float));
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share(n, &start, &stop);
        float *own_w = partial + 3 * omp_get_thread_num() * width, *own_b = own_w + width;
        float *dy = own_b + width;
        for (int64_t i = start; i < stop; i++) {
            const float *in = x + i * width;
            float *out = dx + i * width;
            float middle = mean[i], scale = rstd[i], along = 0, sum = 0;
            memset(dy, 0, width * sizeof(float));
            if (one) {
                const real *first = one + i * width;
#pragma omp simd
                for (int64_t j = 0; j < width; j++) dy[j] = widen(first[j]);
            }
            if (two && i >= skip) {
                const real *second = two + (i - skip) * width;
#pragma omp simd
                for (int64_t j = 0; j < width; j++) dy[j] += widen(second[j]);
            }
            if (more) {
                const float *third = more + i * width;
#pragma omp simd
                for (int64_t j = 0; j < width; j++) dy[j] += third[j];
            }
#pragma omp simd reduction(+ : along, sum)
            for (int64_t j = 0; j < width; j++) {
                float unit = (in[j] - middle) * scale, dunit = dy[j] * w[j];
                own_w[j] += dy[j] * unit;
                own_b[j] += dy[j];
                along += dunit * unit;
                sum += dunit;
            }
            along /= width;
            sum /= width;
#pragma omp simd
            for (int64_t j = 0; j < width; j++) {
                float unit = (in[j] - middle) * scale;
                out[j] = (dy[j] * w[j] - sum - unit * along) * scale;
            }
            if (add) {
                const float *extra = add + i * width;
#pragma omp simd
                for (int64_t j = 0; j < width; j++) out[j] += extra[j];
            }
        }
    }
    for (int t = 1; t < threads; t++)
        for (int64_t j = 0; j < 2 * width; j++) partial[j] += partial[3 * t * width + j];
    memcpy(dw, partial, width * sizeof(float));
    memcpy(db, partial + width, width * sizeof(float));
}

/* out = x as the products take it, total = sum of its rows. out may be x. */
void cast_and_sum(int threads, int64_t n, int64_t width, const float *x, real *out, float *partial,
                  real *total) {
    memset(partial, 0, threads * width * sizeof(float));
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share(n, &start, &stop);
        float *own = partial + omp_get_thread_num() * width;
        for (int64_t i = start; i < stop; i++) {
            const float *in = x + i * width;
            real *to = out + i * width;
#pragma omp simd
            for (int64_t j = 0; j < width; j++) {
                to[j] = narrow(in[j]);
                own[j] += in[j];
            }
        }
    }
    join(threads, width, partial, total);
}

/* dpost becomes the gradient before ReLU, in place; total = sum of its rows. */
void relu_backward(int threads, int64_t n, int64_t width, real *dpost, const real *post,
                   float *partial, real *total) {
    memset(partial, 0, threads * width * sizeof(float));
#pragma omp parallel num_threads(threads)
    {
        int64_t start, stop;
        share(n, &start, &stop);
        float *own = partial + omp_get_thread_num() * width;
        for (int64_t i = start; i < stop; i++) {
            real *d = dpost + i * width;
            const real *y = post + i * width;
#pragma omp simd
            for (int64_t j = 0; j < width; j++) {
                d[j] = widen(y[j]) != 0 ? d[j] : 0; /* never negative, but perhaps NaN */
                own[j] += widen(d[j]);
            }
        }
    }
    join(threads, width, partial, total);
}
