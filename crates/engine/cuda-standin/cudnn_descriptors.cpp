// cuDNN's handle and descriptors, and what fits together.
#include "cudnn.h"
#include "standin.h"
#include <algorithm>
#include <cstdlib>

using namespace standin;
using namespace standin::cudnn;

namespace {

bool known(int type) { return type == FLOAT || type == BFLOAT16; }

int output(const Parameters &p, int dimension, int input, int taps) {
  int reach = p.dilation[dimension] * (taps - 1) + 1;
  int room = input + 2 * p.pad[dimension] - reach;
  return room < 0 ? 0 : room / p.stride[dimension] + 1;
}
}

namespace standin::cudnn {

Status describe(const Tensor *x, const Filter *w, const Parameters *p, const Tensor *y,
                Convolution &v) {
  if (!x || !w || !p || !y || !x->set || !w->set || !p->set || !y->set) return BAD_PARAM;
  if (x->type != w->type || x->type != y->type) return BAD_PARAM;
  if (p->mode != 1 || p->compute != FLOAT) return NOT_SUPPORTED;  // 1 is cross-correlation
  int groups = p->groups;
  if (x->size[1] != w->size[1] * groups || w->size[0] % groups) return BAD_PARAM;
  if (y->size[0] != x->size[0] || y->size[1] != w->size[0]) return BAD_PARAM;
  for (int d = 0; d < 2; d++)
    if (y->size[2 + d] != output(*p, d, x->size[2 + d], w->size[2 + d])) return BAD_PARAM;
  v = {x->size[0], x->size[2], x->size[3], x->size[1], w->size[0], w->size[2], w->size[3],
       y->size[2], y->size[3], groups, p->pad[0], p->pad[1], p->stride[0], p->stride[1],
       p->dilation[0], p->dilation[1]};
  return SUCCESS;
}
}

API size_t cudnnGetVersion() { return 91000; }
API size_t cudnnGetCudartVersion() { return 12080; }
API Status cudnnOpsVersionCheck() { return SUCCESS; }
API Status cudnnCnnVersionCheck() { return SUCCESS; }
API Status cudnnAdvVersionCheck() { return SUCCESS; }
API const char *cudnnGetErrorString(Status status) {
  switch (status) {
    case SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
  }
  return "CUDNN_UNKNOWN_STATUS";
}
API void cudnnGetLastErrorString(char *message, size_t size) {
  if (size) *message = 0;
}
API Status cudnnCreate(Handle **handle) { *handle = new Handle{}; return SUCCESS; }
API Status cudnnDestroy(Handle *handle) { delete handle; return SUCCESS; }
API Status cudnnSetStream(Handle *handle, void *stream) {
  if (!handle) return BAD_PARAM;
  handle->stream = stream;
  return SUCCESS;
}
API Status cudnnGetStream(Handle *handle, void **stream) { *stream = handle->stream; return SUCCESS; }

API Status cudnnCreateTensorDescriptor(Tensor **t) { *t = new Tensor; return SUCCESS; }
API Status cudnnDestroyTensorDescriptor(Tensor *t) { delete t; return SUCCESS; }
API Status cudnnSetTensor4dDescriptorEx(Tensor *t, int type, int n, int c, int h, int w, int ns,
                                        int cs, int hs, int ws) {
  if (!t || n < 1 || c < 1 || h < 1 || w < 1 || ns < 1 || cs < 1 || hs < 1 || ws < 1)
    return BAD_PARAM;
  if (!known(type)) return NOT_SUPPORTED;
  *t = {true, type, {n, c, h, w}, {ns, cs, hs, ws}};
  return SUCCESS;
}
API Status cudnnSetTensor4dDescriptor(Tensor *t, int format, int type, int n, int c, int h, int w) {
  if (format == NCHW)
    return cudnnSetTensor4dDescriptorEx(t, type, n, c, h, w, c * h * w, h * w, w, 1);
  if (format == NHWC)
    return cudnnSetTensor4dDescriptorEx(t, type, n, c, h, w, h * w * c, 1, w * c, c);
  return NOT_SUPPORTED;
}
API Status cudnnSetTensorNdDescriptor(Tensor *t, int type, int dimensions, const int *size,
                                      const int *stride) {
  if (dimensions != 4) return NOT_SUPPORTED;
  return cudnnSetTensor4dDescriptorEx(t, type, size[0], size[1], size[2], size[3], stride[0],
                                      stride[1], stride[2], stride[3]);
}
API Status cudnnSetTensorNdDescriptorEx(Tensor *t, int format, int type, int dimensions,
                                        const int *size) {
  if (dimensions != 4) return NOT_SUPPORTED;
  return cudnnSetTensor4dDescriptor(t, format, type, size[0], size[1], size[2], size[3]);
}
API Status cudnnGetTensorSizeInBytes(Tensor *t, size_t *bytes) {
  if (!t || !t->set) return BAD_PARAM;
  size_t last = 0;
  for (int d = 0; d < 4; d++) last += size_t(t->size[d] - 1) * t->stride[d];
  *bytes = (last + 1) * (t->type == FLOAT ? 4 : 2);
  return SUCCESS;
}

