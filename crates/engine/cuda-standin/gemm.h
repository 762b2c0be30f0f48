// Matrix products over any strides, in f32, with operands in f32 or bf16.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace standin {

enum class Type { f32, bf16 };
inline size_t size_of(Type type) { return type == Type::f32 ? 4 : 2; }

inline float widen(float x) { return x; }
inline float widen(uint16_t x) {
  uint32_t bits = uint32_t(x) << 16;
  float wide;
  memcpy(&wide, &bits, 4);
  return wide;
}
inline void narrow(float x, float &to) { to = x; }
inline void narrow(float x, uint16_t &to) {
  uint32_t bits;
  memcpy(&bits, &x, 4);
  // To nearest, ties to even; NaN stays NaN.
  to = x != x ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

// Element (i, j) is at data[i * row + j * column].
struct Matrix {
  const void *data;
  Type type;
  ptrdiff_t row, column;
  Matrix transposed() const { return {data, type, column, row}; }
};

// c = alpha a b + beta c, with a of m x k and b of k x n; c is not read where beta is 0. Each
// element is summed in the same order whatever the number of threads.
void gemm(long m, long n, long k, float alpha, Matrix a, Matrix b, float beta, Matrix c);
}
