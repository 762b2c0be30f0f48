// The grid of a launch: blocks are spread over CPU threads, and the threads of a block take turns
// on one of them.
#include "launch.h"
#include "fibers.h"
#include "standin.h"
#include <algorithm>
#include <cstdio>

namespace standin {

__thread Place place;

void barrier(const char *where) {
  Place &at = place;
  uint3 self = at.thread;
  fibers::wait(where);
  at.thread = self;
}

static void run_block(const Kernel &kernel, uint3 at, uint3 grid, uint3 block, void **arguments) {
  bool reverse = reverse_order();
  // The thread before the first: one step leads to it.
  uint3 start = reverse ? uint3{block.x, block.y - 1, block.z - 1} : uint3{-1u, 0, 0};
  place = {start, at, block, grid, block.x * block.y * block.z, reverse};
  fibers::run(kernel.threads, arguments, place.left);
}

static const void *pointer_of(void *argument) { return *static_cast<void **>(argument); }

// Pointers are checked before a kernel gets them: a GPU would report those it cannot follow only
// later, and follow some that it should not.
static void check_arguments(const Kernel &kernel, void **arguments) {
  for (int i = 0; i < kernel.count; i++) {
    if (!kernel.parameters[i].pointer) continue;
    const void *pointer = pointer_of(arguments[i]);
    if (pointer && !inside(pointer, 0))
      fault("kernel %s: argument %d, %p, points to no device memory", kernel.name, i, pointer);
    if (reinterpret_cast<size_t>(pointer) % kernel.parameters[i].alignment)
      fault("kernel %s: argument %d, %p, is not aligned to its type", kernel.name, i, pointer);
  }
}

void launch(const Kernel &kernel, uint3 grid, uint3 block, void **arguments) {
  if (trace())
    fprintf(stderr, "cuda-standin: %s <<<(%u, %u, %u), (%u, %u, %u)>>>\n", kernel.name, grid.x,
            grid.y, grid.z, block.x, block.y, block.z);
  check_arguments(kernel, arguments);

  long blocks = long(grid.x) * grid.y * grid.z;
  long threads = long(block.x) * block.y * block.z;
  // Enough threads at a time that handing them to a helper is worth it.
  long together = std::max(1L, 8192 / threads);
  long parts = (blocks + together - 1) / together;
  parallel(parts, [&](long part) {
    for (long i = part * together; i < std::min(blocks, (part + 1) * together); i++) {
      long b = reverse_order() ? blocks - 1 - i : i;
      uint3 at = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y),
                  unsigned(b / grid.x / grid.y)};
      run_block(kernel, at, grid, block, arguments);
    }
  });
  for (int i = 0; i < kernel.count; i++)
    if (kernel.parameters[i].pointer) check_around(pointer_of(arguments[i]), kernel.name);
}
}
