// Stochastic gradient descent as `torch.optim.SGD` defines it, over flat parameters in one
// launch: clears the gradients, and writes the bfloat16 copy that convolutions read, if any.
// `decayed` is null, or 1 for each parameter with weight decay and 0 for each without.
KERNEL(sgd)
(float* p, float* g, float* v, bits16* copy, const float* decayed, unsigned n, float lr, float mu, float decay,
 float factor, int nesterov) {
    unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float value = p[i];
    float d = g[i] * factor + (decayed ? decay * decayed[i] : decay) * value;
    float velocity = mu * v[i] + d;
    v[i] = velocity;
    value -= lr * (nesterov ? d + mu * velocity : velocity);
    p[i] = value;
    g[i] = 0.0f;
    if (copy) copy[i] = to_low(value);
}

// Sums of squares, one of every block of 256 threads, in 64 bits.
KERNEL(square_sums)(const float* x, double* partial, unsigned n) {
    __shared__ double all[256];
    double sum = 0.0;
    for (unsigned i = blockIdx.x * 256 + threadIdx.x; i < n; i += gridDim.x * 256)
        sum += (double)x[i] * x[i];
    all[threadIdx.x] = sum;
    __syncthreads();
    for (unsigned half = 128; half > 0; half /= 2) {
        if (threadIdx.x < half) all[threadIdx.x] += all[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) partial[blockIdx.x] = all[0];
}
