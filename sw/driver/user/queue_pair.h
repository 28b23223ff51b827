// One submission queue and its completion queue, as rdu_abi.h lays them out.
//
// Reproducibility: what is written to the device, and in which order, depends on the calls alone and never on
// how far the device happens to be. The head doorbell of the completion queue is therefore not rung when
// entries are seen, but when room for submissions runs out, by an amount that only the count of submissions
// decides. Nobody polls: who waits sleeps until the queue's vector is raised.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>

#include "rdu_abi.h"
#include "user/bus.h"

namespace rdu::user {

struct Completion {
  uint64_t result = 0;
  uint64_t start_ns = 0;  // device time at which the engine, or the firmware, began
  uint64_t end_ns = 0;
  uint16_t status = 0;  // RDU_STATUS_*
};

// A command that was submitted. Its queue owns it together with whoever waits for it.
class Command {
 public:
  uint8_t opcode() const { return opcode_; }
  uint64_t number() const { return number_; }  // of the queue, from 0; its low 16 bits are the command id

 private:
  friend class QueuePair;
  uint8_t opcode_ = 0;
  uint64_t number_ = 0;
  bool done_ = false;  // under the queue's lock
  Completion completion_;
};

class QueuePair {
 public:
  struct Layout {
    uint32_t id = 0;
    uint32_t entries = 0;  // power of two, at least 2
    uint32_t vector = 0;
    uint8_t* submissions = nullptr;  // entries * sizeof(rdu_sqe) bytes
    uint8_t* completions = nullptr;  // entries * sizeof(rdu_cqe) bytes, zero
  };

  QueuePair(Bus& bus, const Layout& layout);
  QueuePair(const QueuePair&) = delete;
  QueuePair& operator=(const QueuePair&) = delete;

  uint32_t id() const { return layout_.id; }
  uint32_t entries() const { return layout_.entries; }

  // Puts the command into the queue (its command_id is set here) and rings. Of a full queue it first waits
  // for room; throws Timeout if there is none within the time.
  std::shared_ptr<Command> submit(rdu_sqe sqe, Milliseconds timeout);

  // From here on submissions are not rung for, so that the device finds them all at once: until release(), a
  // wait that needs one of them, or a full queue.
  void hold();
  void release();

  // Whether the command has completed within the time; 0 asks without waiting (and without ringing for what
  // is held). Throws DeviceLost, and DeviceError if the device broke the queue's rules.
  bool wait(const Command& command, Milliseconds timeout);
  // Waits for every command whose number is below `number`.
  bool wait_below(uint64_t number, Milliseconds timeout);
  // Only after wait() was true.
  const Completion& completion(const Command& command) const { return command.completion_; }

  // Number of the next command, that is, how many were submitted.
  uint64_t submitted();

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;

  void ring();
  bool wait_locked(Lock& lock, uint64_t number, Clock::time_point deadline);
  void drain();

  Bus& bus_;
  Layout layout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Command>> in_flight_;
  uint64_t submitted_ = 0;  // submissions since creation
  uint64_t rung_ = 0;       // submissions that the device was told of
  bool held_ = false;
  uint64_t consumed_ = 0;  // completions that were seen
  uint64_t returned_ = 0;  // completion entries given back by the head doorbell
  bool sleeping_ = false;  // one thread waits for the vector on behalf of all
};

}  // namespace rdu::user
