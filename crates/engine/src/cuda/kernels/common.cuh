// What the kernels share. The files of this folder are one program: this one first, the others
// in alphabetical order, compiled for the GPU at hand when the program starts, without headers.
//
// Activations are NHWC, in 32-bit floats or, where a kernel is told `low`, in bfloat16; sums and
// parameters are in 32 bits or more. Sums have a fixed order and there are no atomics, so that a
// kernel gives the same bits on every run. Elements of a tensor are counted in 32 bits: the host
// refuses larger ones.

#ifndef KERNEL
#define KERNEL(name) extern "C" __global__ void name
#endif

typedef unsigned short bits16;

struct alignas(16) Quad {
    float v[4];
};

struct alignas(8) LowQuad {
    bits16 v[4];
};

__device__ __forceinline__ float from_low(bits16 bits) {
    return __uint_as_float((unsigned)bits << 16);
}

// To the nearest bfloat16, to the even one of two; a NaN stays one.
__device__ __forceinline__ bits16 to_low(float x) {
    unsigned bits = __float_as_uint(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fc0;
    return (bits16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

__device__ __forceinline__ float get(const void* x, unsigned i, int low) {
    return low ? from_low(((const bits16*)x)[i]) : ((const float*)x)[i];
}

__device__ __forceinline__ void put(void* y, unsigned i, float v, int low) {
    if (low)
        ((bits16*)y)[i] = to_low(v);
    else
        ((float*)y)[i] = v;
}

// `V` elements from `i` on; `i` is a multiple of `V`.
template <int V>
__device__ __forceinline__ void read(const void* x, unsigned i, int low, float* out) {
    if (V == 4) {
        if (low) {
            LowQuad q = ((const LowQuad*)x)[i / 4];
            for (int j = 0; j < 4; j++) out[j] = from_low(q.v[j]);
        } else {
            Quad q = ((const Quad*)x)[i / 4];
            for (int j = 0; j < 4; j++) out[j] = q.v[j];
        }
    } else {
        for (int j = 0; j < V; j++) out[j] = get(x, i + j, low);
    }
}

template <int V>
__device__ __forceinline__ void write(void* y, unsigned i, int low, const float* v) {
    if (V == 4) {
        if (low) {
            LowQuad q;
            for (int j = 0; j < 4; j++) q.v[j] = to_low(v[j]);
            ((LowQuad*)y)[i / 4] = q;
        } else {
            Quad q;
            for (int j = 0; j < 4; j++) q.v[j] = v[j];
            ((Quad*)y)[i / 4] = q;
        }
    } else {
        for (int j = 0; j < V; j++) put(y, i + j, v[j], low);
    }
}

// Activations, numbered as in `nn::ops::act`.
#define PRELU 1
#define RELU 2
#define RELU6 3

__device__ __forceinline__ float activate(float z, int act, float slope) {
    if (act == PRELU) return z > 0.0f ? z : z * slope;
    if (act == RELU) return fmaxf(z, 0.0f);
    if (act == RELU6) return fminf(fmaxf(z, 0.0f), 6.0f);
    return z;
}

// The derivative at `z`.
__device__ __forceinline__ float slope_at(float z, int act, float slope) {
    if (act == PRELU) return z > 0.0f ? 1.0f : slope;
    if (act == RELU) return z > 0.0f ? 1.0f : 0.0f;
    if (act == RELU6) return z > 0.0f && z < 6.0f ? 1.0f : 0.0f;
    return 1.0f;
}

// Adds up the numbers of a block of 256 threads; all get the sum.
__device__ __forceinline__ double block_sum(double v) {
    __shared__ double all[256];
    __syncthreads();
    all[threadIdx.x] = v;
    __syncthreads();
    for (unsigned half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) all[threadIdx.x] += all[threadIdx.x + half];
        __syncthreads();
    }
    return all[0];
}

// Sums over rows of channels. Blocks of 16 x 16 threads: channels (one each, or four) by rows.
// Rows are cut into slices; each block leaves its sums in 64 bits, and a second kernel adds them
// up in order.

#define LANES 16
// Rows that a thread adds up in 32 bits before it turns to 64.
#define RUN 32

// Adds the sums of all rows of a block of threads and leaves them at `out[k c + channel]`. Once in
// a kernel.
template <int V, int SUMS>
__device__ __forceinline__ void leave_sums(const double* sums, double* out, unsigned channel,
                                           unsigned c) {
    __shared__ double all[LANES][SUMS * V * LANES];
    for (int m = 0; m < SUMS * V; m++) all[threadIdx.y][m * LANES + threadIdx.x] = sums[m];
    __syncthreads();
    // Halving keeps the order fixed.
    for (unsigned half = LANES / 2; half > 0; half /= 2) {
        if (threadIdx.y < half) {
            for (int m = 0; m < SUMS * V; m++)
                all[threadIdx.y][m * LANES + threadIdx.x] +=
                    all[threadIdx.y + half][m * LANES + threadIdx.x];
        }
        __syncthreads();
    }
    if (threadIdx.y != 0 || channel >= c) return;
    for (int k = 0; k < SUMS; k++)
        for (int j = 0; j < V; j++)
            out[k * c + channel + j] = all[0][(k * V + j) * LANES + threadIdx.x];
}

// Adds up `slices` rows of `[slices, sums, c]` for the channel of a thread; every thread of a
// column gets the sum. Blocks of 16 x 16.
__device__ __forceinline__ double column(const double* partial, unsigned slices, unsigned sums,
                                         unsigned k, unsigned channel, unsigned c) {
    __shared__ double all[LANES][LANES];
    double sum = 0.0;
    if (channel < c) {
        for (unsigned s = threadIdx.y; s < slices; s += LANES)
            sum += partial[((unsigned long long)s * sums + k) * c + channel];
    }
    __syncthreads();
    all[threadIdx.y][threadIdx.x] = sum;
    __syncthreads();
    double total = 0.0;
    for (int lane = 0; lane < LANES; lane++) total += all[lane][threadIdx.x];
    return total;
}
