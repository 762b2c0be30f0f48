// The driver: one device and its primary context. What streams carry out at once, and what later,
// is in streams.h.
#include "standin.h"
#include "streams.h"
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>
// Last: its macros are CUDA's, and names of the C++ library's own.
#include "launch.h"

using namespace standin;

namespace {

enum Result {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  INVALID_DEVICE = 101,
  INVALID_CONTEXT = 201,
  INVALID_PTX = 218,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  NOT_SUPPORTED = 801,
  CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901,
  ILLEGAL_STATE = 401,
};

typedef uint64_t Pointer;
struct Module {
  std::string names;  // of its kernels, each between spaces
};

int a_context, a_pool;
thread_local void *current_context = nullptr;

void *host(Pointer p) { return reinterpret_cast<void *>(p); }

// Work is given to the context that is current on the calling thread.
#define IN_CONTEXT \
  if (!current_context) return INVALID_CONTEXT
// What a stream that records takes no part in.
#define NOT_RECORDED(stream) \
  if (spoils(stream_of(stream))) return CAPTURE_UNSUPPORTED

Result new_memory(void **out, size_t bytes, bool host = false) {
  IN_CONTEXT;
  if (!out || bytes == 0) return INVALID_VALUE;
  *out = allocate(bytes, host);
  return *out ? SUCCESS : OUT_OF_MEMORY;
}

Result old_memory(void *pointer) {
  IN_CONTEXT;
  return !pointer || release(pointer) ? SUCCESS : INVALID_VALUE;
}

// In no stream.
Result copy(void *to, bool device_to, const void *from, bool device_from, size_t bytes) {
  IN_CONTEXT;
  if (bytes == 0) return SUCCESS;
  if (!to || !from) return INVALID_VALUE;
  if (device_to && !inside(to, bytes)) return INVALID_VALUE;
  if (device_from && !inside(from, bytes)) return INVALID_VALUE;
  memmove(to, from, bytes);
  return SUCCESS;
}

Result copy(void *to, bool device_to, const void *from, bool device_from, size_t bytes,
            void *stream) {
  NOT_RECORDED(stream);
  carry_out(stream_of(stream));
  return copy(to, device_to, from, device_from, bytes);
}

Result upload(void *to, const void *from, size_t bytes, void *stream) {
  IN_CONTEXT;
  NOT_RECORDED(stream);
  if (!bytes || !page_locked(from, bytes)) return copy(to, true, from, false, bytes, stream);
  if (!inside(to, bytes)) return INVALID_VALUE;
  copy_later(stream_of(stream), to, from, bytes);
  return SUCCESS;
}

template <class T> Result fill(Pointer to, T value, size_t count) {
  IN_CONTEXT;
  if (count == 0) return SUCCESS;
  if (to % sizeof(T) || !inside(host(to), count * sizeof(T))) return INVALID_VALUE;
  T *data = static_cast<T *>(host(to));
  for (size_t i = 0; i < count; i++) data[i] = value;
  return SUCCESS;
}

template <class T> Result fill(Pointer to, T value, size_t count, void *stream) {
  IN_CONTEXT;
  if (count && (to % sizeof(T) || !inside(host(to), count * sizeof(T)))) return INVALID_VALUE;
  enqueue(stream_of(stream), false, [=] {
    require(host(to), count * sizeof(T), "memory to be filled");
    std::fill_n(static_cast<T *>(host(to)), count, value);
  });
  return SUCCESS;
}

// All that was waited for is done; what remains is to see that it kept within its memory.
Result synchronised() {
  check_all();
  return SUCCESS;
}
}

// Errors

