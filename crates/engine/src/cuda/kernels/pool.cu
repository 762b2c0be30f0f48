// Poolings over pixels and over channels. A maximum's gradient goes to the first place that has
// it, as in PyTorch. One thread per output.

// Sums over the pixels, times `factor`: `[images, hw, c]` to `[images, c]`.
KERNEL(sum_pixels)
(const void* x, void* y, unsigned images, unsigned hw, unsigned c, float factor, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= images * c) return;
    unsigned at = i / c * hw * c + i % c;
    float sum = 0.0f;
    for (unsigned p = 0; p < hw; p++) sum += get(x, at + p * c, low);
    put(y, i, sum * factor, low);
}

KERNEL(sum_pixels_back)
(const void* dy, void* dx, unsigned n, unsigned hw, unsigned c, float factor, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) put(dx, i, get(dy, i / (hw * c) * c + i % c, low) * factor, low);
}

// The pixels of `whole`, `[images, h, w, c]`, whose row and column `stride` divides.
KERNEL(subsample)
(const void* whole, void* part, unsigned n, unsigned h, unsigned w, unsigned c, unsigned stride,
 int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned rows = (h + stride - 1) / stride, columns = (w + stride - 1) / stride;
    unsigned pixel = i / c;
    unsigned column = pixel % columns, row = pixel / columns % rows, image = pixel / columns / rows;
    unsigned at = (image * h + row * stride) * w + column * stride;
    put(part, i, get(whole, at * c + i % c, low), low);
}

KERNEL(subsample_back)
(void* whole, const void* part, unsigned n, unsigned h, unsigned w, unsigned c, unsigned stride,
 int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    unsigned rows = (h + stride - 1) / stride, columns = (w + stride - 1) / stride;
    unsigned pixel = i / c;
    unsigned column = pixel % w, row = pixel / w % h, image = pixel / w / h;
    float d = 0.0f;
    if (row % stride == 0 && column % stride == 0) {
        unsigned at = (image * rows + row / stride) * columns + column / stride;
        d = get(part, at * c + i % c, low);
    }
    put(whole, i, d, low);
}

// The first place of the largest of `count` elements, `step` apart.
__device__ __forceinline__ unsigned largest(const void* x, unsigned at, unsigned count,
                                            unsigned step, int low) {
    unsigned best = 0;
    float most = get(x, at, low);
    for (unsigned k = 1; k < count; k++) {
        float v = get(x, at + k * step, low);
        if (v > most) {
            most = v;
            best = k;
        }
    }
    return best;
}

// Mean and maximum over the pixels, as two pixels: `[images, hw, c]` to `[images, 2, c]`.
KERNEL(mean_max_pixels)
(const void* x, void* y, unsigned images, unsigned hw, unsigned c, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= images * c) return;
    unsigned image = i / c, channel = i % c, at = image * hw * c + channel;
    float sum = 0.0f;
    for (unsigned p = 0; p < hw; p++) sum += get(x, at + p * c, low);
    put(y, image * 2 * c + channel, sum / hw, low);
    float most = get(x, at + largest(x, at, hw, c, low) * c, low);
    put(y, (image * 2 + 1) * c + channel, most, low);
}

KERNEL(mean_max_pixels_back)
(const void* x, const void* dy, void* dx, unsigned images, unsigned hw, unsigned c, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= images * c) return;
    unsigned image = i / c, channel = i % c, at = image * hw * c + channel;
    float mean = get(dy, image * 2 * c + channel, low) / hw;
    float most = get(dy, (image * 2 + 1) * c + channel, low);
    unsigned best = largest(x, at, hw, c, low);
    for (unsigned p = 0; p < hw; p++) put(dx, at + p * c, p == best ? mean + most : mean, low);
}

// Mean and maximum over the channels, as two channels: `[pixels, c]` to `[pixels, 2]`.
KERNEL(mean_max_channels)(const void* x, void* y, unsigned pixels, unsigned c, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pixels) return;
    float sum = 0.0f;
    for (unsigned k = 0; k < c; k++) sum += get(x, i * c + k, low);
    put(y, i * 2, sum / c, low);
    put(y, i * 2 + 1, get(x, i * c + largest(x, i * c, c, 1, low), low), low);
}

KERNEL(mean_max_channels_back)
(const void* x, const void* dy, void* dx, unsigned pixels, unsigned c, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pixels) return;
    float mean = get(dy, i * 2, low) / c, most = get(dy, i * 2 + 1, low);
    unsigned best = largest(x, i * c, c, 1, low);
    for (unsigned k = 0; k < c; k++) put(dx, i * c + k, k == best ? mean + most : mean, low);
}
