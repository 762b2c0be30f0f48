#include "streams.h"
#include "standin.h"
#include <algorithm>
#include <cstring>
#include <list>
#include <mutex>
#include <vector>

namespace standin {
namespace {

struct Copy {
  void *to;
  const void *from;
  size_t bytes;
};

struct State {
  // Held while what was put off is carried out, too: nobody is to see half of it.
  std::recursive_mutex lock;
  std::vector<std::weak_ptr<Queue>> streams;
  std::list<Copy> copies;  // that were put off
};
State &state() {
  static State &state = *new State;  // outlives whatever waits at exit
  return state;
}
typedef std::lock_guard<std::recursive_mutex> Held;

void carry_out(const Stream &stream, unsigned long number) {
  while (stream->done < number && !stream->work.empty()) {
    auto work = std::move(stream->work.front());
    stream->work.pop_front();
    stream->done++;
    work();
  }
}

bool overlap(const void *a, size_t a_bytes, const void *b, size_t b_bytes) {
  auto x = static_cast<const char *>(a), y = static_cast<const char *>(b);
  return x < y + b_bytes && y < x + a_bytes;
}
}

Stream stream_of(void *handle) {
  static Stream &by_default = *new Stream(std::make_shared<Queue>());
  const Stream &stream = handle ? *static_cast<Stream *>(handle) : by_default;
  Held held(state().lock);
  for (auto &known : state().streams)
    if (known.lock() == stream) return stream;
  auto &all = state().streams;
  all.erase(std::remove_if(all.begin(), all.end(), [](auto &known) { return known.expired(); }),
            all.end());
  all.push_back(stream);
  return stream;
}

bool Event::happened() const {
  Held held(state().lock);
  return !record->stream || record->made;
}

bool spoils(const Stream &stream) {
  Held held(state().lock);
  if (stream->recording) stream->spoiled = true;
  return stream->spoiled;
}

void enqueue(const Stream &stream, bool late, std::function<void()> work) {
  {
    Held held(state().lock);
    if (stream->recording) {
      stream->recording->push_back(std::move(work));
      return;
    }
    if (late || !stream->work.empty()) {
      stream->work.push_back(std::move(work));
      return;
    }
  }
  work();
}

void record(Event &event, const Stream &stream) {
  Held held(state().lock);
  auto record = std::make_shared<Event::Record>();
  record->stream = stream;
  record->number = stream->last() + (stream->work.empty() ? 0 : 1);
  event.record = record;
  enqueue(stream, false, [record] {
    record->made = true;
    record->time = std::chrono::steady_clock::now();
  });
}

void wait(const Stream &stream, const Event &event) {
  Held held(state().lock);
  if (event.happened()) return;
  // The record of now: the event may be recorded again.
  auto record = event.record;
  enqueue(stream, true, [record] { carry_out(record->stream, record->number); });
}

void carry_out(const Stream &stream) {
  Held held(state().lock);
  carry_out(stream, stream->last());
}

void carry_out(const Event &event) {
  Held held(state().lock);
  if (!event.happened()) carry_out(event.record->stream, event.record->number);
}

void carry_out_all() {
  Held held(state().lock);
  for (auto &known : std::vector<std::weak_ptr<Queue>>(state().streams))
    if (Stream stream = known.lock()) carry_out(stream);
}

void copy_later(const Stream &stream, void *to, const void *from, size_t bytes) {
  Held held(state().lock);
  auto &copies = state().copies;
  auto copy = copies.insert(copies.end(), {to, from, bytes});
  enqueue(stream, true, [copy, &copies] {
    memmove(copy->to, copy->from, copy->bytes);
    copies.erase(copy);
  });
}

void require_unused(const void *pointer, size_t bytes) {
  Held held(state().lock);
  for (auto &copy : state().copies)
    if (overlap(pointer, bytes, copy.to, copy.bytes) ||
        overlap(pointer, bytes, copy.from, copy.bytes))
      fault("%zu bytes at %p are freed before they were copied", bytes, pointer);
}
}
