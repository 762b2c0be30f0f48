#include "gemm.h"
#include "standin.h"
#include <algorithm>
#include <vector>

namespace standin {
namespace {

// A tile of c is `rows` x `columns` sums in vector registers. Sums are carried to a total every
// `run` products, which keeps rounding errors from growing with k.
#ifdef __AVX2__
constexpr int rows = 6, lane = 8;
#else
constexpr int rows = 4, lane = 4;
#endif
constexpr int lanes = 2, columns = lane * lanes, run = 128;
constexpr long group = 16 * rows;  // rows of a that are packed, and kept in a cache, at a time
typedef float Lane __attribute__((vector_size(lane * sizeof(float)), aligned(4), may_alias));

void tile(long k, const float *a, const float *b, float (*out)[columns]) {
  Lane total[rows][lanes] = {};
  for (long start = 0; start < k; start += run) {
    Lane sum[rows][lanes] = {};
    for (long i = start; i < std::min(k, start + run); i++, a += rows, b += columns) {
      Lane b0 = *reinterpret_cast<const Lane *>(b);
      Lane b1 = *reinterpret_cast<const Lane *>(b + lane);
#pragma GCC unroll 6
      for (int r = 0; r < rows; r++) {
        sum[r][0] += a[r] * b0;
        sum[r][1] += a[r] * b1;
      }
    }
    for (int r = 0; r < rows; r++)
      for (int l = 0; l < lanes; l++) total[r][l] += sum[r][l];
  }
  memcpy(out, total, sizeof total);
}

// Packs `width` rows of m, from `first` on, so that elements of a column lie together. Rows past
// `end` are zero.
template <int width, class T>
void pack(const T *data, const Matrix &m, long first, long end, long k, float *out) {
  long there = std::min<long>(width, end - first);
  if (m.row == 1) {
    for (long j = 0; j < k; j++) {
      const T *from = data + first + j * m.column;
      for (long i = 0; i < width; i++) out[j * width + i] = i < there ? widen(from[i]) : 0;
    }
    return;
  }
  for (long i = 0; i < width; i++) {
    const T *from = data + (first + i) * m.row;
    if (i < there)
      for (long j = 0; j < k; j++) out[j * width + i] = widen(from[j * m.column]);
    else
      for (long j = 0; j < k; j++) out[j * width + i] = 0;
  }
}

template <int width> void pack(const Matrix &m, long first, long end, long k, float *out) {
  if (m.type == Type::f32)
    pack<width>(static_cast<const float *>(m.data), m, first, end, k, out);
  else
    pack<width>(static_cast<const uint16_t *>(m.data), m, first, end, k, out);
}

template <class T> void store(float x, float alpha, float beta, T *to) {
  x *= alpha;
  if (beta != 0) x += beta * widen(*to);
  narrow(x, *to);
}

template <class T>
void store(const float (*from)[columns], long m, long n, float alpha, float beta, T *to,
           const Matrix &c) {
  for (long i = 0; i < m; i++)
    for (long j = 0; j < n; j++) store(from[i][j], alpha, beta, to + i * c.row + j * c.column);
}
}

void gemm(long m, long n, long k, float alpha, Matrix a, Matrix b, float beta, Matrix c) {
  if (m <= 0 || n <= 0) return;
  // The longer side is the one that threads share.
  if (n > m) return gemm(n, m, k, alpha, b.transposed(), a.transposed(), beta, c.transposed());

  long panels = (n + columns - 1) / columns;
  std::vector<float> packed(panels * columns * k);
  Matrix bt = b.transposed();
  auto pack_panel = [&](long p) {
    pack<columns>(bt, p * columns, n, k, packed.data() + p * columns * k);
  };
  auto multiply_group = [&](long g) {
    long first = g * group, end = std::min(m, first + group);
    static thread_local std::vector<float> buffer;
    buffer.resize(group * k);
    float *left = buffer.data();
    for (long i = first; i < end; i += rows) pack<rows>(a, i, m, k, left + (i - first) * k);
    for (long p = 0; p < panels; p++)
      for (long i = first; i < end; i += rows) {
        float sums[rows][columns];
        tile(k, left + (i - first) * k, packed.data() + p * columns * k, sums);
        ptrdiff_t at = i * c.row + p * columns * c.column;
        long height = std::min<long>(rows, end - i);
        long width = std::min<long>(columns, n - p * columns);
        void *data = const_cast<void *>(c.data);
        if (c.type == Type::f32)
          store(sums, height, width, alpha, beta, static_cast<float *>(data) + at, c);
        else
          store(sums, height, width, alpha, beta, static_cast<uint16_t *>(data) + at, c);
      }
  };
  long groups = (m + group - 1) / group;
  if (m * n * k < 1 << 18) {  // not worth waking anyone
    for (long p = 0; p < panels; p++) pack_panel(p);
    for (long g = 0; g < groups; g++) multiply_group(g);
  } else {
    parallel(panels, pack_panel);
    parallel(groups, multiply_group);
  }
}
}
