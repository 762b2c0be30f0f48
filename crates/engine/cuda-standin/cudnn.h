// What cuDNN's descriptors hold, and the rules for the algorithms of its convolutions.
#pragma once
#include "convolution.h"
#include "gemm.h"
#include <cstddef>

namespace standin::cudnn {

enum Status {
  SUCCESS = 0,
  NOT_INITIALIZED = 1001,
  BAD_PARAM = 2000,
  NOT_SUPPORTED = 3000,
};
enum DataType { FLOAT = 0, BFLOAT16 = 9 };
enum Format { NCHW = 0, NHWC = 1 };
enum Pass { FORWARD, BACKWARD_DATA, BACKWARD_FILTER };

struct Handle {
  void *stream;
};
struct Tensor {
  bool set = false;
  int type, size[4], stride[4];  // in the order n, c, h, w
};
struct Filter {
  bool set = false;
  int type, format, size[4];  // in the order k, c, r, s
};
struct Parameters {
  bool set = false;
  int pad[2], stride[2], dilation[2], mode, compute, groups = 1, math = 0;
};

// The convolution of an input, a filter and an output that fit together; else a status that says
// what cuDNN would.
Status describe(const Tensor *x, const Filter *w, const Parameters *p, const Tensor *y,
                Convolution &out);

struct Algorithm {
  int number;
  bool supported, deterministic;
  int math;
};
// Algorithms of a pass, ended by number -1, in the order in which cuDNN would recommend them.
const Algorithm *algorithms(Pass pass);

// Bytes of workspace; false for an algorithm that does not do.
bool refuses(const Convolution &v, int algorithm);
bool workspace(Pass pass, const Convolution &v, int algorithm, size_t *bytes);
}
