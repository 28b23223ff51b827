// A queue's commands, of which some wait for others of other queues before the device gets them.
//
// Order between queues is kept on the host: a command that was submitted behind wait_for() stays here until
// what is waited for has completed; a thread of the stream then gives it to the device. Without such waits
// there is no thread, and what the device sees depends on the calls alone.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "rdu_abi.h"
#include "runtime/error.h"
#include "runtime/transport.h"
#include "runtime/user_buffer.h"
#include "user/command_stream.h"

namespace rdu::runtime {

class Eventfd {
 public:
  Eventfd();
  Eventfd(const Eventfd&) = delete;
  Eventfd& operator=(const Eventfd&) = delete;
  ~Eventfd();
  int fd() const { return fd_; }
  void raise();
  void clear();

 private:
  int fd_;
};

class Stream;

// A command's place in its stream.
class Ticket {
 public:
  Ticket(uint64_t number, uint8_t opcode) : number_(number), opcode_(opcode) {}
  uint64_t number() const { return number_; }  // of the queue, from 0
  uint8_t opcode() const { return opcode_; }

 private:
  friend class Stream;
  uint64_t number_;
  uint8_t opcode_;
  // Under the stream's lock.
  std::shared_ptr<user::Command> command_;  // once the device has it
  std::optional<Error> failure_;            // it could not be given to the device
  bool urged_ = false;                      // somebody waits for it: not to be held back
};

// All functions may be called from any thread and throw Error.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  explicit Stream(std::unique_ptr<user::CommandStream> commands);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream();

  uint32_t id() const { return id_; }

  // `buffer`: memory of the application that the command reads or writes; it is finished with when the
  // command is seen to have completed.
  std::shared_ptr<Ticket> submit(const rdu_sqe& sqe, Milliseconds timeout,
                                 std::unique_ptr<UserBuffer> buffer = nullptr);
  // What is submitted from here on begins after the other stream's command has completed, however that ended.
  void wait_for(std::shared_ptr<Stream> other, std::shared_ptr<Ticket> ticket);
  void hold();
  void release();

  // Whether it has completed within the time.
  bool wait(const Ticket& ticket, Milliseconds timeout);
  bool wait_below(uint64_t number, Milliseconds timeout);
  // Ends its being held back, as a wait does.
  void urge(Ticket& ticket);
  // Of a command that has. Throws the error of one that could not be given to the device.
  Completion completion(const Ticket& ticket);
  uint64_t submitted();

  // For poll(), as in user/command_stream.h. Nothing once it was closed.
  struct Descriptors {
    int interrupt = -1;
    int loss = -1;
  };
  std::optional<Descriptors> descriptors();
  void listen(int eventfd) { commands_->listen(eventfd); }
  void unlisten(int eventfd) { commands_->unlisten(eventfd); }
  void look();

  // Ends every wait for what has not completed, with `reason`. The device forgets the queue.
  void close(const Error& reason) noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  // What waits behind a wait_for().
  struct Item {
    enum class Kind { kWait, kSubmit, kHold, kRelease } kind;
    std::shared_ptr<Stream> other;
    std::shared_ptr<Ticket> ticket;  // kWait: the other's; kSubmit: ours
    rdu_sqe sqe{};
  };
  struct Buffer {
    uint64_t number;
    std::unique_ptr<UserBuffer> memory;
  };

  void defer(Item item);
  void run_deferred();
  void execute(const Item& item);
  void give(const rdu_sqe& sqe, Ticket& ticket, Milliseconds timeout);
  bool is_deferring();
  bool is_given(std::unique_lock<std::mutex>& lock, const Ticket& ticket, Clock::time_point deadline);
  [[noreturn]] void throw_closed();
  void settle();

  const std::unique_ptr<user::CommandStream> commands_;
  const uint32_t id_;

  std::mutex submit_mutex_;  // keeps the order of submissions; taken before mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t submitted_ = 0;
  std::deque<Item> deferred_;  // the first is being executed
  std::thread thread_;
  std::optional<Error> closed_;
  Eventfd cancel_;  // readable from close() on

  std::mutex buffers_mutex_;
  std::deque<Buffer> buffers_;
};

// Sleeps until one of them has completed: which (of several, the first in this order). Nothing when the time
// has passed or `cancel`, a descriptor, is readable.
struct StreamTicket {
  std::shared_ptr<Stream> stream;
  std::shared_ptr<Ticket> ticket;
};
std::optional<size_t> wait_any(const std::vector<StreamTicket>& tickets, Milliseconds timeout,
                               int cancel = -1);

}  // namespace rdu::runtime
