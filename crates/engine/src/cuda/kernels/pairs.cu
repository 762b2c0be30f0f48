// Dot products of pairs of rows in 64 bits: eight interleaved sums, a thread each, and then their
// sum in order and what is left of the rows. As on the CPU, products are rounded before they are
// added. Blocks of 256 threads, 32 pairs.
KERNEL(pair_scores)
(const double* rows, unsigned dim, const unsigned* left, const unsigned* right, unsigned pairs,
 double* scores) {
    __shared__ double lanes[256];
    unsigned lane = threadIdx.x % 8, pair = blockIdx.x * 32 + threadIdx.x / 8, whole = dim / 8 * 8;
    const double* a = rows + (pair < pairs ? (unsigned long long)left[pair] * dim : 0);
    const double* b = rows + (pair < pairs ? (unsigned long long)right[pair] * dim : 0);
    double sum = 0.0;
    for (unsigned i = lane; i < whole; i += 8) sum = __dadd_rn(sum, __dmul_rn(a[i], b[i]));
    lanes[threadIdx.x] = sum;
    __syncthreads();
    if (lane > 0 || pair >= pairs) return;
    double all = 0.0, rest = 0.0;
    for (unsigned i = 0; i < 8; i++) all = __dadd_rn(all, lanes[threadIdx.x + i]);
    for (unsigned i = whole; i < dim; i++) rest = __dadd_rn(rest, __dmul_rn(a[i], b[i]));
    scores[pair] = __dadd_rn(all, rest);
}
