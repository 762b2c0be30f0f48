// Relations of a batch: to rows of a bank, which are copied out for each sample, `[B, K, d]`, in
// blocks of 256 threads; and of every two samples. Rows are counted in 32 bits, their elements in
// 64.

// Rows `index` of a bank; where `unit`, divided by their norm, but for rows of zeros. A block for
// each row.
KERNEL(select_rows)
(const float* bank, const unsigned* index, float* out, unsigned d, int unit) {
    const float* from = bank + (unsigned long long)index[blockIdx.x] * d;
    float* to = out + (unsigned long long)blockIdx.x * d;
    double norm = 1.0;
    if (unit) {
        double sum = 0.0;
        for (unsigned i = threadIdx.x; i < d; i += 256) sum += (double)from[i] * from[i];
        norm = sqrt(block_sum(sum));
        if (norm == 0.0) norm = 1.0;
    }
    for (unsigned i = threadIdx.x; i < d; i += 256) to[i] = (float)(from[i] / norm);
}

// Overwrites rows `which` of a bank, which are all different. A block for each row.
KERNEL(write_rows)(float* bank, const unsigned* which, const float* rows, unsigned d) {
    float* to = bank + (unsigned long long)which[blockIdx.x] * d;
    const float* from = rows + (unsigned long long)blockIdx.x * d;
    for (unsigned i = threadIdx.x; i < d; i += 256) to[i] = from[i];
}

// Products of each of `x`, `[B, d]`, with its `k` rows. A block for each row.
KERNEL(relate)(const float* x, const float* rows, float* out, unsigned k, unsigned d) {
    const float* a = x + (unsigned long long)(blockIdx.x / k) * d;
    const float* b = rows + (unsigned long long)blockIdx.x * d;
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < d; i += 256) sum += (double)a[i] * b[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = (float)sum;
}

// The way back: sums over its `k` rows, each times its gradient. Blocks of 32 dimensions by 8
// interleaved sums, which are then added in order; `[dimensions / 32, B]` of them.
KERNEL(relate_back)
(const float* grad, const float* rows, float* dx, unsigned k, unsigned d) {
    __shared__ double all[8][32];
    unsigned j = blockIdx.x * 32 + threadIdx.x;
    unsigned long long first = (unsigned long long)blockIdx.y * k;
    double sum = 0.0;
    if (j < d) {
        for (unsigned i = threadIdx.y; i < k; i += 8)
            sum += (double)grad[first + i] * rows[(first + i) * d + j];
    }
    all[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || j >= d) return;
    for (int lane = 1; lane < 8; lane++) sum += all[lane][threadIdx.x];
    dx[(unsigned long long)blockIdx.y * d + j] = (float)sum;
}

// Products of every two rows of `x`, `[b, d]`, in 64 bits: `[b, b]`. In blocks of 16 x 16 threads
// and products, as below.
KERNEL(gram)(const double* x, double* out, unsigned b, unsigned d) {
    __shared__ double left[LANES][LANES + 1], right[LANES][LANES + 1];
    unsigned i = blockIdx.y * LANES + threadIdx.y, j = blockIdx.x * LANES + threadIdx.x;
    unsigned other = blockIdx.x * LANES + threadIdx.y;
    double sum = 0.0;
    for (unsigned first = 0; first < d; first += LANES) {
        unsigned at = first + threadIdx.x;
        left[threadIdx.y][threadIdx.x] =
            i < b && at < d ? x[(unsigned long long)i * d + at] : 0.0;
        right[threadIdx.y][threadIdx.x] =
            other < b && at < d ? x[(unsigned long long)other * d + at] : 0.0;
        __syncthreads();
        for (int m = 0; m < LANES; m++) sum += left[threadIdx.y][m] * right[threadIdx.x][m];
        __syncthreads();
    }
    if (i < b && j < b) out[(unsigned long long)i * b + j] = sum;
}

// The way back: rows of `x`, each times what the gradient says of both products that it is in.
KERNEL(gram_back)
(const double* x, const double* grad, double* dx, unsigned b, unsigned d) {
    __shared__ double by[LANES][LANES + 1], rows[LANES][LANES + 1];
    unsigned i = blockIdx.y * LANES + threadIdx.y, j = blockIdx.x * LANES + threadIdx.x;
    double sum = 0.0;
    for (unsigned first = 0; first < b; first += LANES) {
        unsigned m = first + threadIdx.x, row = first + threadIdx.y;
        by[threadIdx.y][threadIdx.x] =
            i < b && m < b
                ? grad[(unsigned long long)i * b + m] + grad[(unsigned long long)m * b + i]
                : 0.0;
        rows[threadIdx.y][threadIdx.x] =
            row < b && j < d ? x[(unsigned long long)row * d + j] : 0.0;
        __syncthreads();
        for (int m = 0; m < LANES; m++) sum += by[threadIdx.y][m] * rows[m][threadIdx.x];
        __syncthreads();
    }
    if (i < b && j < d) dx[(unsigned long long)i * d + j] = sum;
}
