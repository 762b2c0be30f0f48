// Memory of the pretended device. Each allocation lies between two guards, and starts out as NaN:
// what is read without having been written, or past an end, is to show in the results.
#include "standin.h"
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

namespace standin {
namespace {

constexpr size_t alignment = 256;
static_assert(guard % alignment == 0, "what follows the guard is aligned");
constexpr unsigned char pattern[] = {0xf7, 0x7f};  // NaN both as f32 and as bf16

struct Memory {
  std::mutex lock;
  std::map<uintptr_t, size_t> sizes;  // by address, without the guards
  size_t used = 0;

  // The last allocation that starts at or before an address.
  std::map<uintptr_t, size_t>::iterator around(const void *pointer) {
    auto after = sizes.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    return after == sizes.begin() ? sizes.end() : --after;
  }
};
Memory &memory() {
  static Memory &memory = *new Memory;  // outlives whatever frees at exit
  return memory;
}

void set_guard(unsigned char *bytes) {
  for (size_t i = 0; i < guard; i++) bytes[i] = pattern[i % 2];
}

bool intact(const unsigned char *bytes) {
  static const unsigned char *expected = [] {
    auto bytes = new unsigned char[guard];
    set_guard(bytes);
    return bytes;
  }();
  return !memcmp(bytes, expected, guard);
}

void check(uintptr_t address, size_t size, const char *kernel = nullptr) {
  auto data = reinterpret_cast<const unsigned char *>(address);
  const char *side = !intact(data - guard) ? "before" : !intact(data + size) ? "past" : nullptr;
  if (side && kernel)
    fault("kernel %s wrote to memory %s an allocation of %zu bytes", kernel, side, size);
  if (side) fault("memory %s an allocation of %zu bytes was written to", side, size);
}
}

size_t memory_total() {
  static const size_t total = [] {
    const char *bytes = getenv("FRBENCH_STANDIN_MEMORY");
    return bytes ? strtoull(bytes, nullptr, 10) : size_t(8) << 30;
  }();
  return total;
}

size_t memory_free() {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  return memory_total() - m.used;
}

void *allocate(size_t bytes) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  if (bytes > memory_total() - m.used) return nullptr;
  size_t whole = (guard + bytes + guard + alignment - 1) / alignment * alignment;
  auto start = static_cast<unsigned char *>(aligned_alloc(alignment, whole));
  if (!start) return nullptr;
  auto data = start + guard;
  set_guard(start);
  set_guard(data + bytes);
  memset(data, 0xff, bytes);
  m.sizes[reinterpret_cast<uintptr_t>(data)] = bytes;
  m.used += bytes;
  return data;
}

bool release(void *pointer) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.sizes.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == m.sizes.end()) return false;
  check(found->first, found->second);
  m.used -= found->second;
  m.sizes.erase(found);
  free(static_cast<unsigned char *>(pointer) - guard);
  return true;
}

bool inside(const void *pointer, size_t bytes) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.around(pointer);
  if (found == m.sizes.end()) return false;
  size_t offset = reinterpret_cast<uintptr_t>(pointer) - found->first;
  return offset <= found->second && bytes <= found->second - offset;
}

void require(const void *pointer, size_t bytes, const char *what) {
  if (!inside(pointer, bytes))
    fault("%s: %zu bytes at %p do not lie in one device allocation", what, bytes, pointer);
}

void check_around(const void *pointer, const char *kernel) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.around(pointer);
  if (found != m.sizes.end()) check(found->first, found->second, kernel);
}

void check_all() {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  for (auto &[start, size] : m.sizes) check(start, size);
}
}