API Result cuGetErrorName(Result error, const char **name) {
  switch (error) {
    case SUCCESS: *name = "CUDA_SUCCESS"; break;
    case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
    case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
    case INVALID_HANDLE: *name = "CUDA_ERROR_INVALID_HANDLE"; break;
    case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case NOT_READY: *name = "CUDA_ERROR_NOT_READY"; break;
    case NOT_SUPPORTED: *name = "CUDA_ERROR_NOT_SUPPORTED"; break;
    case ILLEGAL_STATE: *name = "CUDA_ERROR_ILLEGAL_STATE"; break;
    case CAPTURE_UNSUPPORTED: *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"; break;
    case CAPTURE_INVALIDATED: *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
    default: *name = nullptr; return INVALID_VALUE;
  }
  return SUCCESS;
}
API Result cuGetErrorString(Result error, const char **text) {
  switch (error) {
    case SUCCESS: *text = "no error"; break;
    case INVALID_VALUE: *text = "invalid argument"; break;
    case OUT_OF_MEMORY: *text = "out of memory"; break;
    case INVALID_DEVICE: *text = "invalid device ordinal"; break;
    case INVALID_CONTEXT: *text = "invalid device context"; break;
    case INVALID_PTX: *text = "a PTX JIT compilation failed"; break;
    case INVALID_HANDLE: *text = "invalid resource handle"; break;
    case NOT_FOUND: *text = "named symbol not found"; break;
    case NOT_READY: *text = "device not ready"; break;
    case NOT_SUPPORTED: *text = "operation not supported"; break;
    case ILLEGAL_STATE: *text = "the operation cannot be performed in the present state"; break;
    case CAPTURE_UNSUPPORTED: *text = "operation not permitted when stream is capturing"; break;
    case CAPTURE_INVALIDATED: *text = "operation failed due to a previous error during capture"; break;
    default: *text = nullptr; return INVALID_VALUE;
  }
  return SUCCESS;
}

// Devices and contexts

API Result cuInit(unsigned) { return SUCCESS; }
API Result cuDriverGetVersion(int *version) { *version = 12080; return SUCCESS; }
API Result cuDeviceGetCount(int *count) { *count = 1; return SUCCESS; }
API Result cuDeviceGet(int *device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}
API Result cuDeviceGetName(char *name, int size, int) {
  snprintf(name, size, "frbench CPU stand-in");
  return SUCCESS;
}
API Result cuDeviceGetUuid_v2(char *uuid, int) { memcpy(uuid, "frbench CPU GPU", 16); return SUCCESS; }
API Result cuDeviceGetUuid(char *uuid, int device) { return cuDeviceGetUuid_v2(uuid, device); }
API Result cuDeviceGetPCIBusId(char *id, int size, int) {
  snprintf(id, size, "0000:00:00.0");
  return SUCCESS;
}
API Result cuDeviceTotalMem_v2(size_t *bytes, int) { *bytes = memory_total(); return SUCCESS; }
API Result cuDeviceGetAttribute(int *value, int attribute, int) {
  switch (attribute) {
    case 1: *value = 1024; break;         // threads per block
    case 2: case 3: *value = 1024; break;  // block x, y
    case 4: *value = 64; break;           // block z
    case 5: *value = 2147483647; break;   // grid x
    case 6: case 7: *value = 65535; break;  // grid y, z
    case 8: *value = 49152; break;        // shared memory per block
    case 9: *value = 65536; break;        // constant memory
    case 10: *value = 32; break;          // warp
    case 12: *value = 65536; break;       // registers per block
    case 13: *value = 1000000; break;     // clock in kHz
    case 16: *value = 8; break;           // multiprocessors
    case 36: *value = 1000000; break;     // memory clock in kHz
    case 37: *value = 64; break;          // width of the memory bus
    case 38: *value = 4 << 20; break;     // L2 cache
    case 39: *value = 2048; break;        // threads per multiprocessor
    case 75: *value = 9; break;           // compute capability, major
    case 76: *value = 0; break;           // and minor
    case 81: *value = 233472; break;      // shared memory per multiprocessor
    case 97: *value = 232448; break;      // shared memory per block, opted in
    case 19: case 31: case 40: case 41: case 78: *value = 1; break;  // mapped host memory,
    // concurrent kernels, copy engines, unified addressing, priorities of streams
    case 115: *value = 1; break;          // memory pools
    default: *value = 0;
  }
  return SUCCESS;
}
API Result cuDevicePrimaryCtxRetain(void **context, int) { *context = &a_context; return SUCCESS; }
API Result cuDevicePrimaryCtxRelease_v2(int) { carry_out_all(); return synchronised(); }
API Result cuDevicePrimaryCtxSetFlags_v2(int, unsigned) { return SUCCESS; }
API Result cuCtxCreate_v2(void **context, unsigned, int) {
  *context = current_context = &a_context;
  return SUCCESS;
}
API Result cuCtxCreate_v4(void **context, void *, unsigned flags, int device) {
  return cuCtxCreate_v2(context, flags, device);
}
API Result cuCtxDestroy_v2(void *) { carry_out_all(); return synchronised(); }
API Result cuCtxGetCurrent(void **context) { *context = current_context; return SUCCESS; }
API Result cuCtxSetCurrent(void *context) { current_context = context; return SUCCESS; }
API Result cuCtxPushCurrent_v2(void *context) { current_context = context; return SUCCESS; }
API Result cuCtxPopCurrent_v2(void **context) {
  if (context) *context = current_context;
  current_context = nullptr;
  return SUCCESS;
}
API Result cuCtxGetDevice(int *device) { IN_CONTEXT; *device = 0; return SUCCESS; }
API Result cuCtxSetFlags(unsigned) { return SUCCESS; }
API Result cuCtxGetLimit(size_t *value, int) { *value = 0; return SUCCESS; }
API Result cuCtxSetLimit(int, size_t) { return SUCCESS; }
API Result cuCtxGetCacheConfig(int *config) { *config = 0; return SUCCESS; }
API Result cuCtxSetCacheConfig(int) { return SUCCESS; }
API Result cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  *least = 0;
  *greatest = -5;
  return SUCCESS;
}
API Result cuCtxSynchronize() { IN_CONTEXT; carry_out_all(); return synchronised(); }
API Result cuProfilerStart() { return SUCCESS; }
API Result cuProfilerStop() { return SUCCESS; }

