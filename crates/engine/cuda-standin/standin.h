// What the parts of the stand-in share: one pretended device, whose memory is host memory and
// whose work is carried out on the calling thread and a few helpers.
#pragma once
#include <cstddef>
#include <functional>

#define API extern "C" __attribute__((visibility("default")))

namespace standin {

// Describes a fault of the program under test, and aborts.
[[noreturn]] void fault(const char *format, ...) __attribute__((format(printf, 1, 2)));

// memory.cpp
constexpr size_t guard = 512;  // bytes watched before and after each allocation
size_t memory_total();
size_t memory_free();
// Of the device, or page-locked memory of the host; null where there is no more.
void *allocate(size_t bytes, bool host = false);
bool release(void *pointer);  // false for what was not allocated
bool inside(const void *pointer, size_t bytes);  // one allocation of the device
bool page_locked(const void *pointer, size_t bytes);
void require(const void *pointer, size_t bytes, const char *what);  // faults unless inside
// Fault where a guard was written to: of the allocation that a kernel had a pointer to, or of any.
void check_around(const void *pointer, const char *kernel);
void check_all();

// threads.cpp: calls work(0) .. work(count - 1), in any order, several at a time.
void parallel(long count, const std::function<void(long)> &work);

// Settings, from the environment.
bool reverse_order();
bool trace();
}