API Status cudnnCreateFilterDescriptor(Filter **f) { *f = new Filter; return SUCCESS; }
API Status cudnnDestroyFilterDescriptor(Filter *f) { delete f; return SUCCESS; }
API Status cudnnSetFilter4dDescriptor(Filter *f, int type, int format, int k, int c, int r, int s) {
  if (!f || k < 1 || c < 1 || r < 1 || s < 1) return BAD_PARAM;
  if (!known(type) || (format != NCHW && format != NHWC)) return NOT_SUPPORTED;
  *f = {true, type, format, {k, c, r, s}};
  return SUCCESS;
}
API Status cudnnSetFilterNdDescriptor(Filter *f, int type, int format, int dimensions,
                                      const int *size) {
  if (dimensions != 4) return NOT_SUPPORTED;
  return cudnnSetFilter4dDescriptor(f, type, format, size[0], size[1], size[2], size[3]);
}

API Status cudnnCreateConvolutionDescriptor(Parameters **p) { *p = new Parameters; return SUCCESS; }
API Status cudnnDestroyConvolutionDescriptor(Parameters *p) { delete p; return SUCCESS; }
API Status cudnnSetConvolution2dDescriptor(Parameters *p, int pad_h, int pad_w, int stride_h,
                                           int stride_w, int dilation_h, int dilation_w, int mode,
                                           int compute) {
  if (!p || pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1 || dilation_h < 1 ||
      dilation_w < 1)
    return BAD_PARAM;
  *p = {true, {pad_h, pad_w}, {stride_h, stride_w}, {dilation_h, dilation_w}, mode, compute, 1, 0};
  return SUCCESS;
}
API Status cudnnSetConvolutionNdDescriptor(Parameters *p, int dimensions, const int *pad,
                                           const int *stride, const int *dilation, int mode,
                                           int compute) {
  if (dimensions != 2) return NOT_SUPPORTED;
  return cudnnSetConvolution2dDescriptor(p, pad[0], pad[1], stride[0], stride[1], dilation[0],
                                         dilation[1], mode, compute);
}
API Status cudnnSetConvolutionGroupCount(Parameters *p, int groups) {
  if (!p || groups < 1) return BAD_PARAM;
  p->groups = groups;
  return SUCCESS;
}
API Status cudnnGetConvolutionGroupCount(Parameters *p, int *groups) {
  *groups = p->groups;
  return SUCCESS;
}
API Status cudnnSetConvolutionMathType(Parameters *p, int math) {
  if (!p || math < 0 || math > 3) return BAD_PARAM;
  p->math = math;
  return SUCCESS;
}
API Status cudnnGetConvolutionMathType(Parameters *p, int *math) { *math = p->math; return SUCCESS; }
API Status cudnnSetConvolutionReorderType(Parameters *, int) { return SUCCESS; }
API Status cudnnGetConvolution2dForwardOutputDim(Parameters *p, Tensor *x, Filter *w, int *n,
                                                 int *c, int *h, int *width) {
  if (!p || !x || !w || !p->set || !x->set || !w->set || x->size[1] != w->size[1] * p->groups)
    return BAD_PARAM;
  *n = x->size[0];
  *c = w->size[0];
  *h = output(*p, 0, x->size[2], w->size[2]);
  *width = output(*p, 1, x->size[3], w->size[3]);
  return SUCCESS;
}
