// Two-dimensional convolutions of dense f32 arrays.
#pragma once

namespace standin {

// Inputs are n x h x w x c, outputs n x p x q x k, filters k x r x s x c / groups.
struct Convolution {
  long n, h, w, c, k, r, s, p, q, groups;
  long pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
};

void forward(const Convolution &, const float *x, const float *filter, float *y);
void backward_data(const Convolution &, const float *filter, const float *dy, float *dx);
void backward_filter(const Convolution &, const float *x, const float *dy, float *dfilter);
}
