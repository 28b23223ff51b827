// A queue of commands, and the events of what was submitted to it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fabric/program.h"
#include "rdu.h"
#include "runtime/argument_ring.h"
#include "runtime/context.h"
#include "runtime/poll_set.h"
#include "runtime/stream.h"
#include "runtime/transport.h"

namespace rdu::runtime {

class Queue;

// One submitted command: waits for it and says how it ended, also when its queue is gone.
class Event {
 public:
  Event(uint32_t queue, std::shared_ptr<Stream> stream, std::shared_ptr<Ticket> ticket)
      : queue_(queue), place_{std::move(stream), std::move(ticket)} {}
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  // Throws how the command failed, or TIMEOUT.
  void wait(Milliseconds timeout);
  // Whether it has completed, well or not. Throws only why it never will.
  bool query();
  rdu_event_info info();
  // Of a device_event().
  rdu_device_event device_event();

  const StreamTicket& place() const { return place_; }

 private:
  Completion completion();

  uint32_t queue_;
  StreamTicket place_;
};

class Queue : public std::enable_shared_from_this<Queue> {
 public:
  // entries 0: kDefaultEntries.
  static std::shared_ptr<Queue> create(std::shared_ptr<Context> context, uint32_t entries);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;
  ~Queue();

  // Deletes it in the device; commands that still run are aborted.
  void destroy();
  // The device goes.
  void drop();

  const std::shared_ptr<Context>& context() const { return context_; }
  uint32_t id() const { return id_; }

  // Each gives the event only if it is wanted; failures of the others are kept for finish().
  using Result = std::unique_ptr<Event>;
  Result nop(bool want_event);
  Result device_event();
  Result copy(const Memory& destination, uint64_t destination_offset, const Memory& source,
              uint64_t source_offset, uint64_t bytes, bool want_event);
  // Between the context's memory and any of the process, which must stay as it is until the copy has
  // completed.
  Result upload(const Memory& destination, uint64_t offset, const void* source, uint64_t bytes,
                bool want_event);
  Result download(void* destination, const Memory& source, uint64_t offset, uint64_t bytes, bool want_event);
  // `identity` of the program: what launch() later asks for.
  Result load(uint64_t address, uint64_t bytes, uint32_t tile, uint64_t identity, bool want_event);
  Result launch(const std::vector<rdu_argument_tuple>& tuples, uint32_t tile, uint64_t identity,
                const std::string& program_name, bool want_event);

  // `identity` of the program that the schedule leaves loaded, 0 if nobody knows.
  Result schedule(uint64_t address, uint64_t bytes, uint32_t tile, uint64_t identity, bool want_event);

  // What is submitted from here on begins after the event's command, however that ended.
  void wait_for(const Event& event);

  void begin_batch();
  void end_batch();
  void finish(Milliseconds timeout);

  // For poll(): readable when commands may have completed since acknowledge(), or the device is lost.
  int descriptor();
  void acknowledge();

 private:
  static constexpr uint32_t kDefaultEntries = 64;        // ours
  static constexpr uint64_t kArgumentBytes = 64 * 1024;  // tuples of launches under way; ours

  Queue(std::shared_ptr<Context> context, uint32_t entries);
  Stream& stream();
  Result load(uint8_t opcode, uint64_t address, uint64_t bytes, uint32_t tile, uint64_t identity,
              bool want_event);
  Result submit(rdu_sqe sqe, bool want_event, std::unique_ptr<UserBuffer> buffer = nullptr);
  Result copy(uint64_t destination, uint64_t source, uint64_t bytes, bool want_event,
              std::unique_ptr<UserBuffer> buffer = nullptr);
  void collect();
  static void check_range(const Memory& memory, uint64_t offset, uint64_t bytes, const char* what);
  void check_context(const Memory& memory) const;

  std::shared_ptr<Context> context_;
  uint32_t id_ = 0;
  std::shared_ptr<Stream> stream_;
  std::unique_ptr<Allocation> argument_memory_;  // from the first launch on
  ArgumentRing argument_ring_{kArgumentBytes};

  std::mutex submit_mutex_;                        // what is submitted together stays together
  std::deque<std::shared_ptr<Ticket>> unwatched_;  // commands whose event nobody took
  std::optional<Error> failure_;                   // the first of theirs

  std::mutex poll_mutex_;
  std::unique_ptr<PollSet> poll_set_;  // from the first descriptor() on
};

// Of several events, of any queues and devices: the index of one that has completed, well or not. Throws
// TIMEOUT.
size_t wait_any(const std::vector<const Event*>& events, Milliseconds timeout);

// What a completion means: nothing for success, else the error with its text.
std::optional<Error> failure_of(uint8_t opcode, const Completion& completion);

}  // namespace rdu::runtime
