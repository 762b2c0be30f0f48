// Streams and events. Work is carried out at once as long as nothing before it in its stream is
// outstanding; copies from page-locked memory are put off until somebody waits for them, and with
// them what comes after them in their stream, or in a stream that waits for them: a wait that is
// missing shows as bytes that are not there yet, or no longer. What a stream is given while it
// records is carried out when the recording is launched, as often as it is.
#pragma once
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace standin {

typedef std::vector<std::function<void()>> Recording;

struct Queue {
  std::deque<std::function<void()>> work;
  std::shared_ptr<Recording> recording;  // where what is given goes, if anywhere
  bool spoiled = false;                  // by something that cannot be recorded
  unsigned long done = 0;  // of all that was ever put off

  unsigned long last() const { return done + work.size(); }
};
typedef std::shared_ptr<Queue> Stream;

struct Event {
  struct Record {
    Stream stream;
    unsigned long number = 0;  // what has to be done before it
    bool made = false;
    std::chrono::steady_clock::time_point time;
  };
  bool timed;
  std::shared_ptr<Record> record = std::make_shared<Record>();  // the latest

  bool happened() const;
};

// The stream that a handle stands for; null is the default stream.
Stream stream_of(void *handle);

// Whether the stream records. What cannot be recorded asks this first, and spoils the recording.
bool spoils(const Stream &stream);

// Puts work off if `late` or something in its stream is outstanding; else does it at once. Where
// the stream records, it is only recorded.
void enqueue(const Stream &stream, bool late, std::function<void()> work);
void record(Event &event, const Stream &stream);
void wait(const Stream &stream, const Event &event);

// Carries out what was put off: in a stream, before an event, or everywhere.
void carry_out(const Stream &stream);
void carry_out(const Event &event);
void carry_out_all();

// A copy that is put off in any case.
void copy_later(const Stream &stream, void *to, const void *from, size_t bytes);
// Faults if a copy that was put off uses this memory, which is about to be freed.
void require_unused(const void *pointer, size_t bytes);
}
