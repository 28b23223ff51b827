#pragma once

#include <cstddef>
#include <utility>

namespace rdu::platform::serial {

/// A file descriptor that is closed at the end.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset(int fd = -1);
  /// Gives it away.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_ = -1;
};

/// The events of poll(2) that a descriptor has now, of those asked for, besides errors and hang-ups.
short events(int fd, short wanted);

/// read(2) and write(2) of what is possible without waiting, even if the descriptor would: bytes moved, 0 for
/// none, -1 when the far end has closed or fails.
long read_now(int fd, char* data, size_t size);
long write_now(int fd, const char* data, size_t size);

}  // namespace rdu::platform::serial
