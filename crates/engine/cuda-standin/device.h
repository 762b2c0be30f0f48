// What a kernel may use of CUDA C++, for a host compiler. It is kept to the rules of the kernels:
// a warp intrinsic, an atomic, dynamic shared memory or a macro of a C header does not compile.
#pragma once
#include <math.h>

// NVRTC compiles without headers, hence without these.
#undef INFINITY
#undef NAN
#undef HUGE_VAL
#undef HUGE_VALF
#undef M_PI

#define KERNEL(name) static void name
#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

// The threads of a block share the CPU thread that runs them.
#define __shared__ static __thread

#define STANDIN_TEXT(x) #x
#define STANDIN_LINE(x) STANDIN_TEXT(x)
#define __syncthreads() standin::barrier(__FILE__ ":" STANDIN_LINE(__LINE__))

struct uint3 { unsigned x, y, z; };
typedef uint3 dim3;
struct __align__(8) float2 { float x, y; };
struct __align__(8) uint2 { unsigned x, y; };
struct __align__(16) float4 { float x, y, z, w; };
struct __align__(16) uint4 { unsigned x, y, z, w; };

namespace standin {
// Where a CPU thread is in a grid. One structure, so that its address is looked up once.
struct Place {
  uint3 thread, block, block_size, grid_size;
  unsigned left;  // threads of the block that were not started yet
  bool reverse;   // the order of starting them
};
extern __thread Place place __attribute__((visibility("hidden")));

void barrier(const char *where);
}

namespace kernels {
// References that cannot be assigned through, as in CUDA.
#define threadIdx (static_cast<const uint3 &>(standin::place.thread))
#define blockIdx (static_cast<const uint3 &>(standin::place.block))
#define blockDim (static_cast<const uint3 &>(standin::place.block_size))
#define gridDim (static_cast<const uint3 &>(standin::place.grid_size))

template <class To, class From> inline To standin_bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "bits are kept");
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}
inline unsigned __float_as_uint(float x) { return standin_bits<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return standin_bits<float>(x); }
inline int __float_as_int(float x) { return standin_bits<int>(x); }
inline float __int_as_float(int x) { return standin_bits<float>(x); }
inline long long __double_as_longlong(double x) { return standin_bits<long long>(x); }
inline double __longlong_as_double(long long x) { return standin_bits<double>(x); }

// Conversions saturate and turn NaN into zero, as on the GPU.
inline int standin_int(float x) {
  return x != x ? 0 : x >= 2147483648.0f ? 2147483647 : x < -2147483648.0f ? -2147483647 - 1 : int(x);
}
inline int __float2int_rn(float x) { return standin_int(rintf(x)); }
inline int __float2int_rz(float x) { return standin_int(x); }
inline int __float2int_rd(float x) { return standin_int(floorf(x)); }
inline int __float2int_ru(float x) { return standin_int(ceilf(x)); }
inline float __int2float_rn(int x) { return float(x); }

inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
// The volatile keeps a product and a sum apart where the compiler would fuse them.
inline float __fmul_rn(float x, float y) { volatile float r = x * y; return r; }
inline float __fadd_rn(float x, float y) { volatile float r = x + y; return r; }
inline double __dmul_rn(double x, double y) { volatile double r = x * y; return r; }
inline double __dadd_rn(double x, double y) { volatile double r = x + y; return r; }
template <class T> inline T __ldg(const T *p) { return *p; }

#define STANDIN_MIN_MAX(T) \
  inline T min(T a, T b) { return b < a ? b : a; } \
  inline T max(T a, T b) { return a < b ? b : a; }
STANDIN_MIN_MAX(int)
STANDIN_MIN_MAX(unsigned)
STANDIN_MIN_MAX(long long)
STANDIN_MIN_MAX(unsigned long long)
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

inline float2 make_float2(float x, float y) { return {x, y}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
}
