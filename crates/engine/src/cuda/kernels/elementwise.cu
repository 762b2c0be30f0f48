// Sums, products with broadcasting, sigmoid, conversions.

// y += x, each in its own precision.
KERNEL(accumulate)(void* y, int y_low, const void* x, int x_low, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) put(y, i, get(y, i, y_low) + get(x, i, x_low), y_low);
}

// y = x, each in its own precision.
KERNEL(convert)(void* y, int y_low, const void* x, int x_low, unsigned n) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) put(y, i, get(x, i, x_low), y_low);
}

// How the second factor of a product is spread over an image of `[hw, c]`: in full, one number
// per channel, one per pixel.
#define PER_CHANNEL 1
#define PER_PIXEL 2

__device__ __forceinline__ unsigned spread_index(unsigned i, unsigned hw, unsigned c, int spread) {
    if (spread == PER_CHANNEL) return i / (hw * c) * c + i % c;
    if (spread == PER_PIXEL) return i / c;
    return i;
}

KERNEL(multiply)
(const void* a, const void* b, void* y, unsigned n, unsigned hw, unsigned c, int spread, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) put(y, i, get(a, i, low) * get(b, spread_index(i, hw, c, spread), low), low);
}

// The gradient of a factor per channel: sums of a dy over the pixels, one thread each.
KERNEL(multiply_back_channel)
(const void* a, const void* dy, void* db, unsigned images, unsigned hw, unsigned c, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= images * c) return;
    unsigned at = i / c * hw * c + i % c;
    float sum = 0.0f;
    for (unsigned p = 0; p < hw; p++) sum += get(a, at + p * c, low) * get(dy, at + p * c, low);
    put(db, i, sum, low);
}

// The gradient of a factor per pixel: sums of a dy over the channels, one thread each.
KERNEL(multiply_back_pixel)
(const void* a, const void* dy, void* db, unsigned pixels, unsigned c, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= pixels) return;
    float sum = 0.0f;
    for (unsigned k = 0; k < c; k++) sum += get(a, i * c + k, low) * get(dy, i * c + k, low);
    put(db, i, sum, low);
}

KERNEL(sigmoid)(const void* x, void* y, unsigned n, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) put(y, i, 1.0f / (1.0f + expf(-get(x, i, low))), low);
}

KERNEL(sigmoid_back)(const void* y, const void* dy, void* dx, unsigned n, int low) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float v = get(y, i, low);
    put(dx, i, get(dy, i, low) * v * (1.0f - v), low);
}