// Memory

API Result cuMemGetInfo_v2(size_t *free, size_t *total) {
  IN_CONTEXT;
  *free = memory_free();
  *total = memory_total();
  return SUCCESS;
}
API Result cuMemAlloc_v2(void **p, size_t bytes) { return new_memory(p, bytes); }
// A driver records allocations, too; nobody is to count on that.
API Result cuMemAllocAsync(void **p, size_t bytes, void *stream) {
  NOT_RECORDED(stream);
  return new_memory(p, bytes);
}
API Result cuMemAllocFromPoolAsync(void **p, size_t bytes, void *, void *stream) {
  NOT_RECORDED(stream);
  return new_memory(p, bytes);
}
API Result cuMemAllocManaged(void **p, size_t bytes, unsigned) { return new_memory(p, bytes); }
API Result cuMemAllocHost_v2(void **p, size_t bytes) { return new_memory(p, bytes, true); }
API Result cuMemHostAlloc(void **p, size_t bytes, unsigned) { return new_memory(p, bytes, true); }
API Result cuMemHostGetDevicePointer_v2(void **p, void *host, unsigned) { *p = host; return SUCCESS; }
API Result cuMemFree_v2(void *p) { carry_out_all(); return old_memory(p); }
// What comes before in the stream may still use it.
API Result cuMemFreeAsync(void *p, void *stream) {
  NOT_RECORDED(stream);
  carry_out(stream_of(stream));
  return old_memory(p);
}
API Result cuMemFreeHost(void *p) { return old_memory(p); }

API Result cuDeviceGetDefaultMemPool(void **pool, int) { *pool = &a_pool; return SUCCESS; }
API Result cuDeviceGetMemPool(void **pool, int) { *pool = &a_pool; return SUCCESS; }
API Result cuDeviceSetMemPool(int, void *) { return SUCCESS; }
API Result cuMemPoolSetAttribute(void *, int, void *) { return SUCCESS; }
API Result cuMemPoolGetAttribute(void *, int attribute, void *value) {
  if (attribute <= 3)
    *static_cast<int *>(value) = 1;
  else if (attribute == 4)
    *static_cast<uint64_t *>(value) = 0;
  else
    *static_cast<uint64_t *>(value) = memory_total() - memory_free();
  return SUCCESS;
}
API Result cuMemPoolTrimTo(void *, size_t) { return SUCCESS; }

API Result cuMemcpyHtoD_v2(Pointer to, const void *from, size_t n) {
  return copy(host(to), true, from, false, n);
}
API Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t n, void *stream) {
  return upload(host(to), from, n, stream);
}
API Result cuMemcpyDtoH_v2(void *to, Pointer from, size_t n) {
  return copy(to, false, host(from), true, n);
}
API Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t n, void *stream) {
  return copy(to, false, host(from), true, n, stream);
}
API Result cuMemcpyDtoD_v2(Pointer to, Pointer from, size_t n) {
  return copy(host(to), true, host(from), true, n);
}
API Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t n, void *stream) {
  return copy(host(to), true, host(from), true, n, stream);
}
API Result cuMemcpyPeerAsync(Pointer to, void *, Pointer from, void *, size_t n, void *stream) {
  return copy(host(to), true, host(from), true, n, stream);
}
API Result cuMemcpy(Pointer to, Pointer from, size_t n) {
  return copy(host(to), false, host(from), false, n);
}
API Result cuMemcpyAsync(Pointer to, Pointer from, size_t n, void *stream) {
  return copy(host(to), false, host(from), false, n, stream);
}
API Result cuMemsetD8_v2(Pointer to, unsigned char value, size_t n) { return fill(to, value, n); }
API Result cuMemsetD8Async(Pointer to, unsigned char value, size_t n, void *stream) {
  return fill(to, value, n, stream);
}
API Result cuMemsetD16_v2(Pointer to, unsigned short value, size_t n) { return fill(to, value, n); }
API Result cuMemsetD16Async(Pointer to, unsigned short value, size_t n, void *stream) {
  return fill(to, value, n, stream);
}
API Result cuMemsetD32_v2(Pointer to, unsigned value, size_t n) { return fill(to, value, n); }
API Result cuMemsetD32Async(Pointer to, unsigned value, size_t n, void *stream) {
  return fill(to, value, n, stream);
}

