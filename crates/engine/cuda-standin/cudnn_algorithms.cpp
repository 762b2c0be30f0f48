// The algorithms that cuDNN offers for a convolution. All compute the same here, but as there,
// some are not deterministic, some are not supported, and each wants a workspace of its own.
#include "cudnn.h"
#include "standin.h"
#include <algorithm>

using namespace standin;
using namespace standin::cudnn;

namespace standin::cudnn {

const Algorithm *algorithms(Pass pass) {
  // Tensor cores are math 1. The first of a backward pass is one that a caller who wants the same
  // result twice must pass over.
  static const Algorithm forward[] = {
      {1, true, true, 1}, {0, true, true, 0}, {2, true, true, 0}, {6, false, true, 0}, {-1, 0, 0, 0}};
  static const Algorithm data[] = {
      {0, true, false, 1}, {1, true, true, 1}, {1, true, true, 0}, {4, true, true, 0},
      {5, false, true, 0}, {-1, 0, 0, 0}};
  static const Algorithm filter[] = {
      {0, true, false, 1}, {3, true, false, 0}, {1, true, true, 1}, {1, true, true, 0},
      {5, true, true, 0}, {2, false, true, 0}, {-1, 0, 0, 0}};
  return pass == FORWARD ? forward : pass == BACKWARD_DATA ? data : filter;
}

// What is promised is not always kept: the list tells what is expected to work.
bool refuses(const Convolution &v, int algorithm) {
  return algorithm == 1 && v.stride_h > 1 && v.r > 1;
}

bool workspace(Pass pass, const Convolution &v, int algorithm, size_t *bytes) {
  const Algorithm *found = algorithms(pass);
  while (found->number != -1 && found->number != algorithm) found++;
  if (found->number == -1 || !found->supported) return false;
  *bytes = algorithm * (size_t(v.r * v.s * v.c) * 4 + 1024);
  return true;
}
}

namespace {

struct Performance {
  int algorithm;
  Status status;
  float time;
  size_t memory;
  int determinism, math, reserved[3];
};
static_assert(sizeof(Performance) == 48, "cudnnConvolution*AlgoPerf_t");

Status list(Pass pass, const Tensor *x, const Filter *w, const Parameters *p, const Tensor *y,
            int requested, int *returned, Performance *out) {
  Convolution v;
  if (Status status = describe(x, w, p, y, v)) return status;
  if (requested < 1 || !returned || !out) return BAD_PARAM;
  *returned = 0;
  for (const Algorithm *a = algorithms(pass); a->number != -1 && *returned < requested; a++) {
    Performance &result = out[(*returned)++];
    result = {a->number, SUCCESS, 0.1f * *returned, 0, a->deterministic, a->math, {}};
    // FMA_MATH (3) keeps off tensor cores.
    if (p->math == 3) result.math = 3;
    if (!workspace(pass, v, a->number, &result.memory)) {
      result.status = NOT_SUPPORTED;
      result.time = -1;
    }
  }
  return SUCCESS;
}

Status size(Pass pass, const Tensor *x, const Filter *w, const Parameters *p, const Tensor *y,
            int algorithm, size_t *bytes) {
  Convolution v;
  if (Status status = describe(x, w, p, y, v)) return status;
  return workspace(pass, v, algorithm, bytes) ? SUCCESS : NOT_SUPPORTED;
}

Status longest(Pass pass, int *count) {
  const Algorithm *a = algorithms(pass);
  for (*count = 0; a[*count].number != -1;) ++*count;
  return SUCCESS;
}
}

API Status cudnnGetConvolutionForwardAlgorithmMaxCount(Handle *, int *count) {
  return longest(FORWARD, count);
}
API Status cudnnGetConvolutionBackwardDataAlgorithmMaxCount(Handle *, int *count) {
  return longest(BACKWARD_DATA, count);
}
API Status cudnnGetConvolutionBackwardFilterAlgorithmMaxCount(Handle *, int *count) {
  return longest(BACKWARD_FILTER, count);
}
API Status cudnnGetConvolutionForwardAlgorithm_v7(Handle *, Tensor *x, Filter *w, Parameters *p,
                                                  Tensor *y, int requested, int *returned,
                                                  Performance *out) {
  return list(FORWARD, x, w, p, y, requested, returned, out);
}
API Status cudnnGetConvolutionBackwardDataAlgorithm_v7(Handle *, Filter *w, Tensor *dy,
                                                       Parameters *p, Tensor *dx, int requested,
                                                       int *returned, Performance *out) {
  return list(BACKWARD_DATA, dx, w, p, dy, requested, returned, out);
}
API Status cudnnGetConvolutionBackwardFilterAlgorithm_v7(Handle *, Tensor *x, Tensor *dy,
                                                         Parameters *p, Filter *dw, int requested,
                                                         int *returned, Performance *out) {
  return list(BACKWARD_FILTER, x, dw, p, dy, requested, returned, out);
}
API Status cudnnGetConvolutionForwardWorkspaceSize(Handle *, Tensor *x, Filter *w, Parameters *p,
                                                   Tensor *y, int algorithm, size_t *bytes) {
  return size(FORWARD, x, w, p, y, algorithm, bytes);
}
API Status cudnnGetConvolutionBackwardDataWorkspaceSize(Handle *, Filter *w, Tensor *dy,
                                                        Parameters *p, Tensor *dx, int algorithm,
                                                        size_t *bytes) {
  return size(BACKWARD_DATA, dx, w, p, dy, algorithm, bytes);
}
API Status cudnnGetConvolutionBackwardFilterWorkspaceSize(Handle *, Tensor *x, Tensor *dy,
                                                          Parameters *p, Filter *dw, int algorithm,
                                                          size_t *bytes) {
  return size(BACKWARD_FILTER, x, dw, p, dy, algorithm, bytes);
}
