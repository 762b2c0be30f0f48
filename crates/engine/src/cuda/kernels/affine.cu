// y = act(x * scale + shift) + residual, per channel: batch norm, bias, activation and addition
// in one pass. What is null is left out. `group` is the number of elements that share one row of
// scales and shifts, `[groups, c]`.

template <int V>
__device__ __forceinline__ void affine_at(const void* x, const float* scale, const float* shift,
                                          const float* slope, const void* residual, void* y,
                                          unsigned i, unsigned c, unsigned group, int act,
                                          int low) {
    float v[V], r[V];
    read<V>(x, i, low, v);
    if (residual) read<V>(residual, i, low, r);
    unsigned channel = i % c;
    unsigned at = scale || shift ? i / group * c + channel : 0;
    for (int j = 0; j < V; j++) {
        float z = v[j];
        if (scale) z *= scale[at + j];
        if (shift) z += shift[at + j];
        z = activate(z, act, act == PRELU ? slope[channel + j] : 0.0f);
        v[j] = residual ? z + r[j] : z;
    }
    write<V>(y, i, low, v);
}

KERNEL(affine)
(const void* x, const float* scale, const float* shift, const float* slope, const void* residual,
 void* y, unsigned n, unsigned c, unsigned group, int act, int low, int quads) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (quads) {
        if (i < n / 4)
            affine_at<4>(x, scale, shift, slope, residual, y, i * 4, c, group, act, low);
    } else if (i < n) {
        affine_at<1>(x, scale, shift, slope, residual, y, i, c, group, act, low);
    }
}
