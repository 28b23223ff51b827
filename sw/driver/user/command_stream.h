// Commands in the order of their submission, and those who wait for them: what a queue that this process
// shares with the device (QueuePair) has in common with one that a kernel driver keeps for it.
//
// Nobody polls. Of several threads that wait, one sleeps for the queue's interrupt and wakes the others. Who
// waits for several queues, or for other things besides, sleeps on descriptors: interrupt_fd(), which one
// sleeper of the queue may empty, an eventfd of its own given to listen(), which tells what that sleeper has
// found, and loss_fd().
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <vector>

#include "rdu_abi.h"

namespace rdu::user {

using Milliseconds = std::chrono::milliseconds;

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
  friend class CommandStream;
  uint8_t opcode_ = 0;
  uint64_t number_ = 0;
  Completion completion_;
};

// The queue was closed before the command completed, or before it was submitted.
class QueueClosed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// All functions may be called from any thread, and throw DeviceLost, DeviceError and QueueClosed.
class CommandStream {
 public:
  CommandStream(const CommandStream&) = delete;
  CommandStream& operator=(const CommandStream&) = delete;
  virtual ~CommandStream() = default;

  virtual uint32_t id() const = 0;  // the device's number of the queue
  uint32_t entries() const { return entries_; }

  // Puts the command into the queue (its command_id is set here) and rings. Of a full queue it first waits
  // for room; throws Timeout if there is none within the time.
  std::shared_ptr<Command> submit(rdu_sqe sqe, Milliseconds timeout);

  // From here on submissions are not rung for, so that the device finds them all at once: until release(), a
  // wait that needs one of them, or a full queue.
  void hold();
  void release();

  // Whether the command has completed within the time; 0 asks without waiting (and without ringing for what
  // is held).
  bool wait(const Command& command, Milliseconds timeout);
  // Rings for it, if it is held.
  void urge(const Command& command);
  // Waits for every command whose number is below `number`.
  bool wait_below(uint64_t number, Milliseconds timeout);
  // Only after wait() was true.
  const Completion& completion(const Command& command) const { return command.completion_; }

  // Number of the next command, that is, how many were submitted.
  uint64_t submitted();
  // How many are known to have completed.
  uint64_t completed();

  // Readable when commands have completed that nobody has looked at. Stays the queue's.
  virtual int interrupt_fd() = 0;
  // Hangs up when the device goes away; -1: interrupt_fd() tells.
  virtual int loss_fd() = 0;
  // Gives 1 to the eventfd whenever completions were found, or the queue was closed, until unlisten().
  void listen(int eventfd);
  void unlisten(int eventfd);
  // Tells all of them, for a reason of the caller's.
  void tell_listeners() noexcept;
  // Takes what has completed, and empties interrupt_fd().
  void look();

  // Ends every wait, now and later, for what has not completed. Returns when no thread is in one any more.
  virtual void close() noexcept;

 protected:
  explicit CommandStream(uint32_t entries) : entries_(entries) {}

  // The way to the device; all but sleep() and wake() under the lock.
  virtual void place(const rdu_sqe& sqe, uint64_t number) = 0;  // there is room
  virtual void ring(uint64_t submitted) = 0;                    // for all that were placed
  virtual void give_back(uint64_t completions) = 0;             // room of so many, since creation
  virtual void drain() = 0;                                     // complete() for all that have arrived
  virtual void sleep(Milliseconds timeout) = 0;  // empties the interrupt; until it is raised, or wake()
  virtual void wake() noexcept = 0;

  // The oldest command that has not completed; nullptr: none.
  const Command* oldest() const { return in_flight_.empty() ? nullptr : in_flight_.front().get(); }
  // Completes it.
  void complete(const Completion& completion);

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;

  void ring_for_all();
  bool wait_locked(Lock& lock, uint64_t number, Clock::time_point deadline);
  void take_completions();
  void tell_locked() noexcept;

  const uint32_t entries_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Command>> in_flight_;
  uint64_t submitted_ = 0;  // submissions since creation
  uint64_t rung_ = 0;       // submissions that the device was told of
  bool held_ = false;
  uint64_t consumed_ = 0;  // completions that were seen
  uint64_t returned_ = 0;  // completions whose room was given back
  bool sleeping_ = false;  // one thread waits for the interrupt on behalf of all
  bool closed_ = false;
  std::vector<int> listeners_;
};

}  // namespace rdu::user
