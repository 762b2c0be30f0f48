// Kernels, and how the grid of a launch is run.
#pragma once
#include "device.h"
#include <cstddef>

namespace standin {

struct Parameter {
  bool pointer;
  int alignment;  // of what a pointer points to
  size_t size;    // of the argument itself
};

struct Kernel {
  const char *name;
  const char *text;  // of the file it is in
  void (*threads)(void **arguments);
  const Parameter *parameters;
  int count;
};
extern const Kernel table[];  // ends with an entry without a name

struct Source {
  const char *name, *text;
};
extern const Source sources[];  // likewise

// Makes the next thread of the block the current one; false if all were started. Threads that
// wait go on only then, so the current one is the last that was started.
inline bool next_thread() {
  Place &at = place;
  if (at.left == 0) return false;
  at.left--;
  if (at.reverse) {
    if (at.thread.x-- == 0) {
      at.thread.x = at.block_size.x - 1;
      if (at.thread.y-- == 0) {
        at.thread.y = at.block_size.y - 1;
        at.thread.z--;
      }
    }
  } else if (++at.thread.x == at.block_size.x) {
    at.thread.x = 0;
    if (++at.thread.y == at.block_size.y) {
      at.thread.y = 0;
      at.thread.z++;
    }
  }
  return true;
}

// Runs all blocks of a grid. Sizes are taken to be within the limits of a device.
void launch(const Kernel &kernel, uint3 grid, uint3 block, void **arguments);
}
