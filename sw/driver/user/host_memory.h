// Memory that a process shares with the device: page-aligned, zeroed, backed by an anonymous file whose
// descriptor the simulator maps as well, so that a transfer costs no message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rdu::user {

class HostMemory {
 public:
  static constexpr size_t kPage = 4096;

  HostMemory() = default;
  // Rounds up to whole pages. Throws std::system_error if the system has no memory to give.
  static HostMemory allocate(size_t bytes, const std::string& name = "rdu-host-memory");

  HostMemory(HostMemory&& other) noexcept;
  HostMemory& operator=(HostMemory&& other) noexcept;
  ~HostMemory();

  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  int fd() const { return fd_; }

 private:
  void release() noexcept;

  uint8_t* data_ = nullptr;
  size_t size_ = 0;
  int fd_ = -1;
};

}  // namespace rdu::user
