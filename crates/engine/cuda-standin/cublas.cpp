// cuBLAS, as far as products of matrices go. Its matrices are column-major.
#include "gemm.h"
#include "standin.h"
#include "streams.h"
#include <algorithm>

using namespace standin;

namespace {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum Operation { N = 0, T = 1, C = 2 };

struct Handle {
  void *stream = nullptr;
  int math = 0, atomics = 0, pointers = 0;
};

bool type_of(int code, Type &type) {
  if (code == 0) type = Type::f32;
  else if (code == 14) type = Type::bf16;
  else return false;
  return true;
}

// Computing in f32, plainly or with products of less precision where the hardware has faster ones.
bool computes(int code, Type type) {
  if (code == 68 || code == 69) return true;
  return (code == 74 || code == 75 || code == 77) && type == Type::f32;
}

struct Operand {
  const void *data;
  int code, leading;
  long long stride;
};

Status multiply(Handle *handle, Operation ta, Operation tb, int m, int n, int k, const void *alpha,
                Operand a, Operand b, const void *beta, Operand c, int batch, int compute) {
  if (!handle) return NOT_INITIALIZED;
  Type at, bt, ct;
  if (!type_of(a.code, at) || !type_of(b.code, bt) || !type_of(c.code, ct)) return NOT_SUPPORTED;
  if (at != bt || (ct != at && ct != Type::f32) || !computes(compute, at)) return NOT_SUPPORTED;
  if (m < 0 || n < 0 || k < 0 || batch < 0 || ta > C || tb > C) return INVALID_VALUE;
  int a_rows = ta == N ? m : k, b_rows = tb == N ? k : n;
  if (a.leading < std::max(1, a_rows) || b.leading < std::max(1, b_rows) ||
      c.leading < std::max(1, m) || !alpha || !beta)
    return INVALID_VALUE;
  if (m == 0 || n == 0 || batch == 0) return SUCCESS;

  auto extent = [batch](const Operand &x, Type type, long rows, long columns, const char *what) {
    if (rows && columns)
      require(x.data, ((batch - 1) * x.stride + (columns - 1) * x.leading + rows) * size_of(type), what);
  };
  extent(a, at, a_rows, ta == N ? k : m, "matrix A of cuBLAS");
  extent(b, bt, b_rows, tb == N ? n : k, "matrix B of cuBLAS");
  extent(c, ct, m, n, "matrix C of cuBLAS");

  float by = *static_cast<const float *>(alpha), keep = *static_cast<const float *>(beta);
  auto matrix = [](const Operand &x, Type type, Operation op, long index) -> Matrix {
    auto data = static_cast<const char *>(x.data) + index * x.stride * long(size_of(type));
    Matrix plain = {data, type, 1, x.leading};
    return op == N ? plain : plain.transposed();
  };
  enqueue(stream_of(handle->stream), false, [=] {
    require(a.data, 1, "matrix A of cuBLAS");
    require(b.data, 1, "matrix B of cuBLAS");
    require(c.data, 1, "matrix C of cuBLAS");
    for (int i = 0; i < batch; i++)
      gemm(m, n, k, by, matrix(a, at, ta, i), matrix(b, bt, tb, i), keep, matrix(c, ct, N, i));
  });
  return SUCCESS;
}
}

API Status cublasCreate_v2(Handle **handle) { *handle = new Handle; return SUCCESS; }
API Status cublasDestroy_v2(Handle *handle) { delete handle; return SUCCESS; }
API Status cublasGetVersion_v2(Handle *, int *version) { *version = 120800; return SUCCESS; }
API Status cublasSetStream_v2(Handle *handle, void *stream) {
  handle->stream = stream;
  return SUCCESS;
}
API Status cublasGetStream_v2(Handle *handle, void **stream) {
  *stream = handle->stream;
  return SUCCESS;
}
API Status cublasSetWorkspace_v2(Handle *, void *workspace, size_t bytes) {
  if (bytes) require(workspace, bytes, "workspace of cuBLAS");
  return reinterpret_cast<size_t>(workspace) % 256 ? INVALID_VALUE : SUCCESS;
}
API Status cublasSetMathMode(Handle *handle, int mode) { handle->math = mode; return SUCCESS; }
API Status cublasGetMathMode(Handle *handle, int *mode) { *mode = handle->math; return SUCCESS; }
API Status cublasSetAtomicsMode(Handle *handle, int mode) { handle->atomics = mode; return SUCCESS; }
API Status cublasGetAtomicsMode(Handle *handle, int *mode) { *mode = handle->atomics; return SUCCESS; }
// Factors are read alike from host and device memory, which are the same.
API Status cublasSetPointerMode_v2(Handle *handle, int mode) { handle->pointers = mode; return SUCCESS; }
API Status cublasGetPointerMode_v2(Handle *handle, int *mode) { *mode = handle->pointers; return SUCCESS; }

API const char *cublasGetStatusName(Status status) {
  switch (status) {
    case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "unknown status";
}
API const char *cublasGetStatusString(Status status) { return cublasGetStatusName(status); }

API Status cublasGemmStridedBatchedEx(Handle *handle, Operation ta, Operation tb, int m, int n,
                                      int k, const void *alpha, const void *a, int a_type, int lda,
                                      long long a_stride, const void *b, int b_type, int ldb,
                                      long long b_stride, const void *beta, void *c, int c_type,
                                      int ldc, long long c_stride, int batch, int compute, int) {
  return multiply(handle, ta, tb, m, n, k, alpha, {a, a_type, lda, a_stride},
                  {b, b_type, ldb, b_stride}, beta, {c, c_type, ldc, c_stride}, batch, compute);
}
API Status cublasGemmEx(Handle *handle, Operation ta, Operation tb, int m, int n, int k,
                        const void *alpha, const void *a, int a_type, int lda, const void *b,
                        int b_type, int ldb, const void *beta, void *c, int c_type, int ldc,
                        int compute, int) {
  return multiply(handle, ta, tb, m, n, k, alpha, {a, a_type, lda, 0}, {b, b_type, ldb, 0}, beta,
                  {c, c_type, ldc, 0}, 1, compute);
}
API Status cublasSgemm_v2(Handle *handle, Operation ta, Operation tb, int m, int n, int k,
                          const float *alpha, const float *a, int lda, const float *b, int ldb,
                          const float *beta, float *c, int ldc) {
  return multiply(handle, ta, tb, m, n, k, alpha, {a, 0, lda, 0}, {b, 0, ldb, 0}, beta,
                  {c, 0, ldc, 0}, 1, 68);
}
API Status cublasSgemmStridedBatched(Handle *handle, Operation ta, Operation tb, int m, int n,
                                     int k, const float *alpha, const float *a, int lda,
                                     long long a_stride, const float *b, int ldb,
                                     long long b_stride, const float *beta, float *c, int ldc,
                                     long long c_stride, int batch) {
  return multiply(handle, ta, tb, m, n, k, alpha, {a, 0, lda, a_stride}, {b, 0, ldb, b_stride},
                  beta, {c, 0, ldc, c_stride}, batch, 68);
}
