// Depthwise convolutions: a filter `[c, kh, kw]` for every channel, `[images, h, w, c]` to
// `[images, oh, ow, c]`. They are bound by memory, and reading NHWC in whole lines of channels is
// all there is to gain. Rows and columns outside the image are 0.

struct Window {
    unsigned h, w, oh, ow, c, kh, kw, stride, pad;
};

// Adds the elements from `at` on, each times the filter's element `tap` of its channel.
template <int V>
__device__ __forceinline__ void add_tap(const void* x, unsigned at, const void* filter,
                                        unsigned channel, unsigned tap, Window g, int low,
                                        float* sum) {
    float v[V];
    read<V>(x, at, low, v);
    for (int j = 0; j < V; j++)
        sum[j] += v[j] * get(filter, (channel + j) * g.kh * g.kw + tap, low);
}

template <int V>
__device__ __forceinline__ void depthwise_at(const void* x, const void* filter, void* y, unsigned i,
                                             Window g, int low) {
    unsigned channel = i % g.c, pixel = i / g.c;
    unsigned ox = pixel % g.ow, oy = pixel / g.ow % g.oh, image = pixel / (g.ow * g.oh);
    float sum[V];
    for (int j = 0; j < V; j++) sum[j] = 0.0f;
    for (unsigned r = 0; r < g.kh; r++) {
        // Above the image this wraps around to a large number.
        unsigned row = oy * g.stride + r - g.pad;
        if (row >= g.h) continue;
        for (unsigned s = 0; s < g.kw; s++) {
            unsigned column = ox * g.stride + s - g.pad;
            if (column >= g.w) continue;
            unsigned at = ((image * g.h + row) * g.w + column) * g.c + channel;
            add_tap<V>(x, at, filter, channel, r * g.kw + s, g, low, sum);
        }
    }
    write<V>(y, i, low, sum);
}

KERNEL(depthwise)
(const void* x, const void* filter, void* y, unsigned n, unsigned h, unsigned w, unsigned oh,
 unsigned ow, unsigned c, unsigned kh, unsigned kw, unsigned stride, unsigned pad, int low,
 int quads) {
    Window g = {h, w, oh, ow, c, kh, kw, stride, pad};
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (quads) {
        if (i < n / 4) depthwise_at<4>(x, filter, y, i * 4, g, low);
    } else if (i < n) {
        depthwise_at<1>(x, filter, y, i, g, low);
    }
}

// The gradient of the input, gathered from the outputs that an element has gone into.
template <int V>
__device__ __forceinline__ void depthwise_input_at(const void* dy, const void* filter, void* dx,
                                                   unsigned i, Window g, int low) {
    unsigned channel = i % g.c, pixel = i / g.c;
    unsigned column = pixel % g.w, row = pixel / g.w % g.h, image = pixel / (g.w * g.h);
    float sum[V];
    for (int j = 0; j < V; j++) sum[j] = 0.0f;
    for (unsigned r = 0; r < g.kh; r++) {
        // Not a multiple of the stride, or outside: nothing has come from there.
        unsigned down = row + g.pad - r, oy = down / g.stride;
        if (row + g.pad < r || down % g.stride != 0 || oy >= g.oh) continue;
        for (unsigned s = 0; s < g.kw; s++) {
            unsigned right = column + g.pad - s, ox = right / g.stride;
            if (column + g.pad < s || right % g.stride != 0 || ox >= g.ow) continue;
            unsigned at = ((image * g.oh + oy) * g.ow + ox) * g.c + channel;
            add_tap<V>(dy, at, filter, channel, r * g.kw + s, g, low, sum);
        }
    }
    write<V>(dx, i, low, sum);
}

KERNEL(depthwise_input)
(const void* dy, const void* filter, void* dx, unsigned n, unsigned h, unsigned w, unsigned oh,
 unsigned ow, unsigned c, unsigned kh, unsigned kw, unsigned stride, unsigned pad, int low,
 int quads) {
    Window g = {h, w, oh, ow, c, kh, kw, stride, pad};
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (quads) {
        if (i < n / 4) depthwise_input_at<4>(dy, filter, dx, i * 4, g, low);
    } else if (i < n) {
        depthwise_input_at<1>(dy, filter, dx, i, g, low);
    }
}

// The gradient of the filter: each block has some channels, a slice of the output's pixels and
// one element of the filter, and leaves its sums, `[slices, kh kw, c]`. Blocks as in `norm.cu`.
template <int V>
__device__ __forceinline__ void depthwise_weight_of(const void* x, const void* dy, double* partial,
                                                    unsigned pixels, Window g, int low) {
    unsigned channel = (blockIdx.x * LANES + threadIdx.x) * V;
    unsigned tap = blockIdx.z, r = tap / g.kw, s = tap % g.kw;
    double sums[V];
    for (int j = 0; j < V; j++) sums[j] = 0.0;
    if (channel < g.c) {
        unsigned per = (pixels + gridDim.y - 1) / gridDim.y;
        unsigned end = min((blockIdx.y + 1) * per, pixels);
        unsigned pixel = blockIdx.y * per + threadIdx.y;
        while (pixel < end) {
            float run[V];
            for (int j = 0; j < V; j++) run[j] = 0.0f;
            for (int k = 0; k < RUN && pixel < end; k++, pixel += LANES) {
                unsigned ox = pixel % g.ow, oy = pixel / g.ow % g.oh;
                unsigned image = pixel / (g.ow * g.oh);
                unsigned row = oy * g.stride + r - g.pad, column = ox * g.stride + s - g.pad;
                if (row >= g.h || column >= g.w) continue;
                float a[V], b[V];
                read<V>(x, ((image * g.h + row) * g.w + column) * g.c + channel, low, a);
                read<V>(dy, pixel * g.c + channel, low, b);
                for (int j = 0; j < V; j++) run[j] += a[j] * b[j];
            }
            for (int j = 0; j < V; j++) sums[j] += run[j];
        }
    }
    double* out = partial + (blockIdx.y * gridDim.z + tap) * (unsigned long long)g.c;
    leave_sums<V, 1>(sums, out, channel, g.c);
}

KERNEL(depthwise_weight)
(const void* x, const void* dy, double* partial, unsigned pixels, unsigned h, unsigned w,
 unsigned oh, unsigned ow, unsigned c, unsigned kh, unsigned kw, unsigned stride, unsigned pad,
 int low, int quads) {
    Window g = {h, w, oh, ow, c, kh, kw, stride, pad};
    if (quads)
        depthwise_weight_of<4>(x, dy, partial, pixels, g, low);
    else
        depthwise_weight_of<1>(x, dy, partial, pixels, g, low);
}

// Adds up the slices and adds that to the gradient, `[c, taps]`. A row of blocks for each tap.
KERNEL(depthwise_finish)
(const double* partial, float* grad, unsigned slices, unsigned taps, unsigned c) {
    unsigned channel = blockIdx.x * LANES + threadIdx.x, tap = blockIdx.y;
    double sum = column(partial, slices, taps, tap, channel, c);
    if (threadIdx.y == 0 && channel < c) grad[channel * taps + tap] += (float)sum;
}