// Streams and events

API Result cuStreamCreate(Stream **stream, unsigned) {
  IN_CONTEXT;
  *stream = new Stream(std::make_shared<Queue>());
  return SUCCESS;
}
API Result cuStreamCreateWithPriority(Stream **stream, unsigned flags, int) {
  return cuStreamCreate(stream, flags);
}
API Result cuStreamDestroy_v2(Stream *stream) {
  carry_out(stream_of(stream));
  delete stream;
  return SUCCESS;
}
API Result cuStreamSynchronize(void *stream) {
  IN_CONTEXT;
  NOT_RECORDED(stream);
  carry_out(stream_of(stream));
  return synchronised();
}
API Result cuStreamQuery(void *stream) {
  IN_CONTEXT;
  NOT_RECORDED(stream);
  // Whoever asks again and again is to get an end.
  bool ready = stream_of(stream)->work.empty();
  carry_out(stream_of(stream));
  return ready ? SUCCESS : NOT_READY;
}
API Result cuStreamWaitEvent(void *stream, Event *event, unsigned) {
  IN_CONTEXT;
  if (!event) return INVALID_HANDLE;
  NOT_RECORDED(stream);
  wait(stream_of(stream), *event);
  return SUCCESS;
}
API Result cuLaunchHostFunc(void *stream, void (*function)(void *), void *data) {
  IN_CONTEXT;
  enqueue(stream_of(stream), false, [=] { function(data); });
  return SUCCESS;
}
API Result cuEventCreate(Event **event, unsigned flags) {
  IN_CONTEXT;
  *event = new Event{!(flags & 2)};
  return SUCCESS;
}
API Result cuEventDestroy_v2(Event *event) { delete event; return SUCCESS; }
API Result cuEventRecord(Event *event, void *stream) {
  IN_CONTEXT;
  if (!event) return INVALID_HANDLE;
  NOT_RECORDED(stream);
  record(*event, stream_of(stream));
  return SUCCESS;
}
API Result cuEventRecordWithFlags(Event *event, void *stream, unsigned) {
  return cuEventRecord(event, stream);
}
API Result cuEventQuery(Event *event) {
  bool ready = event->happened();
  carry_out(*event);
  return ready ? SUCCESS : NOT_READY;
}
API Result cuEventSynchronize(Event *event) {
  IN_CONTEXT;
  carry_out(*event);
  return synchronised();
}
API Result cuEventElapsedTime(float *milliseconds, Event *start, Event *end) {
  if (!start || !end || !start->timed || !end->timed) return INVALID_HANDLE;
  if (!start->record->stream || !end->record->stream) return INVALID_HANDLE;
  if (!start->happened() || !end->happened()) return NOT_READY;
  *milliseconds =
      std::chrono::duration<float, std::milli>(end->record->time - start->record->time).count();
  return SUCCESS;
}
API Result cuEventElapsedTime_v2(float *milliseconds, Event *start, Event *end) {
  return cuEventElapsedTime(milliseconds, start, end);
}

// Recordings: graphs without branches, in the order in which a stream was given their parts.

