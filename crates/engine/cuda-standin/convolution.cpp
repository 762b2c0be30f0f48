// Convolutions as matrix products: the inputs that an output pixel sees become a row of a matrix,
// for a few images at a time. Where each channel is a group of its own, plain loops do better.
// Sums are made in an order that only the shapes decide.
#include "convolution.h"
#include "gemm.h"
#include "standin.h"
#include <algorithm>
#include <cstring>
#include <vector>

namespace standin {
namespace {

Matrix matrix(const float *data, long row, long column = 1) {
  return {data, Type::f32, row, column};
}

bool depthwise(const Convolution &v) { return v.groups == v.c && v.c == v.k && v.groups > 1; }

// Whether the matrix of inputs is the input itself.
bool pointwise(const Convolution &v) {
  return v.r == 1 && v.s == 1 && v.stride_h == 1 && v.stride_w == 1 && !v.pad_h && !v.pad_w;
}

// Images to unfold at a time: enough for a worthwhile product, few enough for the caches.
long images_at_a_time(const Convolution &v) {
  if (pointwise(v)) return v.n;
  return std::clamp((1L << 20) / (v.p * v.q * v.r * v.s * (v.c / v.groups)), 1L, v.n);
}

// Calls each(row of output, tap of the filter, offset of the input) for the taps of output row
// (image, i) which lie in the image, for each output pixel j.
template <class Each> void taps(const Convolution &v, long i, long j, Each each) {
  for (long r = 0; r < v.r; r++) {
    long h = i * v.stride_h - v.pad_h + r * v.dilation_h;
    for (long s = 0; s < v.s; s++) {
      long w = j * v.stride_w - v.pad_w + s * v.dilation_w;
      each(r * v.s + s, h >= 0 && h < v.h && w >= 0 && w < v.w, (h * v.w + w) * v.c);
    }
  }
}

// Row `(image, i, j)` of the matrix of inputs, for one group: its taps, channels innermost.
void unfold(const Convolution &v, const float *x, float *matrix) {
  long channels = v.c / v.groups;
  for (long i = 0; i < v.p; i++)
    for (long j = 0; j < v.q; j++, matrix += v.r * v.s * channels)
      taps(v, i, j, [&](long tap, bool inside, long at) {
        float *to = matrix + tap * channels;
        if (inside)
          std::copy_n(x + at, channels, to);
        else
          std::fill_n(to, channels, 0.0f);
      });
}

// The reverse: adds each element to the input that it came from.
void fold(const Convolution &v, const float *matrix, float *x) {
  long channels = v.c / v.groups;
  for (long i = 0; i < v.p; i++)
    for (long j = 0; j < v.q; j++, matrix += v.r * v.s * channels)
      taps(v, i, j, [&](long tap, bool inside, long at) {
        if (!inside) return;
        const float *from = matrix + tap * channels;
        for (long c = 0; c < channels; c++) x[at + c] += from[c];
      });
}

// Calls each(first image, images, group) for all parts that are unfolded together.
template <class Each> void parts(const Convolution &v, Each each) {
  long step = images_at_a_time(v);
  for (long n = 0; n < v.n; n += step)
    for (long g = 0; g < v.groups; g++) each(n, std::min(step, v.n - n), g);
}

// The matrix of inputs of such a part, in `buffer` unless the input will do.
Matrix inputs(const Convolution &v, const float *x, long first, long images, long group,
              std::vector<float> &buffer) {
  const float *start = x + first * v.h * v.w * v.c + group * (v.c / v.groups);
  if (pointwise(v)) return matrix(start, v.c);
  long width = v.r * v.s * (v.c / v.groups), size = v.p * v.q * width;
  buffer.resize(images * size);
  parallel(images, [&](long n) { unfold(v, start + n * v.h * v.w * v.c, buffer.data() + n * size); });
  return matrix(buffer.data(), width);
}

// Depthwise filters with the taps outermost, as the loops over channels want them.
std::vector<float> taps_first(const Convolution &v, const float *filter) {
  long count = v.r * v.s;
  std::vector<float> out(count * v.c);
  for (long c = 0; c < v.c; c++)
    for (long t = 0; t < count; t++) out[t * v.c + c] = filter[c * count + t];
  return out;
}

void multiply_add(long count, const float *__restrict__ a, const float *__restrict__ b,
                  float *__restrict__ to) {
  for (long i = 0; i < count; i++) to[i] += a[i] * b[i];
}
}

void forward(const Convolution &v, const float *x, const float *filter, float *y) {
  if (depthwise(v)) {
    std::vector<float> weights = taps_first(v, filter);
    parallel(v.n * v.p, [&](long row) {
      const float *image = x + row / v.p * v.h * v.w * v.c;
      for (long j = 0; j < v.q; j++) {
        float *out = y + (row * v.q + j) * v.c;
        std::fill_n(out, v.c, 0.0f);
        taps(v, row % v.p, j, [&](long tap, bool inside, long at) {
          if (inside) multiply_add(v.c, image + at, weights.data() + tap * v.c, out);
        });
      }
    });
    return;
  }
  long channels = v.k / v.groups, width = v.r * v.s * (v.c / v.groups);
  std::vector<float> buffer;
  parts(v, [&](long first, long images, long g) {
    gemm(images * v.p * v.q, channels, width, 1, inputs(v, x, first, images, g, buffer),
         matrix(filter + g * channels * width, 1, width), 0,
         matrix(y + first * v.p * v.q * v.k + g * channels, v.k));
  });
}

void backward_data(const Convolution &v, const float *filter, const float *dy, float *dx) {
  long image = v.h * v.w * v.c;
  if (depthwise(v)) {
    std::vector<float> weights = taps_first(v, filter);
    parallel(v.n, [&](long n) {
      float *out = dx + n * image;
      std::fill_n(out, image, 0.0f);
      for (long i = 0; i < v.p; i++)
        for (long j = 0; j < v.q; j++) {
          const float *from = dy + ((n * v.p + i) * v.q + j) * v.c;
          taps(v, i, j, [&](long tap, bool inside, long at) {
            if (inside) multiply_add(v.c, from, weights.data() + tap * v.c, out + at);
          });
        }
    });
    return;
  }
  long channels = v.k / v.groups, width = v.r * v.s * (v.c / v.groups), size = v.p * v.q * width;
  if (!pointwise(v)) std::fill_n(dx, v.n * image, 0.0f);
  std::vector<float> buffer;
  parts(v, [&](long first, long images, long g) {
    float *start = dx + first * image + g * (v.c / v.groups);
    if (!pointwise(v)) buffer.resize(images * size);
    gemm(images * v.p * v.q, width, channels, 1,
         matrix(dy + first * v.p * v.q * v.k + g * channels, v.k),
         matrix(filter + g * channels * width, width), 0,
         pointwise(v) ? matrix(start, v.c) : matrix(buffer.data(), width));
    if (!pointwise(v))
      parallel(images, [&](long n) { fold(v, buffer.data() + n * size, start + n * image); });
  });
}

void backward_filter(const Convolution &v, const float *x, const float *dy, float *dfilter) {
  if (depthwise(v)) {
    long count = v.r * v.s;
    // A sum for each row of the output, and one of those in f64.
    parallel(count, [&](long tap) {
      std::vector<float> row(v.c);
      std::vector<double> total(v.c);
      for (long i = 0; i < v.n * v.p; i++) {
        const float *image = x + i / v.p * v.h * v.w * v.c;
        std::fill(row.begin(), row.end(), 0.0f);
        long h = i % v.p * v.stride_h - v.pad_h + tap / v.s * v.dilation_h;
        if (h < 0 || h >= v.h) continue;
        for (long j = 0; j < v.q; j++) {
          long w = j * v.stride_w - v.pad_w + tap % v.s * v.dilation_w;
          if (w >= 0 && w < v.w)
            multiply_add(v.c, image + (h * v.w + w) * v.c, dy + (i * v.q + j) * v.c, row.data());
        }
        for (long c = 0; c < v.c; c++) total[c] += row[c];
      }
      for (long c = 0; c < v.c; c++) dfilter[c * count + tap] = total[c];
    });
    return;
  }
  long channels = v.k / v.groups, width = v.r * v.s * (v.c / v.groups);
  std::vector<float> buffer;
  parts(v, [&](long first, long images, long g) {
    gemm(channels, width, images * v.p * v.q, 1,
         matrix(dy + first * v.p * v.q * v.k + g * channels, 1, v.k),
         inputs(v, x, first, images, g, buffer), first == 0 ? 0 : 1,
         matrix(dfilter + g * channels * width, width));
  });
}
}
