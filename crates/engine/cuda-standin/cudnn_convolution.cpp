// cuDNN's convolutions: tensors of any strides and either type, brought into the dense f32 arrays
// that convolution.cpp works on.
#include "cudnn.h"
#include "standin.h"
#include "streams.h"
#include <cstring>
#include <vector>

using namespace standin;
using namespace standin::cudnn;

namespace {

// An array in memory, with the strides of its elements when its dimensions are taken in the order
// in which the dense array has them.
struct Array {
  void *data;
  int type;
  long size[4], stride[4];

  // n, h, w, c
  Array(const Tensor &t, const void *data, const char *what)
      : data(const_cast<void *>(data)),
        type(t.type),
        size{t.size[0], t.size[2], t.size[3], t.size[1]},
        stride{t.stride[0], t.stride[2], t.stride[3], t.stride[1]} {
    check(what);
  }
  // k, r, s, c
  Array(const Filter &f, const void *data, const char *what)
      : data(const_cast<void *>(data)),
        type(f.type),
        size{f.size[0], f.size[2], f.size[3], f.size[1]} {
    long c = f.size[1], r = f.size[2], s = f.size[3];
    long nchw[] = {c * r * s, s, 1, r * s}, nhwc[] = {r * s * c, s * c, c, 1};
    memcpy(stride, f.format == NHWC ? nhwc : nchw, sizeof stride);
    check(what);
  }

  void check(const char *what) const {
    long last = 0;
    for (int d = 0; d < 4; d++) last += (size[d] - 1) * stride[d];
    require(data, (last + 1) * (type == FLOAT ? 4 : 2), what);
  }
  long count() const { return size[0] * size[1] * size[2] * size[3]; }
  bool dense() const {
    long expected = 1;
    for (int d = 3; d >= 0; d--) {
      if (size[d] > 1 && stride[d] != expected) return false;
      expected *= size[d];
    }
    return type == FLOAT;
  }

  // Calls each(element, element of the dense array).
  template <class T, class F, class Each> void pairs_as(F *flat, Each each) const {
    T *typed = static_cast<T *>(data);
    parallel(size[0], [&](long i) {
      F *f = flat + i * (count() / size[0]);
      for (long j = 0; j < size[1]; j++)
        for (long k = 0; k < size[2]; k++) {
          T *t = typed + i * stride[0] + j * stride[1] + k * stride[2];
          for (long l = 0; l < size[3]; l++) each(t[l * stride[3]], *f++);
        }
    });
  }
  template <class F, class Each> void pairs(F *flat, Each each) const {
    if (type == FLOAT)
      pairs_as<float>(flat, each);
    else
      pairs_as<uint16_t>(flat, each);
  }

  const float *read(std::vector<float> &buffer) const {
    if (dense()) return static_cast<float *>(data);
    buffer.resize(count());
    pairs(buffer.data(), [](auto &element, float &flat) { flat = widen(element); });
    return buffer.data();
  }
  void write(const float *from, float alpha, float beta) const {
    pairs(from, [=](auto &element, const float &flat) {
      float result = alpha * flat;
      if (beta != 0) result += beta * widen(element);
      narrow(result, element);
    });
  }
};

float factor(const void *pointer) { return *static_cast<const float *>(pointer); }

// Carries out one pass: compute(first operand, second operand, result).
template <class Compute>
Status carry_out(void *stream, Pass pass, const Convolution &v, int algorithm, void *space, size_t space_bytes,
                 const Array &first, const Array &second, const Array &result, const void *alpha,
                 const void *beta, Compute compute) {
  if (!alpha || !beta) return BAD_PARAM;
  size_t needed;
  if (!workspace(pass, v, algorithm, &needed) || refuses(v, algorithm)) return NOT_SUPPORTED;
  if (space_bytes < needed || (needed && !space)) return BAD_PARAM;
  if (needed) {
    require(space, space_bytes, "workspace of cuDNN");
  }
  float by = factor(alpha), keep = factor(beta);
  enqueue(stream_of(stream), false, [=] {
    for (auto &array : {first, second, result}) array.check("an array of cuDNN");
    if (needed) {
      require(space, space_bytes, "workspace of cuDNN");
      memset(space, 0xff, needed);  // nobody is to count on what was there
    }
    std::vector<float> a, b, c;
    if (result.dense() && by == 1 && keep == 0) {
      compute(v, first.read(a), second.read(b), static_cast<float *>(result.data));
    } else {
      c.resize(result.count());
      compute(v, first.read(a), second.read(b), c.data());
      result.write(c.data(), by, keep);
    }
  });
  return SUCCESS;
}
}

API Status cudnnConvolutionForward(Handle *handle, const void *alpha, Tensor *xd, const void *x,
                                   Filter *wd, const void *w, Parameters *p, int algorithm,
                                   void *space, size_t space_bytes, const void *beta, Tensor *yd,
                                   void *y) {
  if (!handle) return NOT_INITIALIZED;
  Convolution v;
  if (Status status = describe(xd, wd, p, yd, v)) return status;
  return carry_out(handle->stream, FORWARD, v, algorithm, space, space_bytes, {*xd, x, "x of cuDNN"},
                   {*wd, w, "w of cuDNN"}, {*yd, y, "y of cuDNN"}, alpha, beta, forward);
}
API Status cudnnConvolutionBackwardData(Handle *handle, const void *alpha, Filter *wd,
                                        const void *w, Tensor *yd, const void *dy, Parameters *p,
                                        int algorithm, void *space, size_t space_bytes,
                                        const void *beta, Tensor *xd, void *dx) {
  if (!handle) return NOT_INITIALIZED;
  Convolution v;
  if (Status status = describe(xd, wd, p, yd, v)) return status;
  return carry_out(handle->stream, BACKWARD_DATA, v, algorithm, space, space_bytes, {*wd, w, "w of cuDNN"},
                   {*yd, dy, "dy of cuDNN"}, {*xd, dx, "dx of cuDNN"}, alpha, beta, backward_data);
}
API Status cudnnConvolutionBackwardFilter(Handle *handle, const void *alpha, Tensor *xd,
                                          const void *x, Tensor *yd, const void *dy, Parameters *p,
                                          int algorithm, void *space, size_t space_bytes,
                                          const void *beta, Filter *wd, void *dw) {
  if (!handle) return NOT_INITIALIZED;
  Convolution v;
  if (Status status = describe(xd, wd, p, yd, v)) return status;
  return carry_out(handle->stream, BACKWARD_FILTER, v, algorithm, space, space_bytes, {*xd, x, "x of cuDNN"},
                   {*yd, dy, "dy of cuDNN"}, {*wd, dw, "dw of cuDNN"}, alpha, beta, backward_filter);
}
