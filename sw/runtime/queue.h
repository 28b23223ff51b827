// A queue of commands, and the events of what was submitted to it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fabric/program.h"
#include "rdu.h"
#include "runtime/argument_ring.h"
#include "runtime/context.h"
#include "runtime/transport.h"

namespace rdu::runtime {

class Queue;

// One submitted command: waits for it and says how it ended, also when its queue is gone.
class Event {
 public:
  Event(std::shared_ptr<Queue> queue, uint8_t opcode, std::shared_ptr<Submission> submission);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();

  // Throws how the command failed, or TIMEOUT.
  void wait(Milliseconds timeout);
  rdu_event_info info();
  // Of a device_event().
  rdu_device_event device_event();

 private:
  friend class Queue;
  bool finished(Milliseconds timeout);
  void drop();

  std::shared_ptr<Queue> queue_;
  uint8_t opcode_;
  uint64_t number_;
  // Under Queue::event_mutex_.
  std::shared_ptr<Submission> submission_;  // until its queue goes
  std::optional<Completion> completion_;
  std::string failure_;
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
  void drop();

  const std::shared_ptr<Context>& context() const { return context_; }
  uint32_t id() const { return id_; }

  // Each gives the event only if it is wanted; failures of the others are kept for finish().
  using Result = std::unique_ptr<Event>;
  Result nop(bool want_event);
  Result device_event();
  Result copy(const Memory& destination, uint64_t destination_offset, const Memory& source,
              uint64_t source_offset, uint64_t bytes, bool want_event);
  // `identity` of the program: what launch() later asks for.
  Result load(uint64_t address, uint64_t bytes, uint64_t identity, bool want_event);
  Result launch(const std::vector<rdu_argument_tuple>& tuples, uint64_t identity,
                const std::string& program_name, bool want_event);

  void begin_batch();
  void end_batch();
  void finish(Milliseconds timeout);

 private:
  friend class Event;
  static constexpr uint32_t kDefaultEntries = 64;        // ours
  static constexpr uint64_t kArgumentBytes = 64 * 1024;  // tuples of launches under way; ours

  Queue(std::shared_ptr<Context> context, uint32_t entries);
  CommandQueue& commands();
  Result submit(rdu_sqe sqe, bool want_event);
  void collect();
  static void check_range(const Memory& memory, uint64_t offset, uint64_t bytes, const char* what);
  void check_context(const Memory& memory) const;

  std::shared_ptr<Context> context_;
  uint32_t id_ = 0;
  std::unique_ptr<CommandQueue> commands_;
  std::unique_ptr<PinnedMemory> argument_memory_;  // from the first launch on
  ArgumentRing argument_ring_{kArgumentBytes};

  std::mutex submit_mutex_;  // what is submitted together stays together
  struct Unwatched {
    uint8_t opcode;
    std::shared_ptr<Submission> submission;
  };
  std::deque<Unwatched> unwatched_;  // commands whose event nobody took
  std::optional<Error> failure_;     // the first of theirs

  std::mutex event_mutex_;
  std::set<Event*> events_;
};

// What a completion means: nothing for success, else the error with its text.
std::optional<Error> failure_of(uint8_t opcode, const Completion& completion, const Transport& transport);

}  // namespace rdu::runtime