API Result cuStreamIsCapturing(void *stream, int *status) {
  Stream s = stream_of(stream);
  *status = !s->recording ? 0 : s->spoiled ? 2 : 1;
  return SUCCESS;
}
API Result cuStreamBeginCapture_v2(void *stream, int) {
  IN_CONTEXT;
  if (!stream) return CAPTURE_UNSUPPORTED;
  Stream s = stream_of(stream);
  if (s->recording) return ILLEGAL_STATE;
  s->recording = std::make_shared<Recording>();
  return SUCCESS;
}
API Result cuStreamEndCapture(void *stream, std::shared_ptr<Recording> **graph) {
  IN_CONTEXT;
  Stream s = stream_of(stream);
  if (!s->recording) return ILLEGAL_STATE;
  bool spoiled = s->spoiled;
  *graph = spoiled ? nullptr : new std::shared_ptr<Recording>(s->recording);
  s->recording = nullptr;
  s->spoiled = false;
  return spoiled ? CAPTURE_INVALIDATED : SUCCESS;
}
API Result cuGraphInstantiateWithFlags(std::shared_ptr<Recording> **launched,
                                       std::shared_ptr<Recording> *graph, unsigned long long) {
  IN_CONTEXT;
  if (!graph) return INVALID_VALUE;
  *launched = new std::shared_ptr<Recording>(*graph);
  return SUCCESS;
}
API Result cuGraphLaunch(std::shared_ptr<Recording> *launched, void *stream) {
  IN_CONTEXT;
  if (!launched) return INVALID_HANDLE;
  NOT_RECORDED(stream);
  enqueue(stream_of(stream), false, [recording = *launched] {
    for (auto &work : *recording) work();
  });
  return SUCCESS;
}
API Result cuGraphExecDestroy(std::shared_ptr<Recording> *launched) { delete launched; return SUCCESS; }
API Result cuGraphDestroy(std::shared_ptr<Recording> *graph) { delete graph; return SUCCESS; }

// Modules and launches. A module is what nvrtc.cpp makes of a source: the names of its kernels.

API Result cuModuleLoadData(Module **module, const void *image) {
  IN_CONTEXT;
  auto text = static_cast<const char *>(image);
  static const char mark[] = "// frbench CPU stand-in:";
  if (strncmp(text, mark, sizeof mark - 1)) return INVALID_PTX;
  *module = new Module{text + sizeof mark - 1};
  return SUCCESS;
}
API Result cuModuleLoadDataEx(Module **module, const void *image, unsigned, void *, void **) {
  return cuModuleLoadData(module, image);
}
API Result cuModuleUnload(Module *module) { delete module; return SUCCESS; }
API Result cuModuleGetFunction(const Kernel **function, Module *module, const char *name) {
  IN_CONTEXT;
  if (module->names.find(" " + std::string(name) + " ") == std::string::npos) return NOT_FOUND;
  for (const Kernel *kernel = table; kernel->name; kernel++)
    if (!strcmp(kernel->name, name)) {
      *function = kernel;
      return SUCCESS;
    }
  return NOT_FOUND;
}
API Result cuFuncGetAttribute(int *value, int attribute, const Kernel *) {
  *value = attribute == 0 ? 1024 : 0;  // threads per block; neither shared nor local memory
  return SUCCESS;
}
API Result cuFuncSetAttribute(const Kernel *, int, int) { return SUCCESS; }
API Result cuFuncSetCacheConfig(const Kernel *, int) { return SUCCESS; }
API Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const Kernel *, int block, size_t) {
  if (block < 1 || block > 1024) return INVALID_VALUE;
  *blocks = 2048 / block;
  return SUCCESS;
}
API Result cuLaunchKernel(const Kernel *kernel, unsigned gx, unsigned gy, unsigned gz, unsigned bx,
                          unsigned by, unsigned bz, unsigned shared, void *stream, void **arguments,
                          void **extra) {
  IN_CONTEXT;
  if (!kernel) return INVALID_HANDLE;
  if (!gx || !gy || !gz || !bx || !by || !bz) return INVALID_VALUE;
  if (gx > 2147483647u || gy > 65535 || gz > 65535) return INVALID_VALUE;
  if (bx > 1024 || by > 1024 || bz > 64 || bx * by * bz > 1024) return INVALID_VALUE;
  if (shared || extra || (kernel->count && !arguments)) return INVALID_VALUE;
  // The caller's arguments are gone when it returns.
  std::vector<uint64_t> values(kernel->count);
  for (int i = 0; i < kernel->count; i++)
    memcpy(&values[i], arguments[i], kernel->parameters[i].size);
  enqueue(stream_of(stream), false, [=]() mutable {
    std::vector<void *> arguments;
    for (auto &value : values) arguments.push_back(&value);
    launch(*kernel, {gx, gy, gz}, {bx, by, bz}, arguments.data());
  });
  return SUCCESS;
}
