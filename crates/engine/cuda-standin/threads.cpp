// A few helper threads for what can be done in parallel, and the settings of the stand-in.
#include "standin.h"
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

namespace standin {

void fault(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("cuda-standin: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  abort();
}

bool reverse_order() {
  static const bool reverse = [] {
    const char *order = getenv("FRBENCH_STANDIN_ORDER");
    return order && !strcmp(order, "reverse");
  }();
  return reverse;
}

bool trace() {
  static const bool on = getenv("FRBENCH_STANDIN_TRACE") != nullptr;
  return on;
}

namespace {

struct Pool {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;  // set while the helpers work for some caller
  std::mutex lock;
  std::condition_variable start, finish;
  const std::function<void(long)> *work = nullptr;
  long count = 0;
  unsigned long round = 0;
  int active = 0;
  std::atomic<long> next{0};

  explicit Pool(int helpers) {
    for (int i = 0; i < helpers; i++) std::thread([this] { help(); }).detach();
  }

  void drain(const std::function<void(long)> &work, long count) {
    for (long i; (i = next.fetch_add(1)) < count;) work(i);
  }

  void help() {
    std::unique_lock<std::mutex> held(lock);
    for (unsigned long seen = 0;;) {
      start.wait(held, [&] { return round != seen; });
      seen = round;
      if (!work) continue;  // all was done before this helper awoke
      active++;
      auto &mine = *work;
      long n = count;
      held.unlock();
      drain(mine, n);
      held.lock();
      if (--active == 0) finish.notify_one();
    }
  }

  void run(long n, const std::function<void(long)> &todo) {
    {
      std::lock_guard<std::mutex> held(lock);
      work = &todo;
      count = n;
      next = 0;
      round++;
    }
    start.notify_all();
    drain(todo, n);
    std::unique_lock<std::mutex> held(lock);
    work = nullptr;
    finish.wait(held, [&] { return active == 0; });
  }
};

int thread_count() {
  const char *wanted = getenv("FRBENCH_STANDIN_THREADS");
  int n = wanted ? atoi(wanted) : std::min(4u, std::thread::hardware_concurrency());
  return std::max(1, n);
}
}

void parallel(long count, const std::function<void(long)> &work) {
  static const int threads = thread_count();
  // Never destroyed: its helpers are at work until the process ends.
  static Pool &pool = *new Pool(threads - 1);
  // Callers that find the helpers taken, be it by themselves, do without.
  if (count > 1 && threads > 1 && !pool.busy.test_and_set()) {
    pool.run(count, work);
    pool.busy.clear();
  } else {
    for (long i = 0; i < count; i++) work(i);
  }
}
}
