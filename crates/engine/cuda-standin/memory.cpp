// Memory of the pretended device, and page-locked memory of the host. Each allocation lies between two guards, and starts out as NaN:
// what is read without having been written, or past an end, is to show in the results.
#include "standin.h"
#include "streams.h"
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

struct Block {
  size_t size;
  bool host;
};
struct Memory {
  std::mutex lock;
  std::map<uintptr_t, Block> blocks;  // by address, without the guards
  size_t used[2] = {};                // of the device, of the host

  // The last allocation that starts at or before an address.
  std::map<uintptr_t, Block>::iterator around(const void *pointer) {
    auto after = blocks.upper_bound(reinterpret_cast<uintptr_t>(pointer));
    return after == blocks.begin() ? blocks.end() : --after;
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

static size_t setting(const char *name, size_t otherwise) {
  const char *bytes = getenv(name);
  return bytes ? strtoull(bytes, nullptr, 10) : otherwise;
}

size_t memory_total() {
  static const size_t total = setting("FRBENCH_STANDIN_MEMORY", size_t(8) << 30);
  return total;
}

static size_t page_locked_total() {
  static const size_t total = setting("FRBENCH_STANDIN_PAGE_LOCKED", size_t(8) << 30);
  return total;
}

size_t memory_free() {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  return memory_total() - m.used[false];
}

void *allocate(size_t bytes, bool host) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  if (bytes > (host ? page_locked_total() : memory_total()) - m.used[host]) return nullptr;
  size_t whole = (guard + bytes + guard + alignment - 1) / alignment * alignment;
  auto start = static_cast<unsigned char *>(aligned_alloc(alignment, whole));
  if (!start) return nullptr;
  auto data = start + guard;
  set_guard(start);
  set_guard(data + bytes);
  memset(data, 0xff, bytes);
  m.blocks[reinterpret_cast<uintptr_t>(data)] = {bytes, host};
  m.used[host] += bytes;
  return data;
}

static size_t size_at(void *pointer) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.blocks.find(reinterpret_cast<uintptr_t>(pointer));
  return found == m.blocks.end() ? 0 : found->second.size;
}

bool release(void *pointer) {
  require_unused(pointer, size_at(pointer));
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.blocks.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == m.blocks.end()) return false;
  auto [size, host] = found->second;
  check(found->first, size);
  m.used[host] -= size;
  m.blocks.erase(found);
  free(static_cast<unsigned char *>(pointer) - guard);
  return true;
}

static bool inside(const void *pointer, size_t bytes, bool host) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.around(pointer);
  if (found == m.blocks.end() || found->second.host != host) return false;
  size_t offset = reinterpret_cast<uintptr_t>(pointer) - found->first, size = found->second.size;
  return offset <= size && bytes <= size - offset;
}

bool inside(const void *pointer, size_t bytes) { return inside(pointer, bytes, false); }

bool page_locked(const void *pointer, size_t bytes) { return inside(pointer, bytes, true); }

void require(const void *pointer, size_t bytes, const char *what) {
  if (!inside(pointer, bytes))
    fault("%s: %zu bytes at %p do not lie in one device allocation", what, bytes, pointer);
}

void check_around(const void *pointer, const char *kernel) {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  auto found = m.around(pointer);
  if (found != m.blocks.end()) check(found->first, found->second.size, kernel);
}

void check_all() {
  Memory &m = memory();
  std::lock_guard<std::mutex> held(m.lock);
  for (auto &[start, block] : m.blocks) check(start, block.size);
}
}
