// What products of a batch with the class weights need beside the product: cosines are products
// of rows divided by the rows' norms. In blocks of 256 threads.

// Norms below this count as this, as in PyTorch's `F.normalize`.
#define NORM_FLOOR 1e-12

// 1 / |row| of `[rows, d]`, and 1 / |row| once more where the norm has a gradient, else 0; a block
// for each row.
KERNEL(row_norms)(const float* x, float* inverse, float* free, unsigned d) {
    const float* row = x + (unsigned long long)blockIdx.x * d;
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < d; i += 256) sum += (double)row[i] * row[i];
    double norm = sqrt(block_sum(sum));
    if (threadIdx.x != 0) return;
    float value = (float)(1.0 / (norm > NORM_FLOOR ? norm : NORM_FLOOR));
    inverse[blockIdx.x] = value;
    free[blockIdx.x] = norm > NORM_FLOOR ? value : 0.0f;
}

// Rows times a number each.
KERNEL(scale_rows)(const float* x, const float* by, float* y, unsigned n, unsigned d) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * by[i / d];
}

// Columns times a number each.
KERNEL(scale_columns)(const float* x, const float* by, float* y, unsigned n, unsigned columns) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] * by[i % columns];
}

// Sums of a b along each row; a block for each row.
KERNEL(row_dots)(const float* a, const float* b, float* out, unsigned d) {
    unsigned long long first = (unsigned long long)blockIdx.x * d;
    double sum = 0.0;
    for (unsigned i = threadIdx.x; i < d; i += 256) sum += (double)a[first + i] * b[first + i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = (float)sum;
}

// Sums of a b along each column of `[rows, columns]`; a thread for each column.
KERNEL(column_dots)
(const float* a, const float* b, float* out, unsigned rows, unsigned columns) {
    unsigned j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= columns) return;
    double sum = 0.0;
    for (unsigned i = 0; i < rows; i++) {
        unsigned at = i * columns + j;
        sum += (double)a[at] * b[at];
    }
    out[j] = (float)sum;
}

// Takes the part along `x` off every row of `y`: y -= x along a b, by row; `b` may be null.
KERNEL(project_rows)
(float* y, const float* x, const float* along, const float* a, const float* b, unsigned n,
 unsigned d) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned row = i / d;
    float by = along[row] * a[row];
    y[i] -= x[i] * (b ? by * b[row] : by);
}

// The score of each row with its label.
KERNEL(pick)
(const float* scores, const unsigned* labels, float* out, unsigned rows, unsigned classes) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < rows) out[i] = scores[(unsigned long long)i * classes + labels[i]];
}

// Cross-entropy of each row: the logit of a class is `scale` times its score, that of the label
// is `target`. Leaves the largest logit and the sum of e^(logit - largest), too. A block for
// each row.
KERNEL(softmax_loss)
(const float* scores, const unsigned* labels, const float* target, float scale, double* loss,
 float* largest, double* sums, unsigned classes) {
    const float* row = scores + (unsigned long long)blockIdx.x * classes;
    unsigned label = labels[blockIdx.x];
    float own = target[blockIdx.x];
    __shared__ float all[256];
    float most = own;
    for (unsigned j = threadIdx.x; j < classes; j += 256)
        if (j != label) most = fmaxf(most, row[j] * scale);
    all[threadIdx.x] = most;
    __syncthreads();
    for (unsigned half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) all[threadIdx.x] = fmaxf(all[threadIdx.x], all[threadIdx.x + half]);
        __syncthreads();
    }
    most = all[0];
    double sum = 0.0;
    for (unsigned j = threadIdx.x; j < classes; j += 256)
        sum += expf((j == label ? own : row[j] * scale) - most);
    sum = block_sum(sum);
    if (threadIdx.x != 0) return;
    loss[blockIdx.x] = log(sum) - ((double)own - most);
    largest[blockIdx.x] = most;
    sums[blockIdx.x] = sum;
}

// Its gradient with respect to the scores, times `factor`; `slope` is that of the label's logit.
KERNEL(softmax_back)
(const float* scores, const unsigned* labels, const float* target, const float* slope,
 float scale, const float* largest, const double* sums, float factor, float* grad, unsigned n,
 unsigned classes) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned row = i / classes;
    double sum = sums[row];
    if (i % classes == labels[row]) {
        double share = expf(target[row] - largest[row]) / sum;
        grad[i] = (float)((share - 1.0) * slope[row]) * factor;
    } else {
        grad[i] = (float)(expf(scores[i] * scale - largest[row]) / sum) * (scale * factor);
    }
}
