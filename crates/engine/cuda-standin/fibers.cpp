#include "fibers.h"
#include "standin.h"
#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <vector>
#ifndef __x86_64__
#include <ucontext.h>
#endif

namespace standin::fibers {
namespace {

constexpr size_t stack_bytes = 256 << 10, page = 4096;

#ifdef __x86_64__
// What a call must preserve is on the stack; the rest of the context is the stack pointer. A jump
// goes back, as the processor takes a `ret` to go where the last call came from.
typedef void *Context;
extern "C" void standin_switch(Context *from, Context to);
asm(R"(
.pushsection .text
.type standin_switch, @function
standin_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  popq %rcx
  jmpq *%rcx
.size standin_switch, . - standin_switch
.popsection
)");

void switch_to(Context &from, Context &to) { standin_switch(&from, to); }

// The stacks of a block do not fit into the first cache.
void expect(const Context &next) {
  for (int i = 0; i < 4; i++) __builtin_prefetch(static_cast<char *>(next) + 64 * i, 1);
}

void prepare(Context &context, char *, char *top, void (*entry)()) {
  void **sp = reinterpret_cast<void **>(reinterpret_cast<uintptr_t>(top) & ~uintptr_t(15));
  *--sp = nullptr;  // where entry would return to, which it does not
  *--sp = reinterpret_cast<void *>(entry);
  context = sp - 6;  // the registers popped first are zero, as all of a fresh stack
}
#else
typedef ucontext_t Context;

void switch_to(Context &from, Context &to) { swapcontext(&from, &to); }

void expect(const Context &) {}

void prepare(Context &context, char *bottom, char *top, void (*entry)()) {
  getcontext(&context);
  context.uc_stack.ss_sp = bottom;
  context.uc_stack.ss_size = top - bottom;
  context.uc_link = nullptr;
  makecontext(&context, entry, 0);
}
#endif

struct Fiber {
  Context context;
  char *memory;
};

// The fibers of one CPU thread.
struct Scheduler {
  Context own;
  Fiber *current = nullptr;
  std::vector<Fiber *> all, idle, waiting, resumed;
  size_t next = 0;              // of those in `resumed`
  const char *place = nullptr;  // where those in `waiting` wait
  void (*body)(void **) = nullptr;
  void **argument = nullptr;
  const unsigned *left = nullptr;

  ~Scheduler() {
    for (Fiber *fiber : all) {
      munmap(fiber->memory, stack_bytes);
      delete fiber;
    }
  }

  // Leaves `from` for what is to run next: another call, one that waited, or else run().
  void proceed(Context &from) {
    if (*left) {
      current = take();
    } else if (next < resumed.size()) {
      current = resumed[next++];
      if (next < resumed.size()) expect(resumed[next]->context);
    } else {
      switch_to(from, own);
      return;
    }
    switch_to(from, current->context);
  }

  Fiber *take();
};

Scheduler &scheduler() {
  // Reached through a plain pointer, which need not be seen to be initialised.
  static thread_local Scheduler scheduler;
  static __thread Scheduler *known = nullptr;
  if (!known) known = &scheduler;
  return *known;
}

void enter() {
  Scheduler &s = scheduler();
  for (;;) {
    s.body(s.argument);
    Fiber *self = s.current;
    s.idle.push_back(self);
    s.proceed(self->context);
  }
}

Fiber *Scheduler::take() {
  if (!idle.empty()) {
    Fiber *fiber = idle.back();
    idle.pop_back();
    return fiber;
  }
  void *memory = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fault("no memory for the stack of a thread");
  mprotect(memory, page, PROT_NONE);  // running off the stack is not to go unseen
  Fiber *fiber = new Fiber{Context(), static_cast<char *>(memory)};
  // Stacks start at different offsets, or all would compete for the same few sets of the caches.
  char *top = fiber->memory + stack_bytes - all.size() * (page + 320) % (stack_bytes / 4);
  prepare(fiber->context, fiber->memory + page, top, enter);
  all.push_back(fiber);
  return fiber;
}
}

void run(void (*body)(void **), void **argument, const unsigned &left) {
  Scheduler &s = scheduler();
  s.body = body;
  s.argument = argument;
  s.left = &left;
  do {
    s.resumed.swap(s.waiting);
    s.waiting.clear();
    s.next = 0;
    s.proceed(s.own);
  } while (!s.waiting.empty());
}

void wait(const char *where) {
  Scheduler &s = scheduler();
  if (s.waiting.empty())
    s.place = where;
  else if (s.place != where && strcmp(s.place, where) != 0)
    fault("threads of one block wait at different barriers, %s and %s", s.place, where);
  Fiber *self = s.current;
  s.waiting.push_back(self);
  s.proceed(self->context);
}
}
