// Batch norm over the rows of `[groups, rows, c]`, and its way back through a following
// activation. Sums are left as `[groups, slices, sums, c]`; see `common.cuh`.

// Sums of `x - x0` and of its square, where `x0` is the group's first row: near enough to the
// mean that the squares do not cancel.
template <int V>
__device__ __forceinline__ void moments_of(const void* x, double* partial, unsigned rows,
                                           unsigned c, int low) {
    unsigned channel = (blockIdx.x * LANES + threadIdx.x) * V;
    unsigned first = blockIdx.z * rows * c + channel;
    double sums[2 * V];
    for (int j = 0; j < 2 * V; j++) sums[j] = 0.0;
    if (channel < c) {
        float origin[V];
        read<V>(x, first, low, origin);
        unsigned per = (rows + gridDim.y - 1) / gridDim.y;
        unsigned end = min((blockIdx.y + 1) * per, rows);
        unsigned row = blockIdx.y * per + threadIdx.y;
        while (row < end) {
            float sum[V], square[V];
            for (int j = 0; j < V; j++) sum[j] = square[j] = 0.0f;
            for (int k = 0; k < RUN && row < end; k++, row += LANES) {
                float v[V];
                read<V>(x, first + row * c, low, v);
                for (int j = 0; j < V; j++) {
                    float d = v[j] - origin[j];
                    sum[j] += d;
                    square[j] += d * d;
                }
            }
            for (int j = 0; j < V; j++) {
                sums[j] += sum[j];
                sums[V + j] += square[j];
            }
        }
    }
    leave_sums<V, 2>(sums, partial + (blockIdx.z * gridDim.y + blockIdx.y) * 2ull * c, channel, c);
}

KERNEL(norm_moments)
(const void* x, double* partial, unsigned rows, unsigned c, int low, int quads) {
    if (quads)
        moments_of<4>(x, partial, rows, c, low);
    else
        moments_of<1>(x, partial, rows, c, low);
}

// From the sums to mean, 1 / std, scale and shift, `[4, groups, c]`; moves the running
// statistics, if given, towards the mean over the groups.
KERNEL(norm_finish)
(const void* x, const double* partial, const float* weight, const float* bias, float* stats,
 float* running_mean, float* running_var, unsigned groups, unsigned slices, unsigned rows,
 unsigned c, float eps, float momentum, int low) {
    unsigned channel = blockIdx.x * LANES + threadIdx.x;
    double means = 0.0, vars = 0.0;
    for (unsigned g = 0; g < groups; g++) {
        const double* own = partial + (unsigned long long)g * slices * 2 * c;
        double sum = column(own, slices, 2, 0, channel, c);
        double square = column(own, slices, 2, 1, channel, c);
        if (threadIdx.y != 0 || channel >= c) continue;
        double off = sum / rows;
        double mean = get(x, g * rows * c + channel, low) + off;
        double var = square / rows - off * off;
        if (var < 0.0) var = 0.0;
        double inverse = 1.0 / sqrt(var + eps);
        double scale = (weight ? weight[channel] : 1.0) * inverse;
        unsigned at = g * c + channel, plane = groups * c;
        stats[at] = (float)mean;
        stats[plane + at] = (float)inverse;
        stats[2 * plane + at] = (float)scale;
        stats[3 * plane + at] = (float)((bias ? bias[channel] : 0.0) - mean * scale);
        means += mean;
        vars += var * (rows / (rows - 1.0));
    }
    if (threadIdx.y != 0 || channel >= c || !running_mean) return;
    double keep = 1.0 - (double)momentum;
    running_mean[channel] = (float)(running_mean[channel] * keep + momentum * means / groups);
    running_var[channel] = (float)(running_var[channel] * keep + momentum * vars / groups);
}

// The same from running statistics, for one group.
KERNEL(norm_running)
(const float* running_mean, const float* running_var, const float* weight, const float* bias,
 float* stats, unsigned c, float eps) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= c) return;
    double inverse = 1.0 / sqrt((double)running_var[i] + eps);
    double scale = (weight ? weight[i] : 1.0) * inverse;
    stats[i] = running_mean[i];
    stats[c + i] = (float)inverse;
    stats[2 * c + i] = (float)scale;
    stats[3 * c + i] = (float)((bias ? bias[i] : 0.0) - running_mean[i] * scale);
}

