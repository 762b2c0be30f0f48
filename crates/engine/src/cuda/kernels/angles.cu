// Angles between every three of `n` samples, from their products `gram`, `[n, n]`, and the inverses
// of their distances; `distill/angles.rs` has the equations. Of a student (`a`) and of a teacher
// (`b`), whose cosines are compared by smooth L1. In 64 bits and blocks of 256 threads.

// The product of the differences from `i` to `j` and to `k`.
__device__ __forceinline__ double corner(const double* gram, unsigned n, unsigned i, unsigned j,
                                         unsigned k) {
    return gram[j * n + k] - gram[i * n + k] + (gram[i * n + i] - gram[i * n + j]);
}

// What the student's cosine is off by. `product` is the student's.
__device__ __forceinline__ double cosine_gap(const double* a, const double* a_inverse,
                                             const double* b, const double* b_inverse, unsigned n,
                                             unsigned i, unsigned j, unsigned k, double* product) {
    *product = corner(a, n, i, j, k);
    return *product * a_inverse[i * n + j] * a_inverse[i * n + k] -
           corner(b, n, i, j, k) * b_inverse[i * n + j] * b_inverse[i * n + k];
}

// The sum over all `i` and `k`, for each `j`; a block for each.
KERNEL(angle_gap)
(const double* a, const double* a_inverse, const double* b, const double* b_inverse, double* out,
 unsigned n) {
    double sum = 0.0, product;
    for (unsigned at = threadIdx.x; at < n * n; at += 256) {
        double gap = fabs(
            cosine_gap(a, a_inverse, b, b_inverse, n, at / n, blockIdx.x, at % n, &product));
        double capped = gap < 1.0 ? gap : 1.0;
        sum += capped * (gap - 0.5 * capped);
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

__device__ __forceinline__ double clamped(double x) {
    return x > 1.0 ? 1.0 : x < -1.0 ? -1.0 : x;
}

// The gradient of the products of `j` and `k`, as those opposite `i`: the sum over
// `i`. A thread for each `k`, `[n / 256, j]` blocks.
KERNEL(angle_products)
(const double* a, const double* a_inverse, const double* b, const double* b_inverse, double* out,
 unsigned n) {
    unsigned j = blockIdx.y, k = blockIdx.x * 256 + threadIdx.x;
    if (k >= n) return;
    double sum = 0.0, product;
    for (unsigned i = 0; i < n; i++) {
        double gap = cosine_gap(a, a_inverse, b, b_inverse, n, i, j, k, &product);
        sum += clamped(gap) * a_inverse[i * n + j] * a_inverse[i * n + k];
    }
    out[j * n + k] = sum;
}

// For each `j` and `i` sums over `k`: of the same, and of the gradient of the squared distance from
// `i` to `j`. `[i, j]` blocks; `out` is `[j, i, 2]`.
KERNEL(angle_sides)
(const double* a, const double* a_inverse, const double* b, const double* b_inverse, double* out,
 unsigned n) {
    unsigned i = blockIdx.x, j = blockIdx.y;
    double inverse = a_inverse[i * n + j];
    double shared = 0.0, along = 0.0, product;
    for (unsigned k = threadIdx.x; k < n; k += 256) {
        double gap = cosine_gap(a, a_inverse, b, b_inverse, n, i, j, k, &product);
        double part = clamped(gap) * a_inverse[i * n + k];
        shared += part * inverse;
        along += part * product;
    }
    shared = block_sum(shared);
    along = block_sum(along);
    if (threadIdx.x != 0) return;
    out[2 * (j * n + i)] = shared;
    out[2 * (j * n + i) + 1] = -along * inverse * inverse * inverse;
}
