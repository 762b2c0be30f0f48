// What losses take of a tap of a network, `[pixels, c]`: the mean over its channels of a power, for
// every pixel, and its squared distance to another tap; and the ways back. A student's tap and a
// teacher's are read each in its own precision.

__device__ __forceinline__ float power(float x, int p) {
    float y = 1.0f;
    for (int k = 0; k < p; k++) y *= x;
    return y;
}

// The sum over the channels of a pixel that falls to one of 32 threads, `V` channels at a time.
template <int V>
__device__ __forceinline__ double lane_powers(const void* x, unsigned at, unsigned c, int p,
                                              int low) {
    double sum = 0.0;
    unsigned i = threadIdx.x * V;
    while (i < c) {
        float run = 0.0f;
        for (int k = 0; k < RUN / V && i < c; k++, i += 32 * V) {
            float v[V];
            read<V>(x, at + i, low, v);
            for (int j = 0; j < V; j++) run += power(v[j], p);
        }
        sum += run;
    }
    return sum;
}

// Means over the channels of x^p. Blocks of 32 x 8 threads: channels by pixels.
KERNEL(channel_powers)
(const void* x, float* y, unsigned pixels, unsigned c, int p, int low, int quads) {
    __shared__ double all[8][32];
    unsigned pixel = blockIdx.x * 8 + threadIdx.y;
    double sum = 0.0;
    if (pixel < pixels)
        sum = quads ? lane_powers<4>(x, pixel * c, c, p, low)
                    : lane_powers<1>(x, pixel * c, c, p, low);
    all[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = 16; half > 0; half /= 2) {
        if (threadIdx.x < half)
            all[threadIdx.y][threadIdx.x] += all[threadIdx.y][threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0 && pixel < pixels) y[pixel] = (float)(all[threadIdx.y][0] / c);
}

template <int V>
__device__ __forceinline__ void powers_back_at(const void* x, const float* dy, void* dx,
                                               unsigned i, unsigned c, int p, float factor,
                                               int low) {
    float v[V];
    read<V>(x, i, low, v);
    float scale = dy[i / c] * factor;
    for (int j = 0; j < V; j++) v[j] = scale * power(v[j], p - 1);
    write<V>(dx, i, low, v);
}

// dx = dy factor x^(p - 1), where `factor` is p / c.
KERNEL(channel_powers_back)
(const void* x, const float* dy, void* dx, unsigned n, unsigned c, int p, float factor, int low,
 int quads) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (quads) {
        if (i < n / 4) powers_back_at<4>(x, dy, dx, i * 4, c, p, factor, low);
    } else if (i < n) {
        powers_back_at<1>(x, dy, dx, i, c, p, factor, low);
    }
}

// The sum of squared differences that falls to one thread of all, `V` at a time.
template <int V>
__device__ __forceinline__ double thread_distance(const void* a, int a_low, const void* b,
                                                  int b_low, unsigned n) {
    double sum = 0.0;
    unsigned i = blockIdx.x * 256 + threadIdx.x;
    while (i < n / V) {
        float run = 0.0f;
        for (int k = 0; k < RUN / V && i < n / V; k++, i += gridDim.x * 256) {
            float v[V], w[V];
            read<V>(a, i * V, a_low, v);
            read<V>(b, i * V, b_low, w);
            for (int j = 0; j < V; j++) run += (v[j] - w[j]) * (v[j] - w[j]);
        }
        sum += run;
    }
    return sum;
}

// Sums of squared differences, one of every block of 256 threads, in 64 bits.
KERNEL(square_distances)
(const void* a, int a_low, const void* b, int b_low, double* partial, unsigned n, int quads) {
    double sum = block_sum(quads ? thread_distance<4>(a, a_low, b, b_low, n)
                                 : thread_distance<1>(a, a_low, b, b_low, n));
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <int V>
__device__ __forceinline__ void distance_back_at(const void* a, int a_low, const void* b,
                                                 int b_low, void* da, unsigned i, float factor) {
    float v[V], w[V];
    read<V>(a, i, a_low, v);
    read<V>(b, i, b_low, w);
    for (int j = 0; j < V; j++) v[j] = factor * (v[j] - w[j]);
    write<V>(da, i, a_low, v);
}

// da = factor (a - b), in the precision of `a`.
KERNEL(square_distances_back)
(const void* a, int a_low, const void* b, int b_low, void* da, unsigned n, float factor,
 int quads) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (quads) {
        if (i < n / 4) distance_back_at<4>(a, a_low, b, b_low, da, i * 4, factor);
    } else if (i < n) {
        distance_back_at<1>(a, a_low, b, b_low, da, i, factor);
    }
}