// Sums over the rows of dz, dz xhat and dy min(z, 0), where z = x scale + shift and
// dz = act'(z) dy. Without statistics z is x and the second sum is 0; without x, dz is dy.
template <int V>
__device__ __forceinline__ void gradient_sums_of(const void* x, const void* dy, const float* stats,
                                                 const float* slope, double* partial,
                                                 unsigned rows, unsigned c, int act, int low) {
    unsigned channel = (blockIdx.x * LANES + threadIdx.x) * V;
    unsigned first = blockIdx.z * rows * c + channel;
    double sums[3 * V];
    for (int j = 0; j < 3 * V; j++) sums[j] = 0.0;
    if (channel < c) {
        float mean[V], inverse[V], scale[V], shift[V], a[V];
        unsigned at = blockIdx.z * c + channel, plane = gridDim.z * c;
        for (int j = 0; j < V; j++) {
            mean[j] = stats ? stats[at + j] : 0.0f;
            inverse[j] = stats ? stats[plane + at + j] : 0.0f;
            scale[j] = stats ? stats[2 * plane + at + j] : 1.0f;
            shift[j] = stats ? stats[3 * plane + at + j] : 0.0f;
            a[j] = act == PRELU ? slope[channel + j] : 0.0f;
        }
        unsigned per = (rows + gridDim.y - 1) / gridDim.y;
        unsigned end = min((blockIdx.y + 1) * per, rows);
        unsigned row = blockIdx.y * per + threadIdx.y;
        while (row < end) {
            float run[3 * V];
            for (int j = 0; j < 3 * V; j++) run[j] = 0.0f;
            for (int k = 0; k < RUN && row < end; k++, row += LANES) {
                float v[V], g[V];
                read<V>(dy, first + row * c, low, g);
                if (x) read<V>(x, first + row * c, low, v);
                for (int j = 0; j < V; j++) {
                    float value = x ? v[j] : 0.0f;
                    float z = value * scale[j] + shift[j];
                    float dz = g[j] * slope_at(z, act, a[j]);
                    run[j] += dz;
                    run[V + j] += dz * ((value - mean[j]) * inverse[j]);
                    run[2 * V + j] += g[j] * fminf(z, 0.0f);
                }
            }
            for (int j = 0; j < 3 * V; j++) sums[j] += run[j];
        }
    }
    leave_sums<V, 3>(sums, partial + (blockIdx.z * gridDim.y + blockIdx.y) * 3ull * c, channel, c);
}

KERNEL(gradient_sums)
(const void* x, const void* dy, const float* stats, const float* slope, double* partial,
 unsigned rows, unsigned c, int act, int low, int quads) {
    if (quads)
        gradient_sums_of<4>(x, dy, stats, slope, partial, rows, c, act, low);
    else
        gradient_sums_of<1>(x, dy, stats, slope, partial, rows, c, act, low);
}

// Adds those sums to the gradients of weight, bias and slope, as far as given, and leaves the
// means of dz and of dz xhat in `back`, `[2, groups, c]`, if given.
KERNEL(gradient_finish)
(const double* partial, float* weight_grad, float* bias_grad, float* slope_grad, float* back,
 unsigned groups, unsigned slices, unsigned rows, unsigned c) {
    unsigned channel = blockIdx.x * LANES + threadIdx.x;
    double dz = 0.0, along = 0.0, slope = 0.0;
    for (unsigned g = 0; g < groups; g++) {
        const double* own = partial + (unsigned long long)g * slices * 3 * c;
        double sum = column(own, slices, 3, 0, channel, c);
        double with = column(own, slices, 3, 1, channel, c);
        slope += column(own, slices, 3, 2, channel, c);
        dz += sum;
        along += with;
        if (back && threadIdx.y == 0 && channel < c) {
            back[g * c + channel] = (float)(sum / rows);
            back[(groups + g) * c + channel] = (float)(with / rows);
        }
    }
    if (threadIdx.y != 0 || channel >= c) return;
    if (weight_grad) weight_grad[channel] += (float)along;
    if (bias_grad) bias_grad[channel] += (float)dz;
    if (slope_grad) slope_grad[channel] += (float)slope;
}

// dx = scale (dz - mean dz - xhat mean(dz xhat)); without `back` the statistics are constants,
// without statistics dx is dz.
template <int V>
__device__ __forceinline__ void gradient_at(const void* x, const void* dy, const float* stats,
                                            const float* back, const float* slope, void* dx,
                                            unsigned i, unsigned c, unsigned group,
                                            unsigned groups, int act, int low) {
    float v[V], g[V];
    read<V>(x, i, low, v);
    read<V>(dy, i, low, g);
    unsigned channel = i % c, plane = groups * c;
    unsigned at = stats ? i / group * c + channel : 0;
    for (int j = 0; j < V; j++) {
        float a = act == PRELU ? slope[channel + j] : 0.0f;
        if (!stats) {
            g[j] *= slope_at(v[j], act, a);
            continue;
        }
        float scale = stats[2 * plane + at + j];
        float dz = g[j] * slope_at(v[j] * scale + stats[3 * plane + at + j], act, a);
        if (back) {
            float xhat = (v[j] - stats[at + j]) * stats[plane + at + j];
            dz -= back[at + j] + xhat * back[plane + at + j];
        }
        g[j] = dz * scale;
    }
    write<V>(dx, i, low, g);
}

KERNEL(gradient)
(const void* x, const void* dy, const float* stats, const float* back, const float* slope,
 void* dx, unsigned n, unsigned c, unsigned group, unsigned groups, int act, int low, int quads) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (quads) {
        if (i < n / 4)
            gradient_at<4>(x, dy, stats, back, slope, dx, i * 4, c, group, groups, act, low);
    } else if (i < n) {
        gradient_at<1>(x, dy, stats, back, slope, dx, i, c, group, groups, act, low);
    }
}
