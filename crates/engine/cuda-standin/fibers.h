// Fibers: stacks between which one CPU thread switches, so that the threads of a block can wait
// for each other.
#pragma once

namespace standin::fibers {

// Calls body(argument) on a fiber, which is to return once `left` is zero. Whenever that call
// waits before, it is called again on another fiber; then those that wait go on in the order they
// came, from barrier to barrier. What never waits thus is one plain call.
void run(void (*body)(void **), void **argument, const unsigned &left);

// Lets the others run until all of them wait or have returned. Those that wait together must do
// so at the same place.
void wait(const char *where);
}
