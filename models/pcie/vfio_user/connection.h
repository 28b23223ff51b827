// One client's socket: whole messages in, replies out in the order of their commands. Internal to the server.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "pcie/vfio_user/protocol.h"
#include "pcie/vfio_user/unique_fd.h"

namespace rdu::pcie::vfio_user::detail {

using Clock = std::chrono::steady_clock;

// An eventfd by which any thread makes another one leave poll().
class Doorbell {
 public:
  Doorbell();
  int fd() const { return fd_.get(); }
  void ring() const;
  void silence() const;

 private:
  UniqueFd fd_;
};

class Connection;

// The place of one command in the order of replies.
struct Slot {
  std::shared_ptr<Connection> connection;
  wire::Header command = {};
  size_t remaining = 1;  // parts that have to be completed: more than one for REGION_WRITE_MULTI
  uint64_t parts = 1;    // how many there were
  int error = 0;         // the first part's that failed
  bool done = false;
  std::vector<uint8_t> message;  // the whole reply; empty if none was asked for
  int fd = -1;                   // goes along with it; not owned
};

// A complete message. `payload` is valid until the next read.
struct Message {
  wire::Header header = {};
  const uint8_t* payload = nullptr;
  size_t size = 0;  // of the payload
  std::vector<UniqueFd> fds;
  bool fds_lost = false;  // the kernel could not give us all descriptors that were sent
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(UniqueFd socket, std::shared_ptr<Doorbell> doorbell, std::chrono::milliseconds message_timeout);

  int fd() const { return socket_.get(); }

  // --- in: by whoever serves the socket at the moment ---

  enum class Read {
    kMessage,   // `message` is set
    kNothing,   // no more bytes at present
    kClosed,    // the peer has closed, or the connection failed
    kUnframed,  // a header that no message can have; only message.header is set, and nothing can be read any
                // more
  };
  Read read(Message& message);
  void set_max_message(uint32_t bytes) { max_message_ = bytes; }
  // When a message that has begun must be complete; max() if none has begun.
  Clock::time_point read_deadline() const { return read_deadline_; }

  // --- out: by any thread ---

  // Opens the place of a command that has just been read.
  std::shared_ptr<Slot> open(const wire::Header& command);
  // Completes a place (or a part of it): the reply leaves when all older ones have left.
  void finish(Slot& slot, const void* payload, size_t size, const void* data = nullptr, size_t data_size = 0,
              int fd = -1);
  void fail(Slot& slot, int error);

  // Sends a command of our own. False if the connection is dead.
  bool send(const wire::Header& header, const void* payload, size_t size, const void* data, size_t data_size);

  // Tries to send what the socket did not take at first. False if the connection failed.
  bool flush();
  bool unsent() const { return waiting_.load(std::memory_order_relaxed) > 0; }
  // When the peer must have read some more; max() if nothing is waiting.
  Clock::time_point write_deadline() const;
  size_t open_slots() const { return open_.load(std::memory_order_relaxed); }
  bool failed() const;
  // From now on (or no more) the doorbell rings whenever a place is completed.
  void watch(bool on);

  // Closes the socket; whatever is finished later goes nowhere.
  void close();

 private:
  struct Outgoing {
    std::vector<uint8_t> bytes;
    size_t sent = 0;
    int fd = -1;
  };

  // Reads up to `want` bytes in all into buffer_; the bytes got, 0 for end of file, or -1 with errno.
  ssize_t receive(size_t want);
  void complete(Slot& slot);
  void transmit(Outgoing message);
  bool push(Outgoing& message);  // false: the socket takes no more at present, or failed

  UniqueFd socket_;
  std::shared_ptr<Doorbell> doorbell_;
  std::chrono::milliseconds message_timeout_;

  std::vector<uint8_t> buffer_;
  size_t filled_ = 0;
  size_t consumed_ = 0;  // of the message that was returned last
  std::vector<UniqueFd> fds_;
  bool fds_lost_ = false;
  uint32_t max_message_ = 0;
  Clock::time_point read_deadline_ = Clock::time_point::max();

  mutable std::mutex out_;
  std::deque<std::shared_ptr<Slot>> slots_;
  std::deque<Outgoing> backlog_;
  std::atomic<size_t> open_{0};     // as slots_ has
  std::atomic<size_t> waiting_{0};  // as backlog_ has
  Clock::time_point write_deadline_ = Clock::time_point::max();
  bool dead_ = false;
  bool watched_ = false;
};

}  // namespace rdu::pcie::vfio_user::detail
