// Scores of probes and the rows of a gallery, tile by tile: how many stand between given ones,
// and which are the highest. A tile holds the dot products of all its probes, `[probes, columns]`,
// a column for every row of the gallery. The score is that times 1 / norm of both.
//
// In 32 bits a score is off by less than `margin`. What that leaves open is decided in 64 bits,
// by a sum in the order of the dimensions as on the CPU: products of two floats are exact there,
// so that both get the same bits.
//
// Blocks of 256 threads, all of one probe.

// Scores that one block holds others against: one less than a power of 2, as a place among them
// is found by halving.
#define RUNGS 31

template <int V>
__device__ __forceinline__ double dot_in_order(const float* x, const float* y, unsigned dim) {
    double sum = 0.0;
    for (unsigned i = 0; i < dim; i += V) {
        float a[V], b[V];
        read<V>(x, i, 0, a);
        read<V>(y, i, 0, b);
        for (int j = 0; j < V; j++) sum = (double)a[j] * b[j] + sum;
    }
    return sum;
}

__device__ __forceinline__ double exact_score(const float* x, double x_scale, const float* y,
                                              double y_scale, unsigned dim) {
    double dot = dim % 4 == 0 ? dot_in_order<4>(x, y, dim) : dot_in_order<1>(x, y, dim);
    return dot * (x_scale * y_scale);
}

// One piece of a probe's ladder per block, `pieces[4 block]`: the probe, how many rungs, the
// first of them (they ascend), and its place in `counts`. There it adds the columns that score
// exactly one of the rungs, and then, for k from 1 on, those that score above exactly k of them.
KERNEL(rank_count)
(const float* dots, unsigned columns, const float* probes, const double* probe_scales,
 const float* rows, const double* row_scales, const float* row_scales32, unsigned dim,
 float margin, const unsigned* pieces, const double* rungs, unsigned* counts) {
    // Of each thread, that has at most 255 columns.
    __shared__ unsigned char found[RUNGS + 1][256];
    __shared__ float low[RUNGS], high[RUNGS];
    const unsigned* piece = pieces + 4 * blockIdx.x;
    unsigned probe = piece[0], count = piece[1], t = threadIdx.x;
    const double* rung = rungs + piece[2];
    if (t < count) {
        low[t] = (float)rung[t] - margin;
        high[t] = (float)rung[t] + margin;
    }
    for (unsigned k = 0; k <= count; k++) found[k][t] = 0;
    __syncthreads();
    double scale = probe_scales[probe];
    for (unsigned c = t; c < columns; c += 256) {
        float score = dots[probe * columns + c] * (float)scale * row_scales32[c];
        // How many rungs it may be above. A score that is no number, of rows too long for 32
        // bits, is below none of them.
        unsigned k = 0;
        if (score < low[0]) continue;
        for (unsigned step = (RUNGS + 1) / 2; step > 0; step /= 2)
            if (k + step <= count && !(score < low[k + step - 1])) k += step;
        if (!(score > high[k - 1])) {
            double exact =
                exact_score(probes + probe * dim, scale, rows + c * dim, row_scales[c], dim);
            for (k = 0; k < count && rung[k] < exact; k++) {}
            if (k < count && rung[k] == exact) found[0][t]++;
        }
        if (k > 0) found[k][t]++;
    }
    __syncthreads();
    if (t <= count) {
        unsigned sum = 0;
        // Each from another bank of the memory.
        for (unsigned i = 0; i < 256; i++) sum += found[t][(i + 4 * t) % 256];
        counts[piece[3] + t] += sum;
    }
}

// The sum of what the threads before have; `total` is that of all.
__device__ __forceinline__ unsigned sum_before(unsigned mine, unsigned* total) {
    __shared__ unsigned all[256];
    unsigned t = threadIdx.x;
    all[t] = mine;
    __syncthreads();
    for (unsigned d = 1; d < 256; d *= 2) {
        unsigned other = t >= d ? all[t - d] : 0;
        __syncthreads();
        all[t] += other;
        __syncthreads();
    }
    *total = all[255];
    return all[t] - mine;
}

__device__ __forceinline__ unsigned in_tail(const float* dots, unsigned columns, float scale,
                                            const float* row_scales, float floor, unsigned c) {
    return !(dots[blockIdx.x * columns + c] * scale * row_scales[c] < floor);
}

// How many columns score `floor` or more with each probe.
KERNEL(tail_count)
(const float* dots, unsigned columns, const double* probe_scales, const float* row_scales,
 float floor, unsigned* counts) {
    float scale = (float)probe_scales[blockIdx.x];
    unsigned mine = 0, total;
    for (unsigned c = threadIdx.x; c < columns; c += 256)
        mine += in_tail(dots, columns, scale, row_scales, floor, c);
    sum_before(mine, &total);
    if (threadIdx.x == 0) counts[blockIdx.x] = total;
}

// Replaces counts by the sums of those before them, and leaves that of all behind. One block.
KERNEL(tail_places)(unsigned* counts, unsigned n) {
    unsigned per = (n + 255) / 256;
    unsigned first = min(threadIdx.x * per, n), end = min(first + per, n);
    unsigned mine = 0, total;
    for (unsigned i = first; i < end; i++) mine += counts[i];
    unsigned place = sum_before(mine, &total);
    for (unsigned i = first; i < end; i++) {
        unsigned count = counts[i];
        counts[i] = place;
        place += count;
    }
    if (threadIdx.x == 0) counts[n] = total;
}

// Where in the tile they are.
KERNEL(tail_take)
(const float* dots, unsigned columns, const double* probe_scales, const float* row_scales,
 float floor, const unsigned* places, unsigned* spots) {
    if (places[blockIdx.x] == places[blockIdx.x + 1]) return;
    float scale = (float)probe_scales[blockIdx.x];
    unsigned mine = 0, total;
    for (unsigned c = threadIdx.x; c < columns; c += 256)
        mine += in_tail(dots, columns, scale, row_scales, floor, c);
    unsigned place = places[blockIdx.x] + sum_before(mine, &total);
    for (unsigned c = threadIdx.x; c < columns; c += 256)
        if (in_tail(dots, columns, scale, row_scales, floor, c))
            spots[place++] = blockIdx.x * columns + c;
}

// Their scores in 64 bits, a thread each.
KERNEL(tail_scores)
(const unsigned* spots, unsigned n, unsigned columns, const float* probes,
 const double* probe_scales, const float* rows, const double* row_scales, unsigned dim,
 double* scores) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned p = spots[i] / columns, c = spots[i] % columns;
    scores[i] = exact_score(probes + p * dim, probe_scales[p], rows + c * dim, row_scales[c], dim);
}
