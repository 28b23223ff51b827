#include "user/host_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace rdu::user {

HostMemory HostMemory::allocate(size_t bytes, const std::string& name) {
  HostMemory memory;
  memory.size_ = (bytes + kPage - 1) / kPage * kPage;
  if (memory.size_ == 0) memory.size_ = kPage;
  memory.fd_ = ::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory.fd_ < 0) throw std::system_error(errno, std::generic_category(), "memfd_create for host memory");
  if (::ftruncate(memory.fd_, static_cast<off_t>(memory.size_)) != 0)
    throw std::system_error(errno, std::generic_category(),
                            "sizing host memory of " + std::to_string(memory.size_) + " bytes");
  // The size is final, so the other side may rely on it and need not look again at every access.
  if (::fcntl(memory.fd_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    throw std::system_error(errno, std::generic_category(), "sealing host memory");
  void* data = ::mmap(nullptr, memory.size_, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd_, 0);
  if (data == MAP_FAILED)
    throw std::system_error(errno, std::generic_category(),
                            "mapping host memory of " + std::to_string(memory.size_) + " bytes");
  memory.data_ = static_cast<uint8_t*>(data);
  return memory;
}

HostMemory::HostMemory(HostMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      fd_(std::exchange(other.fd_, -1)) {}

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

HostMemory::~HostMemory() {
  release();
}

void HostMemory::release() noexcept {
  if (data_) ::munmap(data_, size_);
  if (fd_ >= 0) ::close(fd_);
  data_ = nullptr;
  size_ = 0;
  fd_ = -1;
}

}  // namespace rdu::user
